"""A WebSocket echo, as an origin: python -m bench.echo PORT"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from hashlib import sha1
from typing import cast


class Echo(asyncio.Protocol):
    """Upgrades, then sends each client frame back unmasked. Frames of at most 125 bytes, as the client sends them."""

    def __init__(self) -> None:
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.open:
            key = data.lower().split(b"sec-websocket-key: ")[1]
            at = len(data) - len(key)
            accept = b64encode(sha1(data[at:].split(b"\r\n")[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self.open = True
            return
        size, mask = data[1] & 0x7F, data[2:6]
        body = bytes(one ^ mask[place & 3] for place, one in enumerate(data[6 : 6 + size]))
        self.transport.write(bytes([data[0], size]) + body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
