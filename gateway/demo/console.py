"""The demo's console: what was sent by mail and SMS, the clock, what reached the backend, faults. Loopback only."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.demo.backend import Backend
from gateway.demo.mailbox import MailCatcher, SmsCatcher

_MODES = ("ok", "down", "slow", "error")


class DemoClock:
    """The one clock of the demo, moved by hand."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)


class Console:
    """``faults`` sets the mode of a component."""

    def __init__(
        self,
        mail: MailCatcher,
        sms: SmsCatcher,
        clock: DemoClock,
        backend: Backend | None,
        faults: dict[str, Callable[[str], None]],
    ) -> None:
        self._mail = mail
        self._sms = sms
        self._clock = clock
        self._backend = backend
        self._faults = faults

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._home)
        app.router.add_get("/mails", self._mails)
        app.router.add_delete("/mails", self._forget_mails)
        app.router.add_get("/sms", self._texts)
        app.router.add_delete("/sms", self._forget_texts)
        app.router.add_post("/sms", self._sms.take)
        app.router.add_get("/clock", self._time)
        app.router.add_post("/clock", self._advance)
        app.router.add_get("/requests", self._requests)
        app.router.add_delete("/requests", self._forget_requests)
        app.router.add_post("/fault", self._fault)
        return app

    async def _home(self, request: web.Request) -> web.Response:
        parts = [
            "<!doctype html><html lang='fr'><meta charset='utf-8'><title>Console</title>"
            "<style>body{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap;"
            "background:#eef2f6;padding:1rem;border-radius:8px}</style><h1>Console de la démonstration</h1>",
            f"<p>Horloge : {html.escape(self._clock.now().isoformat())}</p><h2>Messages</h2>",
        ]
        parts += [
            f"<h3>{html.escape(one['subject'])} → {html.escape(one['to'])}</h3><pre>{html.escape(one['text'])}</pre>"
            for one in reversed(self._mail.messages[-30:])
        ]
        parts.append("<h2>SMS</h2>")
        parts += [
            f"<p>{html.escape(one['to'])} : {html.escape(one['text'])}</p>"
            for one in reversed(self._sms.messages[-30:])
        ]
        return web.Response(text="".join(parts) + "</html>", content_type="text/html", charset="utf-8")

    def _list(self, request: web.Request, messages: list[dict[str, Any]]) -> web.Response:
        to = request.query.get("to")
        found = [one for one in messages if to is None or one["to"] == to]
        if "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPFound("/")
        return web.json_response(found)

    async def _mails(self, request: web.Request) -> web.Response:
        return self._list(request, self._mail.messages)

    async def _forget_mails(self, request: web.Request) -> web.Response:
        self._mail.messages.clear()
        return web.json_response([])

    async def _texts(self, request: web.Request) -> web.Response:
        return self._list(request, self._sms.messages)

    async def _forget_texts(self, request: web.Request) -> web.Response:
        self._sms.messages.clear()
        return web.json_response([])

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"now": self._clock.now().isoformat()})

    async def _advance(self, request: web.Request) -> web.Response:
        data = await _object(request)
        seconds = data.get("advance")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or abs(seconds) > 10**9:
            raise web.HTTPBadRequest(text="advance: a number of seconds is needed")
        self._clock.advance(seconds)
        return await self._time(request)

    async def _requests(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._backend.requests) if self._backend else [])

    async def _forget_requests(self, request: web.Request) -> web.Response:
        if self._backend:
            self._backend.requests.clear()
        return web.json_response([])

    async def _fault(self, request: web.Request) -> web.Response:
        data = await _object(request)
        component, mode = data.get("component"), data.get("mode")
        if component not in self._faults or mode not in _MODES:
            raise web.HTTPBadRequest(text=f"component: {', '.join(self._faults)}; mode: {', '.join(_MODES)}")
        self._faults[component](mode)
        return web.json_response({"component": component, "mode": mode})


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        data = await request.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise web.HTTPBadRequest(text="a JSON object is needed")
    return data
