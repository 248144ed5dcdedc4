"""``vt-gateway assertion``, as somebody who builds an application types it (R136, R139)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import cli
from gateway.assertion_check import LEEWAY
from tests.servers import free_port

VECTORS = json.loads((Path(__file__).parents[2] / "examples/backends/vectors.json").read_text("utf-8"))
GOOD = {one["name"]: one for one in VECTORS["good"]}
ALONE, ACTING = "person with accents", "assistant acting for a doctor"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(VECTORS["jwks"]))
    return path


def run(*arguments: str, typed: str | None = None) -> Result:
    """``vt-gateway assertion …`` in this process, where everything is imported already."""
    found = CliRunner().invoke(cli, ["assertion", *arguments], input=typed)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def verify(keys: object, token: str, *options: str, at: float = VECTORS["now"], typed: str | None = None) -> Result:
    line = ["--jwks", str(keys), "--audience", VECTORS["audience"], "--at", str(at), *options]
    return run("verify", *line, token, typed=typed)


def test_r139_who_asks_is_printed_and_for_whom(keys: Path) -> None:
    """The claims go to standard output, alone, for another program; the sentence for people goes beside it."""
    alone = verify(keys, GOOD[ALONE]["token"])
    assert alone.exit_code == 0
    assert alone.stderr == "person: 899700990015\n"
    assert json.loads(alone.stdout)["family_name"] == "D’ALMÉIDA-NOËL"
    acting = verify(keys, GOOD[ACTING]["token"])
    assert acting.exit_code == 0
    assert acting.stderr == (
        "person: 3690780028/7\n"
        "acts for: 899700990023 (assistant), until 2026-12-25T22:59:59+00:00: grandage:completer, grandage:consulter\n"
    )


def test_r139_with_an_actor_the_person_is_the_actor(keys: Path) -> None:
    """In the profile of RFC 8693 ``sub`` is the doctor, and yet the person printed is the one who signed in."""
    found = verify(keys, GOOD["doctor as the subject, person as the actor"]["token"])
    assert found.stderr.splitlines()[0] == "person: 899700990015"
    assert json.loads(found.stdout)["sub"] == "899700990023"


@pytest.mark.parametrize("one", VECTORS["good"], ids=lambda one: one["name"])
def test_json_says_person_delegation_and_claims(keys: Path, one: dict[str, Any]) -> None:
    """One object on standard output and nothing beside it."""
    found = verify(keys, one["token"], "--json", "--issuer", VECTORS["issuer"], "--leeway", "5")
    assert (found.exit_code, found.stderr) == (0, "")
    said, wanted = json.loads(found.stdout), one["expect"]
    assert said.keys() == {"person", "delegation", "claims"}
    assert said["person"] == wanted["person"]
    assert said["claims"].get("family_name") == wanted["family_name"]
    if wanted["delegation"] is None:
        assert said["delegation"] is None
    else:
        until = wanted["delegation"]["until"].replace("Z", "+00:00")
        rights = [":".join(pair) for pair in wanted["delegation"]["rights"]]
        assert said["delegation"] == {**wanted["delegation"], "rights": rights, "until": until}


def test_what_is_not_believed_is_refused_with_one(keys: Path) -> None:
    """Why is said on one line; no claim is printed that somebody could take for true, as JSON or not."""
    for one in VECTORS["bad"]:
        for options in ((), ("--json",)):
            found = verify(keys, one["token"], *options, "--issuer", VECTORS["issuer"])
            assert (found.exit_code, found.stdout) == (1, ""), one["name"]
            assert found.stderr.startswith("refused: ")
            assert found.stderr.count("\n") == 1


def shell(keys: object, token: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, with the token on standard input and the line break that a pipe brings."""
    line = [sys.executable, "-m", "gateway", "assertion", "verify", "--jwks", str(keys), "--audience", "self-test"]
    line += ["--at", str(VECTORS["now"]), "-"]
    return subprocess.run(line, input=f"{token}\n", capture_output=True, text=True, timeout=60)


def test_a_dash_reads_standard_input(keys: Path) -> None:
    """What a pipe brings is judged; when it brings nothing, nobody is there."""
    done = shell(keys, GOOD[ACTING]["token"])
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("person: 3690780028/7\nacts for: 899700990023")
    nothing = verify(keys, "-", typed="")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_at_is_the_instant_of_the_judgement(keys: Path) -> None:
    """To the second, and as much later or sooner as clocks may differ; without it, now counts, and the committed vectors
    are of another day."""
    token = GOOD[ALONE]["token"]  # made ten seconds before, for a minute
    for leeway in (0, LEEWAY):
        more = ("--leeway", str(leeway)) if leeway else ()
        ends, begins = VECTORS["now"] + 50 + leeway, VECTORS["now"] - 10 - leeway
        for instant, code in ((ends - 0.5, 0), (ends, 1), (begins, 0), (begins - 1, 1)):
            assert verify(keys, token, *more, at=instant).exit_code == code
    told = json.loads(run("vectors").stdout)
    fresh = keys.with_name("fresh.json")
    fresh.write_text(json.dumps(told["jwks"]))
    for path, one, code in ((fresh, told["good"][0], 0), (keys, VECTORS["good"][0], 1)):
        found = run("verify", "--jwks", str(path), "--audience", "self-test", one["token"])
        assert found.exit_code == code, found.stderr


def test_for_another_or_from_another_is_refused(keys: Path) -> None:
    """The audience must be this backend's; the issuer too where one is named."""
    token = GOOD[ALONE]["token"]
    other = run("verify", "--jwks", str(keys), "--audience", "vt", "--at", str(VECTORS["now"]), token)
    assert (other.exit_code, other.stderr) == (1, "refused: it is meant for another backend\n")
    assert verify(keys, token, "--issuer", "https://vt.example.fr").exit_code == 1
    assert verify(keys, token, "--issuer", VECTORS["issuer"]).exit_code == 0


@pytest.mark.parametrize("at", ["nan", "1e20", "-1e20", "soon"])
def test_what_cannot_be_understood_is_two(keys: Path, at: str) -> None:
    """A line that was typed wrongly is no judgement: the exit code tells one from the other."""
    line = ["verify", "--jwks", str(keys), "--audience", "self-test", "--at", at, GOOD[ALONE]["token"]]
    found = run(*line)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "--at" in found.stderr
    assert run("verify", "--audience", "vt", "token").exit_code == 2
    assert run("verify", "--jwks", str(keys), "token").exit_code == 2
    assert run("verify", "--jwks", str(keys), "--audience", "vt").exit_code == 2
    assert run("vectors", "--nonsense").exit_code == 2


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response_only(200 if self.path == "/jwks.json" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(VECTORS["jwks"]).encode())


@pytest.fixture
def address() -> Iterator[str]:
    """A key set at an address."""
    with HTTPServer(("127.0.0.1", 0), type("Silent", (Handler,), {"log_message": lambda *_: None})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_keys_are_fetched_from_an_address(address: str) -> None:
    """They count when they come; another answer, or none, is a refusal and no fault."""
    assert verify(f"{address}/jwks.json", GOOD[ALONE]["token"]).exit_code == 0
    for place in (f"{address}/elsewhere", f"http://127.0.0.1:{free_port()}/jwks.json"):
        done = shell(place, GOOD[ALONE]["token"])
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("refused: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", [
    None, "", "{", "[]", "{}", '{"keys": null}', '{"keys": ["one"]}', '{"keys": []}',
    '{"keys": [{"kid": "KID", "kty": "EC", "crv": "P-256"}]}',
    '{"keys": [{"kid": "KID", "kty": "EC", "crv": "P-256", "x": 1, "y": 2}]}',
    '{"keys": [{"kid": "KID", "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}',
])  # fmt: skip
def test_without_keys_nothing_is_believed(tmp_path: Path, text: str | None) -> None:
    """No file, no JSON, no key set, no key, a point that is on no curve: refused with a sentence, without a trace."""
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text.replace("KID", VECTORS["jwks"]["keys"][0]["kid"]))
    found = verify(path, GOOD[ALONE]["token"])
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("refused: ")


def test_vectors_are_of_this_instant_with_keys_of_their_own() -> None:
    """Two runs share neither keys nor assertions; issuer and audience are those asked for."""
    one = json.loads(run("vectors").stdout)
    two = json.loads(run("vectors", "--issuer", "https://keys.test", "--audience", "mine").stdout)
    assert (one["issuer"], one["audience"]) == ("https://vt.example.test/assertion-tests", "self-test")
    assert (two["issuer"], two["audience"]) == ("https://keys.test", "mine")
    assert not {key["kid"] for key in one["jwks"]["keys"]} & {key["kid"] for key in two["jwks"]["keys"]}
    assert [each["name"] for each in one["bad"]] == [each["name"] for each in VECTORS["bad"]]
    assert 0 <= two["now"] - one["now"] < 60
