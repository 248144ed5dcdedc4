"""The JSON API of a running demo, as a program of an administrator calls it: with a token and nothing else."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.visitor import Demo


@dataclass
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Bearer:
    """``role`` names one of the tokens of demo.json; ``None`` calls without one."""

    def __init__(self, demo: Demo, role: str | None) -> None:
        self._base = demo.about["gateway"] + "/_gateway/api/v1/"
        self._demo = demo
        self._token = demo.about["tokens"][role] if role else None
        self._context = ssl.create_default_context(cafile=str(demo.folder / demo.about["ca"]))

    def get(self, path: str, **headers: str) -> Said:
        return self.call("GET", path, **headers)

    def call(self, method: str, path: str, data: object = None, **headers: str) -> Said:
        """``data``: bytes as they are (then give ``content_type``), anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = data if isinstance(data, bytes) else None if data is None else json.dumps(data).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._base + path, body, sent, method=method)
        try:
            with self._demo.asking(), urllib.request.urlopen(request, timeout=60, context=self._context) as answer:
                return Said(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, dict(error.headers.items()), error.read())

    def now(self) -> datetime:
        """The gateway's own clock, as the console tells it."""
        return datetime.fromisoformat(self._demo.console("GET", "/clock")["now"])

    def switch(self, scope: str, state: str, **more: Any) -> Said:
        return self.call("POST", f"scopes/{scope}/switch", {"state": state, "reason": "essai du récit", **more})

    def edit(self, scope: str, **changes: Any) -> Said:
        """Change fields of a scope as it is now."""
        tag = self.get(f"scopes/{scope}").headers["ETag"]
        return self.call("PATCH", f"scopes/{scope}", {"reason": "essai du récit", **changes}, if_match=tag)
