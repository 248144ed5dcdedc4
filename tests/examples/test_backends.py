"""The kits of ``examples/backends``: each judges the vectors as the reference does, can fail, and its server opens nothing.

``dotnet`` is not run here: its tool comes from no package of the systems that run these tests.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gateway.assertion_tests import TrialKeys, document
from tests.examples.kits import AUDIENCE, ISSUER, KINDS, KITS, VECTORS, Keys, Kit, Ready, ask

TOLD = json.loads(VECTORS.read_text("utf-8"))
VERDICT = f"{len(TOLD['good'])} believed, {len(TOLD['bad'])} refused"
TRIAL = TrialKeys(b"keys of this test and of nothing else")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kit: kit.name)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """A kit whose tool is there."""
    found: Kit = request.param
    return found.ready(tmp_path_factory.mktemp(found.name))


@pytest.fixture
def keys() -> Iterator[Keys]:
    with Keys(TRIAL.jwks) as made:
        yield made


def live(kind: str, number: int) -> dict[str, Any]:
    """One test assertion of this very instant, for the servers' issuer and audience."""
    told = document(TRIAL, issuer=ISSUER, audience=AUDIENCE, now=datetime.now(UTC), chance="live")
    one: dict[str, Any] = told[kind][number]
    return one


def named(name: str) -> dict[str, Any]:
    return live("good", next(n for n, one in enumerate(TOLD["good"]) if one["name"] == name))


# The self-tests


def test_r136_every_kit_judges_the_vectors(kit: Ready) -> None:
    """Each assertion as the reference judges it; the last line says how many."""
    done = kit.judge(VECTORS)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [VERDICT]), done.stdout + done.stderr


def test_dotnet_where_its_tool_is() -> None:
    """The same on a machine that has the tool."""
    if shutil.which("dotnet") is None:
        pytest.skip("no dotnet here: Debian has no package of it, so this kit is tried by hand")
    done = Ready(KINDS[0], ["dotnet", "run", "--project", str(KITS / "dotnet"), "--"], []).judge(VECTORS)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [VERDICT]), done.stdout + done.stderr


Change = Callable[[dict[str, Any]], str]  # spoils the document; the name of the vector that must be complained about


def _forged(told: dict[str, Any]) -> str:
    one = told["good"][-1]
    head, body, signature = one["token"].split(".")
    one["token"] = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    return str(one["name"])


def _believable(told: dict[str, Any]) -> str:
    told["bad"][-1]["token"] = told["good"][0]["token"]
    return str(told["bad"][-1]["name"])


def _expects(*path: str, value: Any) -> Change:
    def change(told: dict[str, Any]) -> str:
        one = next(each for each in told["good"] if each["expect"]["delegation"])
        place = one["expect"]
        for name in path[:-1]:
            place = place[name]
        assert place[path[-1]] != value
        place[path[-1]] = value
        return str(one["name"])

    return change


def _later(told: dict[str, Any]) -> str:
    told["now"] += 3600
    return str(told["good"][0]["name"])


CHANGES: dict[str, Change] = {
    "a good one altered": _forged,
    "a bad one that is good": _believable,
    "another clock": _later,
    "another person": _expects("person", value="899700990031"),
    "another name": _expects("family_name", value="DURAND"),
    "another assurance": _expects("assurance", value="password"),
    "no delegation": _expects("delegation", value=None),
    "another doctor": _expects("delegation", "on_behalf_of", value="899700990031"),
    "another kind": _expects("delegation", "kind", value="colleague"),
    "another end": _expects("delegation", "until", value="2027-01-01T00:00:00Z"),
    "a right less": _expects("delegation", "rights", value=[["grandage", "completer"]]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_self_test_can_fail(kit: Ready, tmp_path: Path, change: Change) -> None:
    """One thing altered in the document: exit 1, and the vector is named."""
    told = copy.deepcopy(TOLD)
    name = change(told)
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(told), "utf-8")
    done = kit.judge(path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert name in done.stdout + done.stderr
    assert VERDICT not in done.stdout


# The servers


def test_r136_r139_a_server_believes_the_assertion_alone(kit: Ready, keys: Keys) -> None:
    """200 with who asks and for whom for every good one; 401 with a reason without one, with two, and for every bad one."""
    with kit.serving(keys.at("jwks.json")) as port:
        for number, one in enumerate(TOLD["good"]):
            if "three seconds ahead" in one["name"]:  # would be over before a slow machine has asked
                continue
            fresh = live("good", number)
            given = fresh["expect"]["delegation"]
            wanted = {"person": fresh["expect"]["person"], "on_behalf_of": given and given["on_behalf_of"]}
            assert ask(port, fresh["token"]) == (200, wanted), one["name"]
        good = live("good", 0)["token"]
        for tokens in ((), (good, good), (good, "x"), ("x", good)):
            status, body = ask(port, *tokens)
            assert (status, list(body)) == (401, ["reason"])
        for number, one in enumerate(TOLD["bad"]):
            status, body = ask(port, live("bad", number)["token"])
            assert (status, list(body)) == (401, ["reason"]), one["name"]
        assert ask(port, TOLD["good"][0]["token"])[0] == 401  # of another gateway, and of another day
        assert keys.asked == 1  # once a minute, however many names of keys are unknown
        assert ask(port, live("good", 0)["token"])[0] == 200


@pytest.mark.parametrize("place", Keys.WRONG)
def test_without_keys_a_server_refuses(kit: Ready, keys: Keys, place: str) -> None:
    """The key set cannot be had, or is none: 401 and not 500, again and again."""
    with kit.serving(keys.at(place)) as port:
        for _ in range(2):
            status, body = ask(port, live("good", 0)["token"])
            assert (status, list(body)) == (401, ["reason"])
        assert keys.asked == 1


def test_without_anybody_who_has_keys_a_server_refuses(kit: Ready) -> None:
    """Nobody listens where the keys should be."""
    with Keys(TRIAL.jwks) as gone:
        address = gone.at("jwks.json")
    with kit.serving(address) as port:
        assert ask(port, live("good", 0)["token"])[0] == 401


def test_those_who_come_while_keys_are_fetched_wait_for_them(kit: Ready, keys: Keys) -> None:
    """Two first requests at once: one question, and both are answered by it."""
    keys.held.clear()
    with kit.serving(keys.at("jwks.json")) as port, ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask, port, live("good", 0)["token"]) for _ in range(2)]
        early, _ = wait(asking, timeout=1, return_when=FIRST_COMPLETED)
        keys.held.set()
        assert [one.result()[0] for one in asking] == [200, 200]
        assert not early
        assert keys.asked == 1


# Python alone: the ASGI callable, and keys as time passes


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the Python kit as its users' process does."""
    monkeypatch.syspath_prepend(str(KITS / "python"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name, value in (("JWKS", keys.at("jwks.json")), ("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE)):
        monkeypatch.setenv(f"VT_{name}", value)
    yield importlib.import_module
    for name in ("asgi_app", "vt_assertion"):
        sys.modules.pop(name, None)


def called(application: Any, *tokens: str) -> tuple[int, Any]:
    """Status and body, as an ASGI server hears them."""
    return asyncio.run(answered(application, *tokens))


async def answered(application: Any, *tokens: str) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"app.test"), *((b"x-vt-assertion", token.encode("latin-1")) for token in tokens)]
    await application({"type": "http", "method": "GET", "path": "/", "headers": headers}, None, send)
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_r136_asgi_believes_the_assertion_alone(python: Callable[[str], ModuleType]) -> None:
    """The same answers as the WSGI application, by the callable itself."""
    application = python("asgi_app").application
    acting = named("assistant acting for a doctor")
    assert called(application, acting["token"]) == (200, {"person": "3690780028/7", "on_behalf_of": "899700990023"})
    assert called(application, named("person with accents")["token"])[1]["on_behalf_of"] is None
    for tokens in ((), (acting["token"],) * 2, (live("bad", 0)["token"],), ("é",), (TOLD["good"][0]["token"],)):
        status, body = called(application, *tokens)
        assert (status, list(body)) == (401, ["reason"])


async def test_asgi_requests_at_once_wait_for_one_question(python: Callable[[str], ModuleType], keys: Keys) -> None:
    """Two first requests in one loop: the second waits for the keys the first one asked for."""
    keys.held.clear()
    application, token = python("asgi_app").application, live("good", 0)["token"]
    asking = [asyncio.ensure_future(answered(application, token)) for _ in range(2)]
    early, _ = await asyncio.wait(asking, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
    keys.held.set()
    assert [status for status, _ in await asyncio.gather(*asking)] == [200, 200]
    assert (early, keys.asked) == (set(), 1)


def test_asgi_without_keys_refuses(
    python: Callable[[str], ModuleType], keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key set that is none: 401 and not an exception in the server."""
    monkeypatch.setenv("VT_JWKS", keys.at("null"))
    assert called(python("asgi_app").application, live("good", 0)["token"])[0] == 401
    assert keys.asked == 1


def test_python_keys_as_time_passes(
    python: Callable[[str], ModuleType], keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for again after five minutes; a minute between two questions; what is known serves an hour when nobody answers."""
    kit, clock = python("vt_assertion"), SimpleNamespace(monotonic=lambda: clock.now, now=time.monotonic())
    monkeypatch.setattr(kit, "time", clock)
    held, kid = kit.KeySet(keys.at("jwks.json")), TRIAL.jwks["keys"][0]["kid"]

    def after(seconds: float, name: str = kid) -> tuple[bool, int]:
        """Whether the key is had this much later, and how often it was asked for by then."""
        clock.now += seconds
        try:
            held.key(name)
        except kit.Refused:
            return False, keys.asked
        return True, keys.asked

    assert after(0) == (True, 1)
    assert after(299) == (True, 1)
    assert after(2) == (True, 2)
    assert after(30, "new") == (False, 2)
    assert after(31, "new") == (False, 3)
    held.url = keys.at("rubbish")
    assert after(301) == (True, 4)
    assert after(3200) == (True, 5)
    assert after(61) == (True, 6)
    assert after(61) == (False, 7)
    held.url = keys.at("jwks.json")
    assert after(61) == (True, 8)
