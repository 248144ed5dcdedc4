"""The proxy one writes first: an aiohttp handler that calls aiohttp's client. python -m bench.naive PORT ORIGIN_PORT"""

from __future__ import annotations

import sys

import aiohttp
from aiohttp import web

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def handle(request: web.Request) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
    url = f"http://127.0.0.1:{sys.argv[2]}{request.raw_path}"
    body = await request.read() if request.can_read_body else None
    async with request.app[SESSION].request(request.method, url, headers=headers, data=body) as got:
        kept = {name: value for name, value in got.headers.items() if name.lower() not in HOP}
        return web.Response(status=got.status, headers=kept, body=await got.read())


async def make() -> web.Application:
    app = web.Application(client_max_size=1 << 30)
    app[SESSION] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    app.router.add_route("*", "/{rest:.*}", handle)
    return app


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
