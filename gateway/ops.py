"""The management listener: alive, ready, metrics, version. On its own address, never through the door.

It shows no secret, hash or identifier. ``/readyz`` says per dependency whether it answers, and fails first when the
gateway drains, so that a load balancer looks elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway import __version__

Check = Callable[[], Awaitable[str | None]]


def make_app(checks: Mapping[str, Check], registry: CollectorRegistry) -> web.Application:
    """``checks``: by name, ``None`` when the dependency answers, otherwise a short word why not."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        found = {name: await check() for name, check in checks.items()}
        ready = all(fault is None for fault in found.values())
        details = {name: fault or "ok" for name, fault in found.items()}
        return web.json_response({"ready": ready, "checks": details}, status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": __version__})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/version", version)
    return app
