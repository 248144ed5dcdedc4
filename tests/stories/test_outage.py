"""A gateway alone, as `vt-gateway serve` runs it, on a real Redis that dies and comes back."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import redis_server
from tests.stories.conftest import free_base
from tests.stories.test_main_job import DEEP
from tests.visitor import Demo, Visitor


@pytest.fixture
def alone(world: Demo, tmp_path: Path) -> Iterator[tuple[Demo, object]]:
    """The demo's own configuration, served by a second process on other ports, with its store in Redis."""
    base = free_base()
    text = (world.folder / "gateway.toml").read_text()
    ports = {f":{int(world.about['gateway'].rsplit(':', 1)[1]) + n}": f":{base + n}" for n in (3, 9)}
    with redis_server(tmp_path) as redis:
        for old, new in ports.items():
            text = text.replace(old, new)
        own = int(world.about["gateway"].rsplit(":", 1)[1])
        text = text.replace(f'address = "127.0.0.1:{own}"', f'address = "127.0.0.1:{base}"')
        text = text.replace(f'address = "127.0.0.1:{own + 1}"', f'address = "127.0.0.1:{base + 1}"')
        text += f'[store]\nurl = "{redis.url}"\n'
        (world.folder / "alone.toml").write_text(text)
        log = (tmp_path / "log").open("w")
        line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(world.folder / "alone.toml")]
        process = subprocess.Popen(line, stderr=log, stdout=log)
        demo = Demo(world.folder)
        demo.about["gateway_plain"] = f"http://127.0.0.1:{base + 9}"
        demo.about["management"] = f"http://127.0.0.1:{base + 3}"
        deadline = time.monotonic() + 30
        while True:
            try:
                if Visitor(demo).raw("GET", demo.about["management"] + "/readyz", None, {}).status == 200:
                    break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield demo, redis
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        log.close()


def test_r7_store_killed_nothing_passes_and_nobody_is_signed_out(world: Demo, alone: tuple[Demo, object]) -> None:
    """While the store is down protected pages are 503 and public ones answer; the same cookie works afterwards."""
    demo, redis = alone
    from tests.servers import RedisServer

    assert isinstance(redis, RedisServer)
    public = demo.about["gateway_plain"] + "/Trajectoire/Pages/AccesLibre/x"
    protected = demo.about["gateway_plain"] + DEEP
    # A session of this gateway: sign in through its own pages, by password, over the plain listener.
    visitor = Visitor(demo)
    tls = {"X-Forwarded-Proto": "https"}
    page = visitor.raw("GET", demo.about["gateway_plain"] + "/_gateway/sign-in", None, tls)
    visitor.last = page
    person = demo.person("dr-petit")["account"]
    form = next(one for one in page.forms if one.action.endswith("/sign-in/password"))
    from urllib.parse import urlencode

    fields = {**form.fields, "identifier": person["identifier"], "password": person["password"], "return": DEEP}
    answer = visitor.raw("POST", demo.about["gateway_plain"] + form.action, urlencode(fields).encode(), tls)
    assert answer.status == 303, answer.text
    where = answer.header("Location") or ""
    page = visitor.raw("GET", demo.about["gateway_plain"] + where, None, tls)
    form = next(one for one in page.forms if one.action.endswith("/sign-in/code"))
    fields = {**form.fields, "code": demo.code("anne.petit@example.test")}
    answer = visitor.raw("POST", demo.about["gateway_plain"] + form.action, urlencode(fields).encode(), tls)
    assert answer.status == 303
    assert visitor.raw("GET", protected, None, tls).status == 200

    # Redis without persistence forgets; a pause is an outage that does not.
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 20
        while visitor.raw("GET", protected, None, tls).status == 200:  # what was known serves for at most 5 s
            assert time.monotonic() < deadline
            time.sleep(0.2)
        world.forget()
        for _ in range(3):
            down = visitor.raw("GET", protected, None, tls)
            assert down.status == 503
            assert down.header("Retry-After")
            assert not [name for name, _ in down.headers if name.lower() == "set-cookie"]
            assert Visitor(demo).raw("GET", protected, None, tls).status == 302
        assert [one for one in world.requests() if DEEP in one["target"]] == []
        assert Visitor(demo).raw("GET", public, None, tls).status == 200
        ready = Visitor(demo).raw("GET", demo.about["management"] + "/readyz", None, {})
        assert ready.status == 503
    finally:
        redis.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 10
    while visitor.raw("GET", protected, None, tls).status != 200:
        assert time.monotonic() < deadline, "the session did not survive the outage"
        time.sleep(0.2)
    metrics = Visitor(demo).raw("GET", demo.about["management"] + "/metrics", None, {}).text
    assert re.search(r'vtgw_refusals_total\{reason="store-down"\} [1-9]', metrics)
    assert re.search(r'vtgw_acts_total\{act="session:open",reason=""\} [1-9]', metrics)
    assert re.search(r'vtgw_jobs_total\{job="purge",outcome="done"\}|vtgw_notices_total\{outcome="sent"\}', metrics)
