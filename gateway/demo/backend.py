"""The sample application behind the gateway: it says what it received, and trusts the assertion alone."""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import ssl
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

_KEPT = 2000


class Backend:
    """``jwks`` is the gateway's key set address; ``audience`` is what assertions for this application say."""

    def __init__(self, clock: Callable[[], datetime], jwks: str, audience: str, tls: ssl.SSLContext | None) -> None:
        self._clock = clock
        self._jwks = jwks
        self._audience = audience
        self._tls = tls
        self._keys: KeySet | None = None
        self.requests: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 40)
        app.router.add_route("*", "/{rest:.*}", self.any)
        return app

    async def any(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/ws":
            self._note(request, 0)
            return await self._socket(request)
        length, digest = 0, hashlib.sha256()
        async for piece in request.content.iter_chunked(1 << 16):
            length += len(piece)
            digest.update(piece)
        self._note(request, length)
        kind, _, number = path.strip("/").partition("/")
        if number.isascii() and number.isdigit() and len(number) < 16:
            if kind == "bytes":
                return await self._bytes(request, int(number))
            if kind == "slow":
                await asyncio.sleep(min(int(number), 3600))
            if kind == "status" and 200 <= int(number) <= 599:
                return web.Response(status=int(number))
        if path == "/sse":
            return await self._events(request)
        identity = await self.identity(request.headers.get("X-VT-Assertion", ""))
        if "application/json" in request.headers.get("Accept", ""):
            body = {
                "method": request.method,
                "target": request.raw_path,
                "headers": [
                    [name.decode("latin-1"), value.decode("utf-8", "replace")] for name, value in request.raw_headers
                ],
                "body_length": length,
                "body_sha256": digest.hexdigest(),
                "identity": identity,
            }
            answer = web.json_response(body)
        else:
            answer = web.Response(text=_page(request, identity), content_type="text/html", charset="utf-8")
        if path == "/set-cookie":
            answer.headers.add("Set-Cookie", "ASP.NET_SessionId=demo; Path=/; HttpOnly")
            answer.headers.add("Set-Cookie", "vt-pref=1; Path=/")
        return answer

    def _note(self, request: web.Request, length: int) -> None:
        self.requests.append(
            {
                "method": request.method,
                "target": request.raw_path,
                "headers": [
                    [name.decode("latin-1"), value.decode("utf-8", "replace")] for name, value in request.raw_headers
                ],
                "body_length": length,
                "at": self._clock().isoformat(),
            }
        )

    async def identity(self, token: str) -> dict[str, Any] | None:
        """The claims of a believable assertion; everything else is nobody."""
        if not token:
            return None
        for fresh in (False, True):
            try:
                keys = await self._key_set(fresh=fresh)
                found = jwt.decode(token, keys, algorithms=["ES256"])
                rules = jwt.JWTClaimsRegistry(
                    now=int(self._clock().timestamp()),
                    leeway=5,
                    aud={"essential": True, "value": self._audience},
                    exp={"essential": True},
                    sub={"essential": True},
                )
                rules.validate(found.claims)
            except (JoseError, ValueError, KeyError, aiohttp.ClientError):
                continue
            return dict(found.claims)
        return None

    async def _key_set(self, *, fresh: bool) -> KeySet:
        if self._keys is None or fresh:
            connector = aiohttp.TCPConnector(ssl=self._tls) if self._tls else None
            async with aiohttp.ClientSession(connector=connector) as session, session.get(self._jwks) as answer:
                self._keys = KeySet.import_key_set(await answer.json(content_type=None))
        return self._keys

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 26)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def _bytes(self, request: web.Request, count: int) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": str(count)})
        await answer.prepare(request)
        block = bytes(range(256)) * 256
        left = count
        while left > 0:
            await answer.write(block[: min(left, len(block))])
            left -= len(block)
        return answer

    async def _events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await answer.prepare(request)
        for number in range(3600):
            await answer.write(f"data: {json.dumps({'n': number})}\n\n".encode())
            await asyncio.sleep(1)
        return answer


def _page(request: web.Request, identity: dict[str, Any] | None) -> str:
    if identity is None:
        who = "<p>Personne n'est connecté : cette page est publique.</p>"
    else:
        names = f"{identity.get('given_name', '')} {identity.get('family_name', '')}"
        rows = "".join(
            f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in identity.items()
        )
        who = f"<p>Bonjour <strong>{html.escape(names)}</strong></p>{_for_whom(identity)}<table>{rows}</table>"
    return (
        "<!doctype html><html lang='fr'><meta charset='utf-8'><title>Application de démonstration</title>"
        "<style>body{font:17px system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}th{text-align:left;padding-right:1rem}"
        "td{word-break:break-all}</style><h1>ViaTrajectoire (application de démonstration)</h1>"
        f"<p>Page demandée : <code>{html.escape(request.raw_path)}</code></p>{who}"
        "<p><a href='/_gateway/delegations'>Mes délégations</a> · "
        "<a href='/_gateway/account'>Mon compte et déconnexion</a></p></html>"
    )


def _for_whom(identity: dict[str, Any]) -> str:
    """For which doctor, with which rights and until when, when the person acts for one."""
    details = identity.get("authorization_details") or []
    if not details:
        return ""
    rights = [f"{module} : {', '.join(one['actions'])}" for one in details for module in one["datatypes"]]
    return (
        f"<p>agit pour le médecin <strong>{html.escape(details[0]['on_behalf_of'])}</strong>, "
        f"jusqu'au {html.escape(details[0]['valid_until'])} ({html.escape(' ; '.join(rights))})</p>"
    )
