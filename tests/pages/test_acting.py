"""« Agir pour »: taken up and left under a new ticket, refused like what does not exist, over with a page (R116, R127–R132)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.delegation import Delegation, State
from gateway.accounts.delegations import Delegations
from gateway.delegations.author import By
from gateway.identity import Assurance, Method, Space
from gateway.pages.account import AccountPages
from gateway.pages.base import SESSION
from gateway.pages.house import HOUSE
from gateway.reasons import RecordsUnavailable
from gateway.session.keeper import digest_of
from gateway.session.model import Session
from tests.pages.staff import MOREAU as STAFF
from tests.pages.staff import Browser, Staffed, staffed
from tests.pages.surgery import BERNARD, MOREAU, PREFIX, STAMPS, Reading, Surgery, surgery

ACTING = "/../acting"
UNKNOWN = "n'existe pas, ou n'est pas la vôtre"


async def secretary(here: Surgery, **how: object) -> None:
    await here.be(MOREAU, space=Space.PROFESSIONNEL, **{"method": Method.CPE, **how})  # type: ignore[arg-type]


async def under(here: Surgery) -> str | None:
    """What the session of the test's ticket acts under, as the store knows it."""
    session = await here.keeper.resume(digest_of(here.ticket), here.now)
    return session.acting_under if session is not None else None


def ticket_of(answer: Reading) -> str:
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION}=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    return cookie.partition("=")[2].partition(";")[0]


async def traces(here: Surgery, act: str) -> list[dict[str, str]]:
    rows = await here.world.records.find("audit", {"act": act}, order=("seq",))
    return [json.loads(str(row["facts"])) for row in rows]


async def test_r129_taking_up_is_a_new_ticket_and_is_written_down(tmp_path: Path) -> None:
    """The ticket of before opens nothing; audit and use name the session as the access journal will."""
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        old = here.ticket
        answer = await here.post(ACTING, delegation=given.id, **{"return": "/Trajectoire/x"})
        assert (answer.status, answer.where) == (303, "/Trajectoire/x")
        here.ticket = ticket_of(answer)
        assert await under(here) == given.id
        assert await here.keeper.resume(digest_of(old), here.now) is None
        (fact,) = await traces(here, "acting:begin")
        assert (fact["delegation"], fact["delegator"], fact["method"]) == (given.id, BERNARD, "cpe")
        assert (fact["session"], fact["from"]) == (digest_of(here.ticket)[:12], digest_of(old)[:12])
        (use,) = await here.delegations.uses(given.id)
        assert (use.user, use.session, use.ended_at) == (MOREAU, fact["session"], None)
        here.world.ambient.advance(60)
        here.ticket = ticket_of(await here.post(ACTING, delegation=""))
        assert await under(here) is None
        (use,) = await here.delegations.uses(given.id)
        assert use.ended_at == here.now
        assert [one["why"] for one in await traces(here, "acting:end")] == ["asked"]


async def test_leaving_when_one_acts_for_nobody_changes_nothing(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await secretary(here)
        answer = await here.post(ACTING, delegation="")
        assert (answer.status, answer.where) == (303, "/")
        assert "Set-Cookie" not in answer.headers
        assert await traces(here, "acting:end") == []


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test", "/\\evil.test", "/_gateway/acting"])
async def test_r2_it_leads_back_to_own_paths_alone(tmp_path: Path, back: str) -> None:
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        assert (await here.post(ACTING, delegation=given.id, **{"return": back})).where == "/"


async def test_nobody_signed_in_is_sent_to_sign_in(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        given = await here.has()
        for answer in (await here.post(ACTING, delegation=given.id), await here.get("/ended")):
            assert answer.status == 303
            assert answer.where.startswith(f"{PREFIX}/sign-in?reason=no-session&return=")


async def test_h4_another_sites_form_changes_nothing(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        assert (await here.post(ACTING, csrf="forged.token", delegation=given.id)).status == 403
        assert await under(here) is None


@pytest.mark.parametrize("state", [one for one in State if one is not State.ACTIVE])
async def test_r126_only_an_active_one_is_taken_up(tmp_path: Path, state: State) -> None:
    """Whatever it waits for or was: 403, written down, and the session is as it was."""
    async with surgery(tmp_path) as here:
        given = await here.has(state)
        await secretary(here)
        before = here.ticket
        answer = await here.post(ACTING, delegation=given.id)
        assert answer.status == 403
        assert "Vous ne pouvez pas agir pour ce médecin" in answer.words
        assert "Set-Cookie" not in answer.headers
        here.ticket = before
        assert await under(here) is None
        (fact,) = await traces(here, "delegation:refuse")
        assert fact == {"asked": "act", "delegation": given.id}


async def test_anothers_delegation_is_like_one_that_does_not_exist(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        theirs = await here.has(delegate="acc_henry")
        own = await here.has(doctor=BERNARD, delegate=BERNARD)
        await secretary(here)
        said = {
            (await here.post(ACTING, delegation=one)).words for one in (theirs.id, own.id, "dlg_nowhere", "x" * 500)
        }
        references = {line.rpartition("Référence")[0] for line in said}
        assert len(references) == 1
        assert UNKNOWN in references.pop()
        tried = [one.get("delegation") for one in await traces(here, "delegation:refuse")]
        assert sorted(filter(None, tried)) == sorted([theirs.id, own.id, "dlg_nowhere"])  # and never a text of no id
        assert len(tried) == 4


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"method": Method.PASSWORD, "assurance": Assurance.PASSWORD}, "mot de passe seul"),
        ({"method": Method.PASSKEY, "assurance": Assurance.TRANSITION}, "Le moyen par lequel"),
        ({"method": Method.CPF}, "Le moyen par lequel"),
    ],
    ids=["password", "passkey", "cpf"],
)
async def test_r115_other_means_do_not_do_and_another_is_offered(
    tmp_path: Path, how: dict[str, object], words: str
) -> None:
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here, **how)
        answer = await here.post(ACTING, delegation=given.id)
        assert answer.status == 403
        assert words in answer.words
        assert f"{PREFIX}/step-up?then=/delegations" in answer.text


async def revoked(here: Surgery, given: Delegation) -> None:
    await here.delegations.change(given, here.now, "ended", BERNARD, {}, revoked_at=here.now, revoked_by="delegator")


async def test_r127_the_page_of_the_end_lets_go_and_says_for_whom(tmp_path: Path) -> None:
    """The own session goes on under a new ticket; opened again there is nothing more to say."""
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        await here.acts_for(given)
        await revoked(here, given)
        page = await here.get("/ended?return=/Trajectoire/x")
        assert page.status == 200
        for words in ("Vous n'agissez plus", "Dr Luc BERNARD", "n'est plus en cours", "sera fait en votre nom"):
            assert words in page.words
        assert 'href="/Trajectoire/x"' in page.text
        here.ticket = ticket_of(page)
        assert await under(here) is None
        assert [one["why"] for one in await traces(here, "acting:end")] == ["delegation-ended"]
        assert (await here.get("/ended?return=/Trajectoire/x")).where == "/Trajectoire/x"


async def test_opening_that_page_never_ends_what_stands(tmp_path: Path) -> None:
    """A link or a picture of another site leads there: nothing changes."""
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        await here.acts_for(given)
        answer = await here.get("/ended")
        assert (answer.status, answer.where) == (303, "/")
        assert await under(here) == given.id


async def test_r129_every_page_says_for_whom_and_when_it_is_over(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        given = await here.has()
        await secretary(here)
        assert "Vous agissez pour" not in (await here.get()).text
        await here.acts_for(given)
        page = await here.get()
        assert "Vous agissez pour <strong>Dr Luc BERNARD</strong>, jusqu'au" in page.text
        assert f'action="{PREFIX}/acting"' in page.text
        await revoked(here, given)
        assert "La délégation sous laquelle vous agissiez n'est plus en cours." in (await here.get()).text


async def test_r131_a_sleeping_doctor_is_nobody_to_act_for(tmp_path: Path) -> None:
    async with surgery(
        tmp_path,
    ) as here:
        given = await here.has(ends=here.now + timedelta(days=800))
        here.world.ambient.advance(366 * 86400)
        await secretary(here)
        moreau = await here.account(MOREAU)
        await here.register.change(moreau, here.now, last_sign_in_at=here.now)
        await secretary(here)
        answer = await here.post(ACTING, delegation=given.id)
        assert answer.status == 403
        assert "ses délégations sont suspendues" in answer.words
        assert replace(given, version=1) == replace(await here.read(given), version=1)


async def uses_of(place: Staffed, delegation_id: str) -> list[tuple[str, str, bool]]:
    """Who used it: the session as the access journal names it, the means, and whether it is over; the oldest first."""
    uses = reversed(await place.delegations.uses(delegation_id))
    return [(use.session, use.method, use.ended_at is not None) for use in uses]


async def test_r149_another_proof_while_acting_goes_on_under_its_new_name(tmp_path: Path) -> None:
    """A step-up gives the session another name: the doctor's list of uses follows it, and ends when acting ends."""
    async with staffed(tmp_path) as place:
        place.card.holder, me = STAFF, Browser(place)
        given = await place.invite()
        await me.join()
        await me.get(f"{PREFIX}/delegations")
        names = [digest_of(me.cookies[SESSION])[:12]]
        by = By(await place.house.register.by_id(await _holder(place)), await _session(place, me))  # type: ignore[arg-type]
        place.world.ambient.advance(60)
        ticket = "t" * 43
        assert isinstance(await place.receiving.begin(by, given.id, place.now, ticket), Session)
        me.cookies[SESSION] = ticket
        names.append(digest_of(ticket)[:12])
        place.world.ambient.advance(60)
        await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/x")
        renewed = digest_of(me.cookies[SESSION])[:12]
        assert renewed not in names, me.last.text
        assert (await _session(place, me)).acting_under == given.id
        assert await uses_of(place, given.id) == [(names[1], "cpe", True), (renewed, "cpe", False)]
        first, second = reversed(await place.delegations.uses(given.id))
        assert first.ended_at == second.began_at == place.now
        place.world.ambient.advance(60)
        await place.receiving.leave(replace(by, session=await _session(place, me)), place.now, "u" * 43)
        assert [over for _, _, over in await uses_of(place, given.id)] == [True, True]


async def test_r145_signing_out_while_acting_is_done_whatever_becomes_of_the_list_of_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is over: the browser hears so and forgets it, and is not told that it is still signed in."""

    async def silent(self: Delegations, session: str, now: datetime) -> None:
        raise RecordsUnavailable("the test says so")

    async with staffed(tmp_path) as place:
        place.card.holder, me = STAFF, Browser(place)
        given = await place.invite()
        await me.join()
        by = By(await place.house.register.by_id(await _holder(place)), await _session(place, me))  # type: ignore[arg-type]
        ticket = "t" * 43
        assert isinstance(await place.receiving.begin(by, given.id, place.now, ticket), Session)
        me.cookies[SESSION] = ticket
        await me.get(f"{PREFIX}/delegations/invitation?token={'u' * 32}")
        monkeypatch.setattr(Delegations, "ended", silent)
        answer = await me.post("/sign-out", follow=False)
        assert (answer.status, answer.location) == (303, f"{PREFIX}/signed-out")
        assert me.cookies[SESSION] in ("", '""')
        assert await place.house.keeper.resume(digest_of(ticket), place.now) is None


async def _holder(place: Staffed) -> str:
    account = await place.of(STAFF)
    assert account is not None
    return account.id


async def _session(place: Staffed, browser: Browser) -> Session:
    session = await place.house.keeper.resume(digest_of(browser.cookies[SESSION]), place.now)
    assert session is not None
    return session


async def test_r149_another_space_while_acting_goes_on_under_its_new_name(tmp_path: Path) -> None:
    """Changing the space does the same; who acts for nobody leaves no line."""
    async with surgery(tmp_path) as here:
        given = await here.colleague()
        rules = SimpleNamespace(
            methods=lambda account, now: None,
            strong=lambda account, now: True,
            banner=lambda account, now: "",
            contacts=lambda account, now: (),
            above=lambda scope: [scope],
        )
        everything = {space: ["card"] for space in Space}
        house = replace(here.client.app[HOUSE], rules=rules, methods=everything)  # type: ignore[index]
        app = web.Application()
        app[HOUSE] = house
        app.router.add_routes(AccountPages(house, *[None] * 4).routes())  # type: ignore[arg-type]
        await here.be()
        async with TestClient(TestServer(app), headers=STAMPS) as client:
            own, here.client = here.client, client
            here.ticket = ticket_of(await here.post("/../account/space", space="professionnel"))
            assert await here.delegations.uses(given.id) == ()
            here.client = own
            await here.acts_for(given)
            here.world.ambient.advance(60)
            here.client = client
            here.ticket = ticket_of(await here.post("/../account/space", space="liberal"))
            assert await under(here) == given.id
            new, old = await here.delegations.uses(given.id)
            assert (old.ended_at, new.began_at, new.ended_at) == (here.now, here.now, None)
            assert (new.session, new.user) == (digest_of(here.ticket)[:12], BERNARD)
