"""A supervisor and its workers as ``serve`` runs them, in front of an origin in the test's own loop; and people who ask
without pause, so that a request that is lost is seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, WSMsgType, web

from bench.process_tree import workers
from tests.servers import free_port
from tests.smallest import SMALLEST

BLOCK = b"x" * 4096


async def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Ask again and again; fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


class Fleet:
    """``config`` may be changed between signals; ``code``: a folder that holds the program, when it is not this one."""

    def __init__(self, folder: Path, origin: int, code: Path | None = None) -> None:
        self.folder = folder
        self.public, self.management = free_port(), free_port()
        self.path = folder / "gateway.toml"
        self.log = folder / "log"
        self._code = code
        self._origin = origin
        self.process: subprocess.Popen[bytes]

    def configure(self, *lines: str, workers: int = 1, more: str = "", public: int = 0) -> None:
        """``lines`` go into the section gateway, ``more`` to the end."""
        text = SMALLEST.replace(
            'state_dir = "state"', "\n".join(['state_dir = "state"', "drain = 200", f"workers = {workers}", *lines])
        )
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{public or self.public}").replace("protected", "public")
        text = text.replace('127.0.0.1:1"', f'127.0.0.1:{self._origin}"').replace(
            "[gateway]", '[gateway]\nhosts = ["127.0.0.1"]'
        )
        self.path.write_text(
            f'{text}[log]\naccess = false\n[listen.management]\naddress = "127.0.0.1:{self.management}"\n{more}'
        )

    def launch(self, **environ: str) -> None:
        path = {} if self._code is None else {"PYTHONPATH": str(self._code)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(self.path)],
                stdout=log,
                stderr=log,
                cwd=self._code,
                env={**os.environ, **path, **environ},
            )

    async def start(self, **environ: str) -> None:
        self.launch(**environ)
        await self.said("workers serving")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """What was said so far under this name."""
        texts = [line for line in self.log.read_text().splitlines() if f'"{event}"' in line]
        return [found for line in texts if (found := json.loads(line))["event"] == event]

    async def said(self, event: str, times: int = 1, seconds: float = 100) -> list[dict[str, Any]]:
        def enough() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return len(self.lines(event)) >= times

        try:
            await until(enough, seconds)
        except AssertionError as error:
            raise AssertionError(f"{event}: {error}\n{self.log.read_text()}") from error
        return self.lines(event)

    def workers(self) -> list[int]:
        """Processes of workers, the older first."""
        return workers(self.process.pid)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ask(self, path: str, port: int = 0) -> tuple[int, str]:
        url = f"http://127.0.0.1:{port or self.management}{path}"
        async with ClientSession(timeout=ClientTimeout(30)) as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as they are written."""
        status, text = await self.ask("/metrics")
        assert status == 200
        samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        found = {name: float(value) for name, _, value in samples}
        assert len(found) == len(samples), "a sample is there twice"
        return found

    async def end(self) -> int:
        """Drain; the exit code."""
        self.signal(signal.SIGTERM)
        await until(lambda: self.process.poll() is not None)
        return self.process.returncode

    def kill(self) -> None:
        """Whatever is left when a test has failed."""
        if self.process.poll() is None:
            left = self.workers()
            self.process.kill()
            self.process.wait()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def origin() -> AsyncIterator[int]:
    """The port of a backend with something small, a place that counts what it is sent, and a WebSocket that echoes."""

    async def small(_: web.Request) -> web.Response:
        return web.Response(text="small")

    async def sink(request: web.Request) -> web.Response:
        return web.Response(text=str(sum([len(part) async for part in request.content.iter_any()])))

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.get("/small", small), web.post("/sink", sink), web.get("/ws", echo)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


class Crowd:
    """Keep-alive connections and new ones that ask without pause. ``lost``: requests that got no answer, or not 200."""

    def __init__(self, port: int, kept: int = 6, new: int = 2) -> None:
        self._port = port
        self._loops = [self._keep] * kept + [self._anew] * new
        self._going = True
        self.answered = 0
        self.lost: list[str] = []

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bool) -> bool:
        """One request; whether the connection is kept."""
        close = b"" if kept else b"Connection: close\r\n"
        writer.write(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n" + close + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
        body = await reader.readexactly(length)
        if head[9:12] == b"200" and body == b"small":
            self.answered += 1
        else:
            self.lost.append(head.split(b"\r\n")[0].decode())
        return kept and b"connection: close" not in head.lower()

    async def _connection(self, kept: bool) -> None:
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while self._going:
                async with asyncio.timeout(60):
                    goes_on = await self._once(reader, writer, kept)
                if not goes_on:
                    break
                await asyncio.sleep(0.005)  # the pace of a reader
        finally:
            writer.close()

    async def _keep(self) -> None:
        await self._again(True)

    async def _anew(self) -> None:
        await self._again(False)

    async def _again(self, kept: bool) -> None:
        while self._going:
            try:
                await self._connection(kept)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.lost.append(f"{'kept' if kept else 'new'}: {type(error).__name__}: {error}")
                await asyncio.sleep(0.02)

    async def __aenter__(self) -> Crowd:
        self._tasks = [asyncio.create_task(loop()) for loop in self._loops]
        await until(lambda: self.answered > 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._going = False
        await asyncio.gather(*self._tasks)


class Long:
    """An upload that takes its time, and a WebSocket: what is on its way when a worker is replaced."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._enough = asyncio.Event()
        self.begun = asyncio.Event()

    async def _upload(self) -> tuple[int, int]:
        sent = 0

        async def slowly() -> AsyncIterator[bytes]:
            nonlocal sent
            while not self._enough.is_set():
                sent += len(BLOCK)
                yield BLOCK
                await asyncio.sleep(0.02)

        url = f"http://127.0.0.1:{self._port}/sink"
        async with ClientSession() as session, session.post(url, data=slowly()) as answer:
            assert answer.status == 200, await answer.text()
            return sent, int(await answer.text())

    async def _listen(self) -> int:
        async with ClientSession() as session:
            url = f"ws://127.0.0.1:{self._port}/ws"
            async with session.ws_connect(url, origin="https://vt.test") as socket:
                await socket.send_str("there?")
                assert (await socket.receive()).data == "there?"
                self.begun.set()
                message = await socket.receive()
                assert message.type is WSMsgType.CLOSE, message
                return int(message.data)

    async def __aenter__(self) -> Long:
        self._tasks = asyncio.create_task(self._upload()), asyncio.create_task(self._listen())
        async with asyncio.timeout(20):
            await self.begun.wait()
        return self

    async def closed(self) -> int:
        """With what code the WebSocket was closed."""
        async with asyncio.timeout(90):
            return await self._tasks[1]

    async def uploaded(self) -> tuple[int, int]:
        """End the upload: bytes sent, and bytes that arrived."""
        self._enough.set()
        async with asyncio.timeout(90):
            return await self._tasks[0]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
