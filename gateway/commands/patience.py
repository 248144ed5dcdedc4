"""A worker whose store or database is away when it starts waits for it: alive, not ready, and nothing passes.

Ending and being started again would do as well under systemd, but a Kubernetes pod that ends again and again is started
ever later, and an operator sees a crash where there is an outage. What waiting does not mend (a schema that is not
current, a key that is missing) ends the worker as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from gateway import ops
from gateway.app import Away, Gateway
from gateway.edges.pulse import Pulse
from gateway.edges.scrape import Scrape
from gateway.edges.sockets import Handed
from gateway.edges.system import SystemAmbient
from gateway.settings import Settings

_FIRST, _LONGEST = 0.25, 2.0  # seconds between two tries; back within five once the dependency is
_log = structlog.get_logger("gateway")


async def patiently(settings: Settings, handed: Handed, pulse: Pulse, stop: asyncio.Event) -> Gateway | None:
    """A gateway that serves; ``None`` when ``stop`` was asked for first. Raises ``StartError``."""
    pause = _FIRST
    async with contextlib.AsyncExitStack() as waiting:
        away: list[Away] = []
        while not stop.is_set():
            gateway = Gateway(settings, ambient=SystemAmbient(), handed=handed, pulse=pulse)
            try:
                await gateway.start()
            except Away as error:
                if not away:
                    pulse.sign = handed.say_waiting
                    handed.say_waiting()
                    await waiting.enter_async_context(_answering(handed, away))
                if not away or str(away[-1]) != str(error):
                    _log.error("waiting for what is needed to start", error=str(error))
                away[:] = [error]
            else:
                pulse.sign = handed.say_alive
                return gateway
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()
            pause = min(pause * 2, _LONGEST)
    return None


@contextlib.asynccontextmanager
async def _answering(handed: Handed, away: Sequence[Away]) -> AsyncIterator[None]:
    """The management listener meanwhile: alive, not ready and why not, and the numbers there are. All other connections
    wait in their queue."""
    listening = handed.sockets.get("management")
    if listening is None:
        yield
        return

    def check(name: str) -> ops.Check:
        async def look() -> str | None:
            return next((one.reason for one in away if one.check == name), None)

        return look

    async def starting() -> str:
        return "waiting"

    checks = {"starting": starting, **{name: check(name) for name in ("store", "records")}}
    registry = CollectorRegistry(auto_describe=False)
    scrape = Scrape(handed.folder, handed.slot, lambda: generate_latest(registry))
    app = ops.make_app(checks, scrape.collect)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listening.dup()).start()
        yield
    finally:
        await runner.cleanup()
