"""A gateway alone, as `vt-gateway serve` runs it, on a real Redis that dies and comes back."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.gate import COOKIE
from tests.servers import RedisServer, redis_server
from tests.stories.conftest import free_base
from tests.stories.test_main_job import DEEP
from tests.visitor import Demo, Visitor


@dataclass
class Alone:
    """A gateway of its own process: where it answers, its store, and the process."""

    demo: Demo
    redis: RedisServer
    process: subprocess.Popen[bytes]


@contextmanager
def serving(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`vt-gateway serve`. It is gone at the end, and its log closed, however the story ended: a process or an open file
    left here fails some other test."""
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(config)]
    with log.open("w") as file:
        process = subprocess.Popen(line, stderr=file, stdout=file)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def alone(world: Demo, tmp_path: Path) -> Iterator[Alone]:
    """The demo's own configuration, served by a second process on other ports, with its store in Redis. It has to end
    with 0 when it is told to."""
    base = free_base()
    text = (world.folder / "gateway.toml").read_text()
    own = int(world.about["gateway"].rsplit(":", 1)[1])
    for place in (0, 1, 3, 9):
        text = text.replace(f'address = "127.0.0.1:{own + place}"', f'address = "127.0.0.1:{base + place}"')
    text = text.replace('state_dir = "state"\n', 'state_dir = "state"\ndrain = 5\n')
    config, log = world.folder / "alone.toml", tmp_path / "log"
    with redis_server(tmp_path) as redis:
        config.write_text(f'{text}[store]\nurl = "{redis.url}"\n')
        with serving(config, log) as process:
            demo = Demo(world.folder)
            demo.about["gateway_plain"] = f"http://127.0.0.1:{base + 9}"
            demo.about["management"] = f"http://127.0.0.1:{base + 3}"
            deadline = time.monotonic() + 30
            while True:
                try:
                    if Visitor(demo).raw("GET", demo.about["management"] + "/readyz", None, {}).status == 200:
                        break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield Alone(demo, redis, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, log.read_text()


def test_r7_store_killed_nothing_passes_and_nobody_is_signed_out(world: Demo, alone: Alone) -> None:
    """While the store is down protected pages are 503 and public ones answer; the same cookie works afterwards."""
    demo, redis = alone.demo, alone.redis
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
        all_the_same = demo.about["management"] + "/readyz?exclude=store&exclude=nothing"
        assert Visitor(demo).raw("GET", all_the_same, None, {}).status == 200  # what all gateways share is away for all
    finally:
        redis.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 10
    while visitor.raw("GET", protected, None, tls).status != 200:
        assert time.monotonic() < deadline, "the session did not survive the outage"
        time.sleep(0.2)
    metrics = Visitor(demo).raw("GET", demo.about["management"] + "/metrics", None, {}).text
    assert re.search(r'vtgw_refusals_total\{reason="store-down"\} [1-9]', metrics)
    assert re.search(r'vtgw_acts_total\{act="session:open",reason=""\} [1-9]', metrics)
    assert re.search(r'vtgw_jobs_total\{task="purge",outcome="done"\}|vtgw_notices_total\{outcome="sent"\}', metrics)


def test_r7_a_gateway_ends_while_its_store_is_silent(alone: Alone) -> None:
    """SIGTERM in an outage, with a request that waits for the store: it is answered 503, and the process ends with 0."""
    assert alone.redis.process is not None
    where = urllib.parse.urlsplit(alone.demo.about["gateway_plain"])
    alone.redis.process.send_signal(signal.SIGSTOP)
    try:
        waiting = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        waiting.request("GET", DEEP, headers={"X-Forwarded-Proto": "https", "Cookie": f"{COOKIE}={'a' * 43}"})
        deadline = time.monotonic() + 20
        management = alone.demo.about["management"] + "/metrics"
        while "vtgw_connections 1.0" not in Visitor(alone.demo).raw("GET", management, None, {}).text:
            assert time.monotonic() < deadline
        alone.process.send_signal(signal.SIGTERM)
        with waiting.getresponse() as answer:
            assert answer.status == 503
            assert answer.getheader("Connection") == "close"
        waiting.close()
        assert alone.process.wait(20) == 0
    finally:
        alone.redis.process.send_signal(signal.SIGCONT)
