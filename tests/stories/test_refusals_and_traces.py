"""Refusals that say where to ask, a log that leads to people, and a code page that tells nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.providers.conftest import hashed
from tests.providers.conftest import world as codes_world
from tests.providers.world import World
from tests.stories.conftest import running
from tests.stories.test_abuse import to_code
from tests.stories.test_sign_in import fault, logged
from tests.stories.test_uniform_failures import tried
from tests.stories.ways import DEEP, by_password, by_psc
from tests.visitor import Answer, Demo, Visitor

__all__ = ["codes_world", "hashed"]
SESSION = ("localhost", "__Host-vtgw")


def main(answer: Answer) -> str:
    return answer.text[answer.text.index("<main") : answer.text.index("</main")]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded; charset=bogus", b"a=b"),
        ("application/x-www-form-urlencoded", b"\xff\xfe%ff=%ff"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nfoo"),
        ("multipart/form-data; boundary=x", b""),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(20_000))),
    ],
)
def test_r155_a_form_that_cannot_be_read(demo: Demo, visitor: Visitor, kind: str, body: bytes) -> None:
    """A French page with a reference, whatever was sent; never an error of a library in English."""
    url = demo.about["gateway"] + "/_gateway/sign-in/password"
    answer = visitor.raw("POST", url, body, {"Content-Type": kind})
    assert answer.status in (400, 403, 413)
    assert '<html lang="fr">' in answer.text
    assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")
    logged(demo, answer)


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("POST", "charter/text"), ("POST", "nothing")])
def test_r155_addresses_that_are_not_there(demo: Demo, visitor: Visitor, method: str, path: str) -> None:
    logged(demo, visitor.raw(method, f"{demo.about['gateway']}/_gateway/{path}", None, {}))


def test_r155_refused_forms_have_a_reference(demo: Demo) -> None:
    """Bad input and wrong passwords under « Mon compte » say the reference that support will ask for; the pages of a
    sign-in do not, so that nobody can tell one refusal from another (R55)."""
    visitor = Visitor(demo)
    by_password(visitor, "dr-petit")
    for path, fields in (("mail", {"email": "x"}), ("phone", {"phone": "1"}), ("password", {"current": "x"})):
        visitor.get(f"/_gateway/account/{path}")
        logged(demo, visitor.submit(f"/account/{path}", **fields))


def test_r75_contract_503_says_when_to_come_back(demo: Demo) -> None:
    """A relay that is down is 503 with Retry-After, also for a code asked while signed in; and no page says that a code
    was sent."""
    signed = Visitor(demo)
    by_psc(signed, "dr-bernard")
    demo.advance(660)
    signed.get("/_gateway/account/mail")
    with fault(demo, "smtp", "down"):
        stepping = signed.submit("/step-up", channel="mail")
        visitor = Visitor(demo)
        visitor.get(DEEP)
        account = demo.person("dr-petit")["account"]
        page = visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"])
    assert "n'a pas pu être envoyé" in page.text
    assert (page.status, stepping.status) == (503, 503)
    assert "Un code a été envoyé" not in page.text
    assert page.header("Retry-After") and stepping.header("Retry-After")


def test_lesson_17_forms_of_the_account_after_expiry(demo: Demo) -> None:
    """What was typed under « Mon compte » is shown again when the session ended meanwhile."""
    for path, typed in (("address", {"address": "12 rue des Lilas"}), ("mail", {"email": "nouveau@cabinet.test"}),
                        ("phone", {"phone": "06 12 34 56 90"})):  # fmt: skip
        visitor = Visitor(demo)
        by_password(visitor, "dr-bernard")
        visitor.get(f"/_gateway/account/{path}")
        demo.advance(31 * 60)
        late = visitor.submit(f"/account/{path}", **typed)
        (word,) = typed.values()
        assert word in late.text, path


def test_r149_a_proxied_request_leads_to_its_person(demo: Demo, visitor: Visitor) -> None:
    """From the line of a request in the log one comes to the session, from there to the account and its means; also
    after a change of space, which gives a new ticket."""
    by_psc(visitor, "dr-bernard")
    visitor.get("/_gateway/account")
    visitor.submit("/account/space", space="liberal")
    visitor.get("/Trajectoire/Pages/AccesRestreint/imputable")
    deadline = time.monotonic() + 5
    line: dict[str, object] = {}
    while not line:
        assert time.monotonic() < deadline
        for text in demo.log().splitlines():
            if "/AccesRestreint/imputable" in text:
                line = json.loads(text)
        time.sleep(0.05)
    acts = [
        json.loads(text)
        for text in demo.log().splitlines()
        if "acc_dr-bernard" in text and str(line["session"]) in text
    ]
    assert acts


def test_r147_the_log_knows_pseudonyms_only(demo: Demo, visitor: Visitor) -> None:
    """A sign-in by e-CPS writes no national identifier; one in an establishment says which."""
    by_psc(visitor, "dr-bernard")
    agent = to_code(demo, "agent-leroy")
    code = demo.code("paul.leroy@example.test") if "par e-mail" in agent.last.text else demo.code("+33612345678", "sms")
    agent.submit("/sign-in/code", code=code)
    time.sleep(0.2)
    lines = [json.loads(one) for one in demo.log().splitlines() if one[:1] == "{"]
    opened = [one for one in lines if one.get("event") == "session:open"]
    assert "99700100011" not in json.dumps(opened)
    assert [one for one in opened if one["account"] == "acc_agent-leroy"][-1]["scope"] == "ehpad-glycines"


async def test_r71_a_dead_code_gives_no_more_messages_than_a_living_one(codes_world: World) -> None:
    """Three messages of one attempt at most, whether the codes before were killed by wrong entries or not."""
    attempt, _ = await codes_world.login()
    for _ in range(4):
        for _ in range(5):
            await codes_world.type(attempt, "x")
        codes_world.ambient.advance(130)
        await codes_world.provider.resend(attempt, None, codes_world.ambient.now())
    assert len(codes_world.mail.sent) <= 3


@pytest.fixture(scope="module")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("oracle"), GATEWAY_LOGIN__UNIFORM_FAILURE="true") as demo:
        yield demo


def test_r81_the_mask_does_not_tell_a_right_password(uniform: Demo) -> None:
    """The same identifier shows the same mask whether its password is right or wrong."""
    masks = set()
    for password in ("faux", uniform.person("dr-bernard")["account"]["password"]):
        _, page = tried(uniform, "899700100011", password)
        masks.add(re.findall(r"\w•••@\w•••\.\w+", page.text)[0])
    assert len(masks) == 1


def test_r81_the_length_and_the_ways_do_not_tell_it(uniform: Demo) -> None:
    """In an establishment of eight hours with SMS, likewise."""
    ways, ends = set(), []
    for password in ("faux", uniform.person("agent-leroy")["account"]["password"]):
        _, page = tried(uniform, "pleroy", password)
        ways.add(("par SMS" in main(page), "par e-mail" in main(page), "code de secours" in main(page)))
        ends.append(datetime.fromisoformat(re.findall(r'data-expires="([^"]+)"', page.text)[0]))
    assert len(ways) == 1
    assert abs(ends[1] - ends[0]) < timedelta(minutes=1)


def test_r81_an_unknown_identifier_offers_what_others_offer(uniform: Demo) -> None:
    """No way is shown for an identifier that nobody has that an ordinary account does not show."""
    ways = set()
    for identifier in ("899700100102", "899700100011"):
        _, page = tried(uniform, identifier, "faux")
        ways.add(("par SMS" in main(page), "code de secours" in main(page)))
    assert len(ways) == 1


def test_r81_asking_again_does_not_tell_it(uniform: Demo) -> None:
    """« Renvoyer un code » at once is refused alike, and a fourth time alike."""
    said = []
    for password in ("faux", uniform.person("dr-petit")["account"]["password"]):
        visitor, page = tried(uniform, "899700100029", password)
        statuses = []
        for pause in (0, 31, 31, 31, 31):
            uniform.advance(pause)
            visitor.last = page
            statuses.append(visitor.submit("/sign-in/code/resend", channel="mail").status)
        said.append(statuses)
    assert said[0] == said[1]


def test_r81_what_stands_against_an_account_does_not_tell_it(uniform: Demo) -> None:
    """Without a usable channel, a right password shows what a wrong one shows."""
    pages = set()
    for password in ("faux", uniform.person("agent-blanc")["account"]["password"]):
        _, page = tried(uniform, "mblanc", password)
        pages.add((page.status, "J'ai reçu mon code" in page.text))
    assert len(pages) == 1
