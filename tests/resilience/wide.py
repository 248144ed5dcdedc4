"""A demo as people see it, served by two gateways of three workers on Redis and PostgreSQL, behind a TCP round-robin.

The demo's process provides everybody the gateway talks to: Pro Santé Connect, mailbox, console, directory, application.
The gateways are ``vt-gateway serve``, as in production, but for their clock (``clock/sitecustomize.py``). With
``VTGW_WIDE=killed`` workers and gateways are killed meanwhile (``striking``).
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from experiments.serving import Serving
from tests.resilience.beside import LISTENERS, aside, beside, port_of
from tests.resilience.copied import copy_records
from tests.resilience.memory import fresh_memory
from tests.resilience.striking import Striker
from tests.servers import program, wait_for_port
from tests.stories.conftest import demo_alone
from tests.visitor import Demo

GATEWAYS, WORKERS = "ab", 3
# Stories, and files of stories, that cannot be told so, and why.
NOT_WIDE = {
    "test_demo_administration.py": "about the demo's own process, ended and started again on its own files",
    "test_r87_tokens_that_ended_open_nothing": "asks at once; a worker remembers a token for five seconds",
    "test_epoch_reach.py": "two gateways with a store of their own, put back beside the demo",
    "test_outage.py": "starts a gateway beside the demo, with a store of its own in the demo's configuration",
}
_CLOCK = Path(__file__).parent / "clock"
_ROOT = Path(__file__).parents[2]
_HAPROXY = """
global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  balance roundrobin
  option redispatch 1
  retries 3
  timeout connect 5s
  timeout client 120s
  timeout server 120s
"""


class _Follower(Serving):
    """``vt-gateway serve`` in an environment of its own."""

    def __init__(self, name: str, config: Path, plain: int, management: int, words: Sequence[str]) -> None:
        super().__init__(name, config, plain, management, count=WORKERS)
        self._line = ("env", *words, *self._line)


class _Rows:
    """A connection to PostgreSQL, with what stories use of one to SQLite."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""))

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.rollback() if kind else self._connection.commit()

    def execute(self, text: str, values: Sequence[Any] = ()) -> Any:
        return self._connection.execute(text.replace("?", "%s").encode(), values or None)

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


class WideDemo(Demo):
    """The demo's clock moved by hand is the clock of every worker."""

    def __init__(self, folder: Path, records: str) -> None:
        super().__init__(folder)
        self._records = records
        self._ahead = 0.0
        self.striker: Striker | None = None
        self.clock_file = folder / "clock"
        self._tell()

    def console(self, method: str, path: str, data: Any = None) -> Any:
        found = super().console(method, path, data)
        if (method, path) == ("POST", "/clock"):
            self._ahead += data["advance"]
            self._tell()
        return found

    def asking(self) -> AbstractContextManager[None]:
        return super().asking() if self.striker is None else self.striker.request()

    def records(self) -> Any:
        return _Rows(self._records)

    def log(self) -> str:
        return "".join((self.folder / f"gateway-{name}.log").read_text() for name in GATEWAYS)

    def _tell(self) -> None:
        with self.clock_file.open("r+b" if self.clock_file.exists() else "wb") as file:
            file.write(struct.pack("<d", self._ahead))


@contextmanager
def wide(folder: Path, **settings: str) -> Iterator[Demo]:
    """The world, with ``settings`` as environment variables of every gateway."""
    store, records = fresh_memory()
    with demo_alone(folder, **{**settings, **aside()}) as world, ExitStack() as stack:
        copy_records(world.folder / "state" / "records.db", records)
        demo = WideDemo(folder, records)
        words = [f"{name}={value}" for name, value in settings.items()]
        words += [f"PYTHONPATH={_CLOCK}:{_ROOT}", f"VTGW_WIDE_CLOCK={demo.clock_file}"]
        serving, ports = [], []
        for name in GATEWAYS:
            config, places = beside(demo, name, store=store, records=records, workers=WORKERS)
            one = _Follower(name, config, places["plain"], places["management"], words)
            stack.callback(one.stop)
            one.start(wait=False)
            serving.append(one)
            ports.append(places)
        with (folder / "gateway.toml").open("a") as own:  # what commands of the shell work on
            own.write(f'[store]\nurl = "{store}"\n[records]\nurl = "{records}"\n')
        for one in serving:
            one.wait()
        stack.enter_context(_round_robin(demo, ports))
        if os.environ.get("VTGW_WIDE") == "killed":
            demo.striker = Striker(serving, WORKERS)
        yield demo
        if demo.striker is not None:
            print(f"{demo.striker.workers} workers and {demo.striker.wholes} whole gateways were killed")


@contextmanager
def _round_robin(demo: Demo, ports: Sequence[dict[str, int]]) -> Iterator[None]:
    """Each new connection to a listener goes to the next gateway."""
    text = _HAPROXY
    for listener in LISTENERS:
        servers = [f"  server {name} 127.0.0.1:{port[listener]}" for name, port in zip(GATEWAYS, ports, strict=True)]
        text += "\n".join([f"listen {listener}", f"  bind 127.0.0.1:{port_of(demo, listener)}", *servers, ""])
    path = demo.folder / "haproxy.cfg"
    path.write_text(text)
    with (demo.folder / "haproxy.log").open("wb") as log:
        line = [program("haproxy", "haproxy", Path("/usr/sbin")), "-db", "-f", str(path)]
        process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            for listener in LISTENERS:
                wait_for_port(port_of(demo, listener), process)
            yield
        finally:
            process.kill()
            process.wait()
