"""What is measured: a name, who takes part, and one round of load on one program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.load import Numbers
from bench.programs import Peer, Yard

ALL = ("nginx", "gateway", "nginx+auth", "haproxy", "apache+oidc", "go reverseproxy", "naive aiohttp")
TWO = ("nginx", "gateway")


@dataclass(frozen=True)
class Run:
    """What a round needs besides its program."""

    yard: Yard
    cookie: str
    seconds: float

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie}

    def script(self, name: str) -> str:
        return str(Path(__file__).parent / "lua" / f"{name}.lua")


Round = Callable[[Run, Peer], Numbers]


@dataclass(frozen=True)
class Scenario:
    """``unit`` is what ``rate`` counts; ``peers`` take part, the first one is the measure."""

    name: str
    text: str
    peers: tuple[str, ...]
    round: Round
    unit: str = "requests/s"


def _get(path: str, *, tls: bool = False, script: str = "", close: bool = False) -> Round:
    def one(run: Run, peer: Peer) -> Numbers:
        url = f"https://localhost:{peer.tls}{path}" if tls else f"http://127.0.0.1:{peer.clear}{path}"
        headers = {"Cookie": peer.cookie or run.cookie}
        if close:
            headers["Connection"] = "close"
        return load.wrk(url, seconds=run.seconds, headers=headers, script=run.script(script) if script else "")

    return one


def _auth(run: Run, peer: Peer) -> Numbers:
    """The gateway's own forward-auth address; beside it, under the name nginx, the gateway's door."""
    headers = {**run.headers, "X-Forwarded-Method": "GET", "X-Forwarded-Host": "localhost", "X-Forwarded-Uri": "/small"}
    return load.wrk(f"http://127.0.0.1:{peer.clear}/_gateway/auth", seconds=run.seconds, headers=headers)


def _redirect(run: Run, peer: Peer) -> Numbers:
    headers = {"Accept": "text/html"}
    return load.wrk(f"http://127.0.0.1:{peer.clear}/challenge", seconds=run.seconds, headers=headers)


def _down(run: Run, peer: Peer) -> Numbers:
    return _grown(peer, lambda: load.download(f"http://127.0.0.1:{peer.clear}/huge", run.headers))


def _up(run: Run, peer: Peer) -> Numbers:
    url = f"http://127.0.0.1:{peer.clear}/sink"
    return _grown(peer, lambda: load.upload(url, run.headers, run.yard.folder / "huge"))


def _grown(peer: Peer, work: Callable[[], Numbers]) -> Numbers:
    before = peer.rss()
    return {**work(), "grown": (peer.rss() - before) / 2**20}


def _handshake(run: Run, peer: Peer) -> Numbers:
    return load.handshakes(peer.tls, seconds=run.seconds, version="-tls1_3")


def _card_handshake(run: Run, peer: Peer) -> Numbers:
    cards = run.yard.folder / "cards"
    pair = cards / "doctor.pem", cards / "doctor.key"
    return load.handshakes(peer.card, seconds=run.seconds, version="-tls1_2", pair=pair)


def _idle(count: int, *, tls: bool) -> Round:
    def one(run: Run, peer: Peer) -> Numbers:
        before = peer.rss()
        with load.Idle(peer.tls if tls else peer.clear, count, run.cookie, tls=tls):
            grown = peer.rss() - before
        return {"rate": grown / count / 1024, "count": count}

    return one


def _websockets(run: Run, peer: Peer) -> Numbers:
    return load.websockets(peer.clear, seconds=run.seconds, cookie=run.cookie)


def _latency(run: Run, peer: Peer) -> Numbers:
    url = f"http://127.0.0.1:{peer.clear}/small"
    return load.hey(url, seconds=max(4, run.seconds), headers=run.headers, rate=500)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("small-get", "1 KiB GET", ALL, _get("/small")),
        Scenario("varied-get", "1 KiB GET, 5,000 different paths", TWO, _get("/many/", script="varied")),
        Scenario("large-get", "64 KiB GET", (*TWO, "haproxy", "naive aiohttp"), _get("/large")),
        Scenario("large-post", "64 KiB POST", (*TWO, "haproxy"), _get("/sink", script="post")),
        Scenario("download", "200 MB down", (*TWO, "haproxy"), _down, "MB/s"),
        Scenario("upload", "200 MB up", (*TWO, "haproxy"), _up, "MB/s"),
        Scenario("new-connection", "1 KiB GET, a connection each", (*TWO, "haproxy"), _get("/small", close=True)),
        Scenario("tls-get", "1 KiB GET over TLS 1.3", TWO, _get("/small", tls=True)),
        Scenario("tls-handshake", "full TLS 1.3 handshakes", TWO, _handshake, "handshakes/s"),
        Scenario("card-handshake", "TLS 1.2 with a client certificate", TWO, _card_handshake, "handshakes/s"),
        Scenario("idle-1000", "1,000 idle connections", TWO, _idle(1000, tls=False), "KiB each"),
        Scenario("idle-10000", "10,000 idle connections", TWO, _idle(10_000, tls=False), "KiB each"),
        Scenario("idle-tls-1000", "1,000 idle TLS connections", TWO, _idle(1000, tls=True), "KiB each"),
        Scenario("idle-tls-10000", "10,000 idle TLS connections", TWO, _idle(10_000, tls=True), "KiB each"),
        Scenario("challenge", "no session: redirect to sign-in", TWO, _redirect),
        Scenario("forward-auth", "the auth address, one program", ("gateway",), _auth),
        Scenario("websocket", "64-byte frames, 32 sockets", TWO, _websockets, "round trips/s"),
        Scenario("latency-500", "500 requests/s", (*TWO, "haproxy"), _latency),
    )
}
