"""What serves once serves once among all machines: codes, callbacks, links, invitations, registrations, imports."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.gate import COOKIE
from tests.bearer import Bearer
from tests.resilience.pair import Pair, Wanderer, side, twin, until
from tests.stories.test_delegations import PAGE, today
from tests.stories.test_main_job import DEEP, card_of
from tests.visitor import Answer

PASSWORD = "Un-beau-matin-7"


def at_once(visitor: Wanderer, count: int, act: Callable[[Wanderer], Answer]) -> list[tuple[Wanderer, Answer]]:
    """So many tabs of this browser do the same at the same moment, each second one on the other machine."""
    tabs = [twin(visitor, "ab"[number % 2]) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return list(zip(tabs, pool.map(act, tabs), strict=True))


def signed_in(found: list[tuple[Wanderer, Answer]]) -> int:
    return sum(("localhost", COOKIE) in tab.cookies for tab, _ in found)


def test_r68_one_code_forty_times_over_both_opens_one_session(pair: Pair) -> None:
    """Forty posts of the right code at once, twenty on each machine: one of them opens a session."""
    visitor, person = Wanderer(pair), pair.demo.person("dr-bernard")
    visitor.get(DEEP)
    account = person["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    code = pair.demo.code(person["mail"])
    assert signed_in(at_once(visitor, 40, lambda tab: tab.submit("/sign-in/code", code=code))) == 1


def test_r39_one_callback_forty_times_over_both_opens_one_session(pair: Pair) -> None:
    """The address that Pro Santé Connect sends the browser back to serves once, wherever it is asked for."""
    visitor = Wanderer(pair)
    visitor.get(f"/_gateway/sign-in/psc?space=professionnel&return={DEEP.replace('&', '%26')}")
    form = next(one for one in visitor.last.forms if one.action.endswith("/auth"))
    fields = {**form.fields, "person": "dr-petit", "mode": "MOBILE"}
    page = visitor.last
    back = _location(visitor, page, form.action, fields)
    assert "/sign-in/psc/callback" in back
    assert signed_in(at_once(visitor, 40, lambda tab: tab.get(back))) == 1


def _location(visitor: Wanderer, page: Answer, action: str, fields: dict[str, str]) -> str:
    from urllib.parse import urlencode, urljoin

    answer = visitor.go("POST", urljoin(page.url, action), urlencode(fields).encode(), {}, follow=False)
    where = answer.header("Location")
    assert where is not None
    return where


def test_r61_one_link_twenty_times_over_both_sets_one_password(pair: Pair) -> None:
    """Of twenty passwords chosen at once through one link, one is the person's; nineteen are told that it served."""
    demo, visitor = pair.demo, Wanderer(pair)
    person = demo.person("referent-glycines")
    visitor.get("/_gateway/password/forgot")
    visitor.submit("/password/forgot", identifier=person["account"]["identifier"])
    visitor.get(demo.link(person["mail"], "mot de passe"))
    found = at_once(visitor, 20, lambda tab: tab.submit("/password/reset", password=PASSWORD, repeat_password=PASSWORD))
    statuses = sorted(answer.status for _, answer in found)
    assert statuses.count(200) == 1, statuses
    assert set(statuses) <= {200, 403, 409}, statuses


def test_r100_one_invitation_twenty_times_over_both(pair: Pair) -> None:
    """A référent invites somebody by A; the link used twenty times at once over both sets one password."""
    person = {"scope": "ehpad-glycines", "family_name": "Duval", "given_name": "Ève", "mail": "eve@duval.example"}
    assert Bearer(side(pair, "a"), "referent").call("POST", "accounts", person).status == 201
    visitor = Wanderer(pair)
    visitor.get(pair.demo.link("eve@duval.example"))
    found = at_once(visitor, 20, lambda tab: tab.submit("/invitation", password=PASSWORD, repeat_password=PASSWORD))
    statuses = sorted(answer.status for _, answer in found)
    assert statuses.count(200) == 1, statuses
    assert set(statuses) <= {200, 403, 409}, statuses


def test_r17_r23_thirty_registrations_over_both_make_one_account(pair: Pair) -> None:
    """Thirty clicks on « J'accepte » at once: one account of this person, and nobody meets a fault."""
    visitor, person = Wanderer(pair), pair.demo.person("social-roux")
    visitor.get("/_gateway/sign-in/psc?space=professionnel&return=/x")
    visitor.submit("/auth", person="social-roux", mode="MOBILE")
    visitor.submit("/register", email=person["mail"], password=PASSWORD, repeat_password=PASSWORD)
    assert "J'ai lu et accepte" in visitor.last.text, visitor.last.text
    found = at_once(visitor, 30, lambda tab: tab.submit("/charter", accept="1"))
    statuses = {answer.status for _, answer in found}
    assert 200 in statuses
    assert statuses <= {200, 403}, statuses
    assert pair.rows("SELECT count(*) FROM accounts WHERE national_id = '899700100045'") == [(1,)]


def test_r112_one_delegation_link_over_both_gives_one_delegation(pair: Pair) -> None:
    """The link of an invitation, followed to its end eight times at once over both: accepted once."""
    demo = pair.demo
    doctor = Wanderer(pair, "ab", card_of(demo, "dr-bernard"))
    doctor.get(f"/_gateway/sign-in/card?space=liberal&return={PAGE}")
    doctor.get(f"{PAGE}/assistants/add")
    person = demo.person("assistant-henry")
    doctor.submit(
        "/assistants/add",
        family_name=person["family_name"],
        given_name=person["given_name"],
        email=person["mail"],
        rights=["grandage:consulter"],
        start=today(demo),
        end=today(demo, 30),
    )
    visitor = Wanderer(pair, "ba", card_of(demo, "assistant-henry"))
    visitor.get(demo.link(person["mail"]))
    visitor.submit("/delegations/invitation", way="card")
    fields = {"password": PASSWORD, "repeat_password": PASSWORD, "profession": "Secrétaire médicale"}
    visitor.submit("/register", **fields)
    assert "J'ai lu et accepte" in visitor.last.text, visitor.last.text
    found = at_once(visitor, 8, lambda tab: tab.submit("/charter", accept="1"))
    assert {answer.status for _, answer in found} <= {200, 403}
    given = "SELECT count(*) FROM delegations WHERE family_name ILIKE 'henry' AND finalised_at IS NOT NULL"
    assert pair.rows(given) == [(1,)]
    history = (
        "SELECT what FROM delegation_history h JOIN delegations d ON d.id = h.delegation_id"
        " WHERE d.family_name ILIKE 'henry' ORDER BY h.at"
    )
    assert [what for (what,) in pair.rows(history)].count("accepted") == 1, pair.rows(history)


def test_r102_one_import_runs_however_many_are_begun_at_once(pair: Pair) -> None:
    """The same table sent ten times at once to both machines: one import runs, and whoever comes meanwhile is told so."""
    lines = [b"identifiant;nom;prenom;mail;scope", *(b"essai%d;Nom;Eve;;ehpad-glycines" % n for n in range(3000))]
    tokens = [Bearer(side(pair, "ab"[number % 2]), "region") for number in range(10)]

    def send(one: Bearer) -> int:
        return one.call("POST", "accounts/import", b"\n".join(lines), content_type="text/csv").status

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(send, tokens))
    assert (statuses[0] in (200, 202), statuses[1:]) == (True, [422] * 9), statuses
    running = "SELECT count(*) FROM revisions WHERE name LIKE 'import:%'"
    until(lambda: pair.rows(running) == [(0,)], 30)
    assert pair.rows("SELECT kind, state FROM imports") == [("accounts", "done")]
