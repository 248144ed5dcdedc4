"""What stands beyond the gateways of a simulation: the application, and Pro Santé Connect with many people.

python -m bench.beyond FOLDER APPLICATION_PORT PSC_PORT PEOPLE REDIRECT_URI

The application answers every request with the assertion it received, filled up to the size of a mean answer, so that who
asked can see whose answer it is. Pro Santé Connect is the demo's simulator.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import cast

from aiohttp import web

from bench.people import at_psc
from gateway.demo.psc import Client, Simulator
from gateway.edges.system import SystemAmbient

REALM = "/auth/realms/esante-wallet"
ANSWER = 20 * 1024  # bytes
_FIELD = b"\r\nx-vt-assertion: "


class Application(asyncio.Protocol):
    """Requests without a body, one after the other on kept connections."""

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            at = head.lower().find(_FIELD)
            token = head[at + len(_FIELD) :].partition(b"\r\n")[0].strip() if at >= 0 else b""
            body = token + b" " * (ANSWER - len(token))
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )


async def main(folder: Path, application: int, psc: int, people: int, redirect: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Application, "127.0.0.1", application, backlog=1024)
    client = Client((folder / "psc.secret").read_text(), [redirect])
    known = [at_psc(number) for number in range(people)]
    simulator = Simulator(f"https://localhost:{psc}{REALM}", known, {"vt-gateway": client}, SystemAmbient().now)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    runner = web.AppRunner(simulator.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", psc, ssl_context=tls).start()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *(int(one) for one in sys.argv[2:5]), sys.argv[5]))
