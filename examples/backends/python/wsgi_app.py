"""A WSGI application that trusts the assertion and nothing else.

VT_JWKS=https://vt.example.fr/_gateway/jwks.json VT_ISSUER=https://vt.example.fr VT_AUDIENCE=vt python wsgi_app.py 8080
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import make_server

from vt_assertion import KeySet, Refused, read

KEYS = KeySet(os.environ.get("VT_JWKS", ""))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """200 with who asks, or 401 with the reason. The plain X-VT- headers are for people who read logs."""
    try:
        token = environ.get("HTTP_X_VT_ASSERTION", "")
        who = read(token, KEYS, os.environ["VT_ISSUER"], os.environ["VT_AUDIENCE"])
    except Refused as error:
        return _answer(start_response, "401 Unauthorized", {"reason": str(error)})
    for_whom = who.delegation.on_behalf_of if who.delegation else None
    return _answer(start_response, "200 OK", {"person": who.person, "on_behalf_of": for_whom})


def _answer(start_response: Callable[..., Any], status: str, body: dict[str, Any]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]), application) as server:
        server.serve_forever()
