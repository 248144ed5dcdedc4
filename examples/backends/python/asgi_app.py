"""The same as an ASGI application, for uvicorn, hypercorn or daphne: ``uvicorn asgi_app:application``."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from vt_assertion import KeySet, Refused, Who, read

KEYS = KeySet(os.environ.get("VT_JWKS", ""))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """200 with who asks, or 401 with the reason. Two headers of the name are none."""
    if scope["type"] != "http":
        return
    tokens = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-vt-assertion"]
    status, body = 401, {"reason": "no assertion"}
    if len(tokens) == 1:
        try:
            who = await asyncio.to_thread(_read, tokens[0])  # asking for keys may wait: not in the loop
            for_whom = who.delegation.on_behalf_of if who.delegation else None
            status, body = 200, {"person": who.person, "on_behalf_of": for_whom}
        except Refused as error:
            body = {"reason": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def _read(token: str) -> Who:
    return read(token, KEYS, os.environ["VT_ISSUER"], os.environ["VT_AUDIENCE"])
