"""Our own clients: WebSocket round trips, and thousands of idle connections.

python -m bench.rounds websockets PORT SECONDS COOKIE
python -m bench.rounds idle PORT COUNT COOKIE clear|tls
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import ssl
import sys
import time

_NO_PORT_YET = 24  # IP_BIND_ADDRESS_NO_PORT: the port is chosen when the other end is known
_FRAME = bytes([0x82, 0x80 | 64, 1, 2, 3, 4]) + b"y" * 64


async def websockets(port: int, seconds: float, cookie: str) -> None:
    end = time.monotonic() + seconds
    times: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: {cookie}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise SystemExit(head.decode())
        while time.monotonic() < end:
            began = time.perf_counter()
            writer.write(_FRAME)
            await reader.readexactly(66)
            times.append((time.perf_counter() - began) * 1e3)
        writer.close()

    await asyncio.gather(*(one() for _ in range(32)))
    times.sort()
    print(json.dumps({
        "rate": len(times) / seconds, "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)],
        "count": len(times),
    }))  # fmt: skip


def idle(port: int, count: int, cookie: str, *, tls: bool) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 200, hard), hard))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ask = f"GET /small HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
    kept: list[socket.socket] = []
    for number in range(count):
        raw = socket.socket()
        raw.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
        raw.bind((f"127.{os.getpid() % 200 + 1}.0.{1 + number // 5000}", 0))  # a host has 28,000 ports to one place
        raw.connect(("127.0.0.1", port))
        sock = context.wrap_socket(raw) if tls else raw
        sock.sendall(ask)
        got = b""
        while len(got) < 1024 or not got.endswith(b"x" * 1024):
            piece = sock.recv(65536)
            if not piece:
                raise SystemExit(f"closed after {number} connections")
            got += piece
        if b" 200 " not in got[:20]:
            raise SystemExit(got.decode("latin-1"))
        kept.append(sock)
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    if sys.argv[1] == "websockets":
        import uvloop

        uvloop.run(websockets(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    else:
        idle(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], tls=sys.argv[5] == "tls")
