"""The balancers of deploy/load-balancer/, run in front of two gateways: nobody is signed out and no request fails when one
of them is killed or drains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.pair import ADDRESSES, CARDS, DEEP, MANAGEMENT, PEOPLE, Load, Pair, echo, pair, wait_until_shared
from tests.deploy.running import DEPLOY, replaced, run, started, until
from tests.servers import program, wait_for_port
from tests.stories.test_main_job import by_password, card_of
from tests.visitor import Demo, Visitor

SAMPLES = DEPLOY / "load-balancer"
PERSON = "dr-petit"
STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


@pytest.fixture(scope="module")
def two(around: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("two")
    folder.chmod(0o755)
    front = folder / "front.pem"
    front.write_bytes((around.folder / "server.pem").read_bytes() + (around.folder / "server.key").read_bytes())
    with pair(Demo(around.folder), folder) as made:
        yield made


def places() -> dict[str, object]:
    """The addresses of the samples, as this test has them."""
    return {
        f"10.1.1.1{number}:{port}": f"{ADDRESSES[name]}:{here}"
        for number, name in ((1, "a"), (2, "b"))
        for port, here in ((443, PEOPLE), (8444, CARDS))
    }


def haproxy_sample(name: str, two: Pair, check: int) -> Path:
    changes = places() | {
        "maxconn 20000": "maxconn 500",  # as many files as a test may open
        "bind :443": f"bind 127.0.0.1:{two.front}",
        "bind :8444": f"bind 127.0.0.1:{two.card_front}",
        "check port 9180": f"check port {check}",
    }
    if "tls" in name:
        changes |= {
            "/etc/haproxy/vt.example.fr.pem": two.folder / "front.pem",
            "/etc/haproxy/gateway-ca.pem": two.demo.folder / "ca.pem",
            "verifyhost vt.example.fr": "verifyhost localhost",
            "str(vt.example.fr)": "str(localhost)",
        }
    made = two.folder / name
    made.write_text(replaced((SAMPLES / name).read_text(), changes))
    return made


def nginx_sample(name: str, two: Pair) -> Path:
    changes = places() | {
        "listen 443": f"listen 127.0.0.1:{two.front}",
        "listen 8444": f"listen 127.0.0.1:{two.card_front}",
        "include /etc/nginx/modules-enabled/*.conf;": f"load_module {STREAM};",  # "-p" moves where its paths begin
        "worker_rlimit_nofile 65536;": "",
        "worker_connections 16384": "worker_connections 400",
        "worker_processes auto;": f"worker_processes 1; daemon off; pid {two.folder}/{name}.pid;",
    }
    if "tls" in name:
        temporary = " ".join(f"{one}_temp_path {two.folder}/t;" for one in ("proxy", "fastcgi", "uwsgi", "scgi"))
        changes |= {
            "/etc/nginx/tls/vt.example.fr.pem": two.demo.folder / "server.pem",
            "/etc/nginx/tls/vt.example.fr.key": two.demo.folder / "server.key",
            "/etc/nginx/tls/gateway-ca.pem": two.demo.folder / "ca.pem",
            "server_name vt.example.fr": "server_name localhost",
            "proxy_ssl_name vt.example.fr": "proxy_ssl_name localhost",
            "access_log off;": f"access_log off; client_body_temp_path {two.folder}/t; {temporary}",
        }
    made = two.folder / name
    made.write_text(replaced((SAMPLES / name).read_text(), changes))
    return made


@contextmanager
def balancing(name: str, two: Pair, check: int = MANAGEMENT) -> Iterator[None]:
    if name.startswith("haproxy"):
        path = haproxy_sample(name, two, check)
        line = [program("haproxy", "haproxy", Path("/usr/sbin")), "-f", str(path)]
        asked = run([*line, "-c"])
    else:
        program("ngx_stream_module.so", "libnginx-mod-stream", STREAM.parent)
        path = nginx_sample(name, two)
        line = [program("nginx", "nginx-light", Path("/usr/sbin")), "-p", str(two.folder), "-c", str(path)]
        asked = run([*line, "-t"])
    assert asked.returncode == 0, asked.stderr
    assert "[warn" not in asked.stderr.lower(), asked.stderr
    with started(line, two.folder / f"{name}.log") as process:
        wait_for_port(two.front, process)
        yield


def mended(two: Pair, name: str, visitor: Visitor) -> None:
    """Start this gateway again, and wait until it gets its share."""
    two.start(name)
    until(lambda: two.ready(name), 40)
    wait_until_shared(two, visitor, name)


def signed_in(two: Pair) -> Visitor:
    """A person who signed in through the balancer, and whom both gateways served; somebody's card went through too."""
    visitor = Visitor(two.demo)
    by_password(visitor, PERSON)
    assert visitor.last.status == 200, visitor.last.text
    for name in ADDRESSES:
        wait_until_shared(two, visitor, name)
    holder = Visitor(two.demo, card_of(two.demo, "dr-martin"))
    holder.get("/_gateway/sign-in?space=liberal")
    holder.click("Se connecter par CPS")
    assert "MARTIN" in holder.last.text, holder.last.text
    return visitor


def killed(two: Pair, name: str, visitor: Visitor) -> None:
    """This gateway dies at once: whoever was signed in goes on at the other."""
    two.kill(name)
    for _ in range(20):
        assert visitor.raw("GET", two.demo.about["gateway"] + DEEP, None, {}).status == 200


def drained(two: Pair, name: str, visitor: Visitor) -> None:
    """This gateway is told to stop while four ask without pause: not one request fails, and it gets nothing new."""
    load = [Load(visitor) for _ in range(4)]
    for one in load:
        one.start()
    try:
        until(lambda: all(len(one.answers) > 20 for one in load))
        two.processes[name].send_signal(signal.SIGTERM)
        assert two.processes[name].wait(15) == 0
        got, done = two.served(name), [len(one.answers) for one in load]
        until(lambda: all(len(one.answers) > before + 10 for one, before in zip(load, done, strict=True)))
    finally:
        answers = [status for one in load for status in one.end()]
    assert set(answers) == {200}, answers
    assert two.served(name) == got


def test_r14_two_gateways_share_without_sticky_routing_and_one_may_die_or_drain(two: Pair) -> None:
    """Behind HAProxy that ends TLS for people and passes cards through."""
    with balancing("haproxy-tls.cfg", two):
        visitor = signed_in(two)
        killed(two, "a", visitor)
        mended(two, "a", visitor)
        drained(two, "b", visitor)
        mended(two, "b", visitor)


@pytest.mark.parametrize("sample", ["haproxy-passthrough.cfg", "nginx-passthrough.conf"])
def test_r14_balancers_that_read_nothing_share_too(two: Pair, sample: str) -> None:
    with balancing(sample, two):
        signed_in(two)


@pytest.mark.parametrize("sample", ["haproxy-tls.cfg", "nginx-tls.conf"])
def test_only_the_balancer_speaks_for_clients(two: Pair, sample: str) -> None:
    """What a client says in the balancer's place, its address or a certificate, goes no further; the application hears the
    client's true address and the public name."""
    with balancing(sample, two):
        visitor = Visitor(two.demo)
        by_password(visitor, PERSON)
        heard = echo(
            visitor,
            **{
                "X-Forwarded-For": "6.6.6.6",
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": "evil.example",
                "Forwarded": "for=6.6.6.6",
                "Client-Cert": ":AAAA:",
                "X-SSL-Client-Cert": "AAAA",
            },
        )
        assert [one.split(",")[0].strip() for one in heard["x-forwarded-for"]] == ["127.0.0.1"]
        assert heard["x-forwarded-proto"] == ["https"]
        assert heard["x-forwarded-host"] == [f"localhost:{two.front}"]
        assert "6.6.6.6" not in str(heard)
        assert not [name for name in heard if "cert" in name]


def test_r14_nginx_leaves_out_who_does_not_answer(two: Pair) -> None:
    """nginx does not ask for readiness; a refused connection is enough."""
    with balancing("nginx-tls.conf", two):
        visitor = signed_in(two)
        drained(two, "b", visitor)


@pytest.mark.parametrize("sample", ["haproxy-tls.cfg", "haproxy-passthrough.cfg"])
def test_when_no_gateway_is_ready_they_are_asked_all_the_same(two: Pair, sample: str) -> None:
    """As while Redis is away: public pages are served, and what else people hear comes from a gateway. Here the balancer asks
    for readiness where nobody answers."""
    log = two.folder / f"{sample}.log"
    before = len(log.read_text()) if log.exists() else 0
    with balancing(sample, two, check=1):
        until(lambda: log.read_text()[before:].count("is DOWN") >= 4)
        visitor = Visitor(two.demo)
        public = two.demo.about["gateway"] + "/Trajectoire/Pages/AccesLibre/x"
        assert visitor.raw("GET", public, None, {}).status == 200
