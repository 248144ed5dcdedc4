"""The wire between the gateways and one server: passes bytes on, late when it is told to.

A process of its own, so that its delay is no delay of whoever measures. Words on stdin: ``delay SECONDS``, ``silent`` (nothing
passes, nothing is closed), ``pass``. With a namespace it listens there, at the far end of a link that can be set down; with a
certificate it speaks TLS to who comes, as a server on another machine has to.

python -m experiments.wire LISTEN_HOST LISTEN_PORT TARGET_PORT [--namespace NAME] [--certificate FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import socket
import ssl
import sys
import time
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_PIECE = 1 << 16


class Wire:
    """Both directions of every connection wait for ``delay`` seconds and while ``passing`` is not set."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.delay = 0.0
        self.passing = asyncio.Event()
        self.passing.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        await self.passing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._one_way(reader, far_writer), self._one_way(far_reader, writer))
        for one in (writer, far_writer):
            one.transport.abort()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

        async def bring() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.passing.wait()
                if not piece:
                    writer.transport.abort()
                    return
                writer.write(piece)
                await writer.drain()

        bringing = asyncio.create_task(bring())
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                await pieces.put((time.monotonic() + self.delay, piece))
        await pieces.put((time.monotonic() + self.delay, b""))
        with contextlib.suppress(OSError):
            await bringing


def listener(host: str, port: int, namespace: str | None) -> socket.socket:
    """A listening socket, inside the network namespace if one is named: a socket stays where it was made."""
    if namespace is None:
        return socket.create_server((host, port), backlog=512)
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path(f"/run/netns/{namespace}").open() as there:
        try:
            if libc.setns(there.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            return socket.create_server((host, port), backlog=512)
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.wire", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("target", type=int)
    parser.add_argument("--namespace")
    parser.add_argument("--certificate", help="PEM with its key")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    wire = Wire(options.target)
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    listening = listener(options.host, options.port, options.namespace)
    server = await asyncio.start_server(wire.carry, sock=listening, ssl=tls)
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    print("ready", flush=True)
    while word := (await words.readline()).split():
        if word[0] == b"delay":
            wire.delay = float(word[1])
        elif word[0] == b"silent":
            wire.passing.clear()
        elif word[0] == b"pass":
            wire.passing.set()
    server.close()
    os._exit(0)  # who held us is gone, and connections still under way are of no use to anybody


if __name__ == "__main__":
    asyncio.run(main(arguments()))
