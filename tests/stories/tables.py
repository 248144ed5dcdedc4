"""Tables sent to a running demo, by the API and from the shell, and what is left of them afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bearer import Bearer, Said
from tests.stories.test_switches import soon
from tests.visitor import Demo

HEAD = {
    "accounts": b"identifiant;nom;prenom;mail;scope\n",
    "scopes": b"id;parent;kind;name;finess;city\n",
}
LINE = {
    "accounts": b"eve.un;Un;Eve;eve.un@example.test;ssr-lac\n",
    "scopes": b"etang;exemple-sante;etablissement;SSR de l'Etang;;Lyon\n",
}
TABLES = ("accounts", "logins", "memberships", "scopes", "switches", "roles")


def query(demo: Demo, text: str) -> list[tuple[Any, ...]]:
    with closing(demo.records()) as db:
        return db.execute(text).fetchall()


def held(demo: Demo) -> list[Any]:
    """All that an import could write."""
    return [query(demo, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES]  # noqa: S608


def send(to: Bearer, kind: str, data: bytes, said: str = "text/csv") -> Said:
    return to.call("POST", f"{kind}/import?dry_run=0", data, content_type=said)


def ended(to: Bearer, said: Said) -> Any:
    """The import when it is over, however it ended."""
    assert said.status in (200, 202), said.body
    status = said.json()
    soon(lambda: to.get(f"imports/{status['id']}").json()["state"] != "running", 60)
    return to.get(f"imports/{status['id']}").json()


def shell(demo: Demo, tmp_path: Path, kind: str, data: bytes, *more: str) -> subprocess.CompletedProcess[str]:
    """``vt-gateway user import`` or ``scope import``, with a folder of its own for what it writes aside."""
    (tmp_path / "aside").mkdir(exist_ok=True)
    file = tmp_path / "table.csv"
    file.write_bytes(data)
    line = [sys.executable, "-m", "gateway", {"accounts": "user"}.get(kind, "scope"), "import"]
    line += ["--config", str(demo.folder / "gateway.toml"), *more, str(file)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "aside")}
    ran = subprocess.run(line, capture_output=True, text=True, timeout=100, env=environment)
    assert list((tmp_path / "aside").iterdir()) == []
    assert file.read_bytes() == data
    assert "Traceback" not in ran.stderr
    return ran


def unharmed(demo: Demo) -> None:
    """The gateway serves, keeps no file, and no import goes on."""
    soon(lambda: not list((demo.folder / "state/imports").iterdir()))
    soon(lambda: query(demo, "SELECT count(*) FROM imports WHERE state = 'running'") == [(0,)], 30)
    assert Bearer(demo, "region").get("session").status == 200
