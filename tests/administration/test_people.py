"""People in the hands of those who administer: who may do what to whom, and what it changes (R87, R97–R101, R103)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.account import Account, Grant, Role, Standing
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, NotThere, NotYours
from gateway.administration.invitations import Invitations, InvitationSettings
from gateway.administration.people import Invitation, PeopleOffice, PeopleSettings
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import Insert, Update
from gateway.reasons import StoreUnavailable
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from gateway.texts import Text
from tests.administration.world import AURA, CLI, NATIONAL, REFERENT, REUNION, World, person, world_in, world_on
from tests.ambient import START
from tests.servers import postgres_server

DAY = timedelta(days=1)
RPPS = "899700100060"
BASE = "https://vt.test/_gateway"


@dataclass
class Letters:
    """Mails that would be sent: (to, kind, text)."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def post(self, account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
        self.sent.append((to or account.mail or "", kind, text.text))

    def token(self) -> str:
        """Of the last link."""
        text = next(text for _, _, text in reversed(self.sent) if "token=" in text)
        return text.partition("token=")[2].split()[0]


@dataclass
class Room:
    world: World
    office: PeopleOffice
    register: Register
    keeper: Keeper
    store: MemoryStore
    invitations: Invitations
    letters: Letters
    heard: list[str]

    async def account(self, name: str) -> Account:
        found = await self.register.by_id(f"acc_{name}")
        assert found is not None
        return found

    async def actor(self, name: str) -> Actor:
        """Somebody with the roles they have now, as pages and API make an actor for each request."""
        account = await self.account(name)
        return Actor(account.id, account.family_name, account.grants)


def role(account_id: str, name: str, scope: str) -> Insert:
    values = {"account_id": account_id, "role": name, "scope_id": scope, "granted_by": "test", "since": START}
    return Insert("roles", values)


async def furnished(world: World) -> Room:
    await world.records.write(
        *person("acc_own", "ehpad"),
        *person("acc_two", "ehpad", "ssr"),
        *person("acc_far", "ehpad", "chu"),
        *person("acc_other", "chu", family_name="GARNIER", given_name="ÉLODIE", national_id=RPPS),
        Insert("logins", {"key": RPPS, "account_id": "acc_other", "created_at": START}),
        *person("acc_free"),
        *person("acc_asleep", "ehpad", last_sign_in_at=START - 400 * DAY, created_at=START - 900 * DAY),
        *person("acc_gone", closed_at=START - DAY, mail=None, mail_key=None, mail_canonical=None),
        *person("acc_referent", "ehpad"),
        *person("acc_aura", "ehpad"),
        *person("acc_national", "ehpad"),
        role("acc_referent", "referent", "ehpad"),
        role("acc_aura", "region", "aura"),
        role("acc_national", "national", "nation"),
    )
    store, register, letters, heard = (
        MemoryStore(world.ambient),
        Register(world.records, world.ambient),
        Letters(),
        [],
    )
    store.listen(heard.append)
    keeper = Keeper(store, store, world.ambient)
    invitations = Invitations(store, world.ambient, InvitationSettings(BASE, life=7 * DAY))
    office = PeopleOffice(
        world.records,
        register,
        keeper,
        store,
        world.audit,
        world.desk,
        Mailboxes(world.records),
        invitations,
        letters,
        world.ambient,
        PeopleSettings(365 * DAY, frozenset({"EHPAD", "SERVICE"}), frozenset({"accueil"})),
    )
    return Room(world, office, register, keeper, store, invitations, letters, heard)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with world_in(tmp_path) as world:
        yield await furnished(world)


def typed(scope: str = "ehpad", **changes: str) -> Invitation:
    values = {"family_name": "Roux", "given_name": "Léa", "mail": "lea.roux@example.test", **changes}
    return Invitation(scope, **values)


Act = Callable[[PeopleOffice, Actor, str, str], Awaitable[Any]]
ACTS: dict[str, Act] = {
    "see": lambda office, actor, who, why: office.see(actor, who),
    "suspend": lambda office, actor, who, why: office.suspend(actor, who, None, why, START),
    "resume": lambda office, actor, who, why: office.resume(actor, who, None, why, START),
    "reactivate": lambda office, actor, who, why: office.reactivate(actor, who, None, why, START),
    "correct": lambda office, actor, who, why: office.correct_mail(actor, who, None, "new@example.test", why, START),
    "end": lambda office, actor, who, why: office.end_sessions(actor, who, START),
    "attach": lambda office, actor, who, why: office.attach(actor, who, "ehpad", why, START),
    "detach": lambda office, actor, who, why: office.detach(actor, who, "ehpad", why, START),
    "grant": lambda office, actor, who, why: office.grant(actor, who, Role.REFERENT, "ehpad", why, START),
    "revoke": lambda office, actor, who, why: office.revoke(actor, who, Role.REFERENT, "ehpad", why, START),
}
ALONE = ("suspend", "resume", "reactivate", "correct")
YES, NO, HIDDEN = "yes", "no", "hidden"


def expected(actor: str, whom: str, act: str) -> str:
    """The table, in the words of the requirement, apart from the code that decides."""
    people = {
        "own": ("ehpad",), "two": ("ehpad", "ssr"), "far": ("ehpad", "chu"), "other": ("chu",), "free": (),
        "gone": (), "referent": ("ehpad",), "aura": ("ehpad",), "national": ("ehpad",),
    }  # fmt: skip
    rank = {"referent": 1, "aura": 2, "reunion": 2, "national": 3}
    below = {
        "national": {"ehpad", "ssr", "chu"}, "aura": {"ehpad", "ssr"}, "reunion": {"chu"}, "referent": {"ehpad"},
    }[actor]  # fmt: skip
    seen = actor == "national" or any(one in below for one in people[whom])
    about_ehpad = act in ("attach", "detach", "grant", "revoke")
    if about_ehpad and "ehpad" not in below:
        return HIDDEN
    if act in ("grant", "revoke") and actor == "referent":
        return NO
    if not seen:
        return HIDDEN
    if act == "see":
        return YES
    if whom == "gone" or (whom == actor and act in ("suspend", "grant", "correct")):
        return NO
    if rank.get(whom, 0) > rank[actor]:
        return NO
    if actor == "referent" and act in ALONE and not set(people[whom]) <= below:
        return NO
    if actor != "national" and act == "correct" and not set(people[whom]) <= below:
        return NO
    return YES


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("actor", [NATIONAL, AURA, REUNION, REFERENT], ids=lambda one: one.id[4:])
async def test_r100_who_may_do_what_to_whom(room: Room, actor: Actor, act: str) -> None:
    """Actor × person × act: done, refused, or as if the person did not exist; a refusal leaves no trace and no change."""
    name = actor.id.removeprefix("acc_")
    for whom in ("own", "two", "far", "other", "free", "gone", "referent", "aura", "national"):
        account_before, audit_before = await room.account(whom), len(await room.world.audited())
        try:
            await ACTS[act](room.office, actor, f"acc_{whom}", "un essai")
            outcome = YES
        except NotThere:
            outcome = HIDDEN
        except NotYours:
            outcome = NO
        assert outcome == expected(name, whom, act), whom
        if outcome != YES:
            assert await room.account(whom) == account_before
            assert len(await room.world.audited()) == audit_before
        elif act == "correct":  # the next one gets this address
            row = {"mail": None, "mail_key": None, "mail_canonical": None}
            await room.world.records.write(Update("accounts", row, {"id": f"acc_{whom}"}))


async def test_r100_what_does_not_exist_and_what_is_out_of_reach_look_the_same(room: Room) -> None:
    """The same exception with the same words, so that nothing can be guessed."""
    said = []
    for who in ("acc_other", "acc_free", "acc_nobody", "acc_gone", "\0", "\ud800"):
        with pytest.raises(NotThere) as caught:
            await room.office.suspend(REFERENT, who, 1, "un essai", room.world.now)
        said.append((type(caught.value), caught.value.sentence))
    assert len(set(said)) == 1


async def test_r100_somebody_with_two_places_is_the_regions_to_suspend(room: Room) -> None:
    """A référent is told whom to ask; the region does it."""
    with pytest.raises(NotYours, match="équipe régionale"):
        await room.office.suspend(REFERENT, "acc_two", None, "un essai", room.world.now)
    done = await room.office.suspend(AURA, "acc_two", None, "un essai", room.world.now)
    assert done.standing(room.world.now, 365 * DAY) is Standing.SUSPENDED


async def opened(room: Room, account_id: str) -> None:
    proof = Proof(Identity(NationalId("raw", "x"), "A", "B"), Method.OTP_MAIL, Assurance.TRANSITION, room.world.now)
    await room.keeper.open(account_id, Space.PROFESSIONNEL, (proof,), Lifetimes(), room.world.now)


async def test_r100_suspending_ends_sessions_and_resuming_gives_the_standing_back(room: Room) -> None:
    """The audit has who and why, before the effect; workers hear of it; a second time changes nothing."""
    await opened(room, "acc_own")
    done = await room.office.suspend(REFERENT, "acc_own", 1, "téléphone  volé", room.world.now)
    assert done.suspended_at == room.world.now
    assert await room.keeper.sessions_of("acc_own", room.world.now) == ()
    (trace,) = await room.world.audited("account:suspend")
    assert (trace["account"], trace["facts"]["why"], trace["facts"]["author"]) == (
        "acc_own",
        "téléphone volé",
        "acc_referent",
    )
    assert trace["address"] == "192.0.2.4"
    await asyncio.sleep(0)
    assert "account:acc_own" in room.heard
    assert await room.office.suspend(REFERENT, "acc_own", None, "encore", room.world.now) == done
    assert len(await room.world.audited("account:suspend")) == 1
    back = await room.office.resume(REFERENT, "acc_own", done.version, "retrouvé", room.world.now)
    assert back.suspended_at is None
    assert (await room.world.audited("account:resume"))[0]["facts"]["why"] == "retrouvé"


@pytest.mark.parametrize("act", ["suspend", "resume", "reactivate"])
async def test_r100_a_change_made_meanwhile_is_not_run_over(room: Room, act: str) -> None:
    """The version that was read decides; nothing is written, not even the audit."""
    with pytest.raises(ChangedMeanwhile) as caught:
        await getattr(room.office, act)(AURA, "acc_own", 7, "un essai", room.world.now)
    assert caught.value.version == 1
    with pytest.raises(ChangedMeanwhile):
        await room.office.correct_mail(AURA, "acc_own", 7, "a@example.test", "un essai", room.world.now)
    assert await room.world.audited() == []


async def test_r100_two_at_the_same_instant(room: Room) -> None:
    """Of two that read the same version one wins; without a version both do what they came for."""
    now = room.world.now
    acts = [room.office.suspend(AURA, "acc_own", 1, f"essai {number}", now) for number in range(5)]
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert sum(isinstance(one, Account) for one in outcomes) >= 1
    assert all(isinstance(one, Account | ChangedMeanwhile) for one in outcomes)
    assert (await room.account("own")).version == 2
    await asyncio.gather(
        room.office.resume(AURA, "acc_own", None, "essai", now),
        room.office.attach(AURA, "acc_own", "ssr", "essai", now),
        room.office.attach(AURA, "acc_own", "ch", "essai", now),
    )
    account = await room.account("own")
    assert (account.suspended_at, account.scopes) == (None, ("ch", "ehpad", "ssr"))


@pytest.mark.parametrize("reason", ["", "  ", "ab", "x" * 201, "a\x07bcd"])
async def test_r93_every_act_takes_a_reason(room: Room, reason: str) -> None:
    """A few printable words; nothing is done without them."""
    for name in ACTS.keys() - {"see", "end"}:
        with pytest.raises(Faulty) as caught:
            await ACTS[name](room.office, CLI, "acc_own", reason)
        assert caught.value.faults.keys() == {"reason"}, name
    assert await room.world.audited() == []


async def test_r97_a_sleeper_is_woken_by_a_referent(room: Room) -> None:
    """Awake without pretending a sign-in, and told so; who is awake or suspended is left alone."""
    now = room.world.now
    woken = await room.office.reactivate(REFERENT, "acc_asleep", None, "retour de congé", now)
    assert woken.standing(now, 365 * DAY) is Standing.OPEN
    assert woken.last_sign_in_at == START - 400 * DAY
    assert room.letters.sent[-1][:2] == ("acc_asleep@example.test", "notice")
    again = await room.office.reactivate(REFERENT, "acc_asleep", None, "encore", now)
    assert again.version == woken.version
    await room.office.suspend(REFERENT, "acc_asleep", None, "un essai", now)
    with pytest.raises(NotYours, match="suspension"):
        await room.office.reactivate(REFERENT, "acc_asleep", None, "encore", now)


async def test_r100_r103_a_corrected_mail_is_to_be_proved_and_the_old_one_hears_of_it(room: Room) -> None:
    """New address unproved, with a link that proves it; a notice to the old one; only a hash of it in the audit."""
    done = await room.office.correct_mail(REFERENT, "acc_own", 1, " Neuve@Example.test ", "faute de frappe", START)
    assert (done.mail, done.mail_proved_at) == ("Neuve@Example.test", None)
    (old, kind, text), (new, proof, link) = room.letters.sent
    assert (old, kind) == ("acc_own@example.test", "notice")
    assert "Neuve@" not in text
    assert (new, proof) == ("Neuve@Example.test", "proof")
    assert f"{BASE}/mail/prove?token=" in link
    ((trace),) = await room.world.audited("mail:change")
    assert trace["facts"]["before"] == hashlib.sha256(b"acc_own@example.test").hexdigest()[:16]
    assert "@" not in "".join(trace["facts"].values())


async def test_r100_a_referent_does_not_come_to_hold_a_doctors_account(room: Room) -> None:
    """Who came by card changes their address themselves: attaching somebody to one's place gives no key to them."""
    await room.world.records.write(Update("accounts", {"first_strong_at": START}, {"id": "acc_own"}))
    with pytest.raises(NotYours, match="elle-même"):
        await room.office.correct_mail(REFERENT, "acc_own", None, "neuve@example.test", "faute de frappe", START)
    assert (await room.office.see(AURA, "acc_own")).mail == "acc_own@example.test"
    done = await room.office.correct_mail(AURA, "acc_own", None, "neuve@example.test", "faute de frappe", START)
    assert done.mail == "neuve@example.test"


async def test_r100_attaching_somebody_of_another_region_gives_no_key_to_their_account(room: Room) -> None:
    """A national number and a name are public: who attaches a person by them reads no mail of theirs from then on."""
    typed_so = typed(family_name="Garnier", identifier=RPPS, mail="x@example.test")
    joined = await room.office.invite(AURA, typed_so, room.world.now)
    assert joined.scopes == ("chu", "ehpad")
    with pytest.raises(NotYours, match="équipe nationale"):
        await room.office.correct_mail(AURA, "acc_other", None, "mine@example.test", "un essai", room.world.now)
    assert (await room.account("other")).mail == "acc_other@example.test"
    done = await room.office.correct_mail(NATIONAL, "acc_other", None, "new@example.test", "un essai", room.world.now)
    assert done.mail == "new@example.test"


async def test_r87_who_looks_after_another_place_is_not_suspended_from_here(room: Room) -> None:
    """A role elsewhere is a place elsewhere, with or without a membership there."""
    now, office = room.world.now, room.office
    await room.world.records.write(role("acc_own", "referent", "ssr"), role("acc_two", "region", "reunion"))
    for act in ("suspend", "correct"):
        with pytest.raises(NotYours):  # of the same height as the actor, and référent of another place
            await ACTS[act](office, REFERENT, "acc_own", "un essai")
        with pytest.raises(NotYours):  # of the same height as the actor, and of another region
            await ACTS[act](office, AURA, "acc_two", "un essai")
    assert (await office.suspend(AURA, "acc_own", None, "un essai", now)).suspended_at is not None
    assert (await office.detach(AURA, "acc_two", "ehpad", "départ", now)).scopes == ("ssr",)


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ("nobody", "pas valable"),
        ("ACC_OTHER@example.test", "autre compte"),
        ("Accueil@example.test", "plusieurs personnes"),
        ("acc_own@example.test", "déjà l'adresse"),
    ],
)
async def test_r99_a_correction_needs_a_mailbox_of_ones_own(room: Room, mail: str, words: str) -> None:
    """Taken, shared and impossible addresses are refused beside the field; nothing is written."""
    with pytest.raises(Faulty) as caught:
        await room.office.correct_mail(AURA, "acc_own", None, mail, "un essai", room.world.now)
    assert words in " ".join(caught.value.faults["mail"])
    assert await room.world.audited() == []


async def test_r99_correcting_one_of_two_frees_the_shared_address(room: Room) -> None:
    """The other account holds the address alone again, to be proved, and workers read it again."""
    shared = {"mail": "commun@example.test", "mail_key": None, "mail_canonical": "commun@example.test"}
    for who in ("acc_own", "acc_two"):
        await room.world.records.write(Update("accounts", shared, {"id": who}))
    await room.office.correct_mail(REFERENT, "acc_own", None, "own@example.test", "boîte partagée", room.world.now)
    other = await room.account("two")
    assert (other.mail_shared, other.mail_proved_at) == (False, None)
    await asyncio.sleep(0)
    assert {"account:acc_own", "account:acc_two"} <= set(room.heard)


async def test_r100_end_sessions_says_how_many(room: Room) -> None:
    """All sessions of the person, at once; written down before."""
    await opened(room, "acc_far")
    await opened(room, "acc_far")
    assert await room.office.end_sessions(REFERENT, "acc_far", room.world.now) == 2
    assert (await room.world.audited("session:revoked"))[0]["facts"]["sessions"] == "all"


# Places and roles


async def test_r101_departure_ends_rights_there_and_not_the_account(room: Room) -> None:
    """The place is gone, the other one and the account stay; workers hear of it; the actor sees them no more."""
    done = await room.office.detach(REFERENT, "acc_far", "ehpad", "départ", room.world.now)
    assert done.scopes == ("chu",)
    assert done.standing(room.world.now, 365 * DAY) is Standing.OPEN
    await asyncio.sleep(0)
    assert room.heard == ["account:acc_far"]
    ((trace),) = await room.world.audited("membership:remove")
    assert (trace["scope"], trace["account"], trace["facts"]["why"]) == ("ehpad", "acc_far", "départ")
    with pytest.raises(NotThere):
        await room.office.see(REFERENT, "acc_far")
    with pytest.raises(NotThere):
        await room.office.detach(REFERENT, "acc_two", "ssr", "départ", room.world.now)


async def test_r101_a_departing_referent_is_referent_no_more(room: Room) -> None:
    """Their role there ends in the same transaction; a colleague cannot do that to them, the region can."""
    await room.world.records.write(role("acc_own", "referent", "ehpad"))
    with pytest.raises(NotYours):
        await room.office.detach(REFERENT, "acc_own", "ehpad", "départ", room.world.now)
    done = await room.office.detach(AURA, "acc_own", "ehpad", "départ", room.world.now)
    assert (done.scopes, done.grants) == ((), ())
    assert len(await room.world.audited("role:revoke")) == 1


async def test_r87_appointing_needs_the_right_and_a_scope_that_fits(room: Room) -> None:
    """Référents by the region, administrators by the nation; a role belongs on its kind of scope."""
    now, office = room.world.now, room.office
    done = await office.grant(AURA, "acc_own", Role.REFERENT, "exemple-sante", "nommée", now)
    assert done.grants == (Grant(Role.REFERENT, "exemple-sante"),)
    with pytest.raises(NotYours):
        await office.grant(AURA, "acc_own", Role.REGION, "aura", "nommée", now)
    with pytest.raises(NotThere):
        await office.grant(AURA, "acc_own", Role.REFERENT, "chu", "nommée", now)
    for name, scope in ((Role.REGION, "ehpad"), (Role.NATIONAL, "aura"), (Role.REFERENT, "aura")):
        with pytest.raises(Faulty) as caught:
            await office.grant(NATIONAL, "acc_own", name, scope, "nommée", now)
        assert caught.value.faults.keys() == {"scope"}
    await office.grant(CLI, "acc_free", Role.REGION, "aura", "nommée", now)
    ((first), (second)) = await room.world.audited("role:grant")
    assert (first["scope"], first["facts"]["role"], second["facts"]["author"]) == (
        "exemple-sante",
        "referent",
        "cli:root",
    )
    assert (await office.grant(CLI, "acc_free", Role.REGION, "aura", "encore", now)).version == 2


async def test_r87_a_dismissed_referent_loses_everything_at_once(room: Room) -> None:
    """The next request of the same person finds nothing; workers hear of it."""
    before = await room.actor("referent")
    await room.office.see(before, "acc_own")
    await room.office.revoke(AURA, "acc_referent", Role.REFERENT, "ehpad", "fin de mission", room.world.now)
    await asyncio.sleep(0)
    assert "account:acc_referent" in room.heard
    after = await room.actor("referent")
    assert after.grants == ()
    with pytest.raises(NotThere):
        await room.office.see(after, "acc_own")
    with pytest.raises(NotThere):
        await room.office.invite(after, typed(), room.world.now)


async def test_r87_a_region_dismisses_a_referent_who_works_elsewhere(room: Room) -> None:
    """Who holds a role here is seen through it, for ending it and nothing else."""
    await room.world.records.write(role("acc_other", "referent", "ehpad"))
    with pytest.raises(NotThere):
        await room.office.see(AURA, "acc_other")
    done = await room.office.revoke(AURA, "acc_other", Role.REFERENT, "ehpad", "erreur", room.world.now)
    assert done.grants == ()


# Invitations


async def test_r100_an_invitation_makes_an_account_without_password(room: Room) -> None:
    """Origin référent, place, user name from the names, address unproved, no password; a link goes to the address."""
    account = await room.office.invite(REFERENT, typed(), room.world.now)
    assert (account.origin.value, account.scopes, account.logins) == ("referent", ("ehpad",), ("u:lea.roux",))
    assert (account.password_hash, account.mail_proved_at, account.charter_version) == (None, None, None)
    ((to, kind, text),) = room.letters.sent
    assert (to, kind) == ("lea.roux@example.test", "invitation")
    assert "EHPAD Les Glycines" in text
    (trace,) = await room.world.audited("account:invite")
    assert (trace["account"], trace["scope"]) == (account.id, "ehpad")
    assert "@" not in "".join(trace["facts"].values())
    second = await room.office.invite(REFERENT, typed(mail="l2@example.test"), room.world.now)
    assert second.logins == ("u:lea.roux2",)
    with pytest.raises(NotThere):
        await room.office.invite(REFERENT, typed("ssr"), room.world.now)


async def test_r56_an_invitation_by_number_or_name(room: Room) -> None:
    """RPPS with its key, ADELI, or a user name of one's own."""
    now = room.world.now
    doctor = await room.office.invite(AURA, typed(identifier="9970 0000 005"), now)
    assert (doctor.login, doctor.logins) == ("899700000005", ("899700000005",))
    nurse = await room.office.invite(AURA, typed(identifier="0 69 7512345", mail="b@example.test"), now)
    assert nurse.national_id == NationalId("0", "697512345")
    named = await room.office.invite(AURA, typed(identifier="Lea.R-69", mail="c@example.test"), now)
    assert (named.national_id, named.logins) == (None, ("u:lea.r-69",))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"family_name": " "}, "family_name"),
        ({"given_name": "x" * 81}, "given_name"),
        ({"family_name": "EHPAD Les Lilas"}, "family_name"),
        ({"given_name": "Service"}, "given_name"),
        ({"mail": "lea.roux"}, "mail"),
        ({"mail": "Accueil@example.test"}, "mail"),
        ({"mail": "acc_other@EXAMPLE.test"}, "mail"),
        ({"identifier": "99700000006"}, "identifier"),
        ({"identifier": "123456"}, "identifier"),
        ({"identifier": "é" * 10}, "identifier"),
        ({"identifier": RPPS, "family_name": "Roux"}, "identifier"),
        ({"space": "autre"}, "space"),
    ],
)
async def test_r98_r99_only_named_people_with_a_mailbox_of_their_own(
    room: Room, changes: dict[str, str], field: str
) -> None:
    """Each fault beside its field; nothing is written or sent."""
    with pytest.raises(Faulty) as caught:
        await room.office.invite(AURA, typed(**changes), room.world.now)
    assert caught.value.faults.keys() == {field}
    assert (await room.world.audited(), room.letters.sent) == ([], [])


async def test_r100_somebody_who_has_an_account_elsewhere_is_attached(room: Room) -> None:
    """They keep name, address and password; they are told; the answer says nothing of the other place but the id's own
    account. A second invitation changes nothing."""
    done = await room.office.invite(
        REFERENT, typed(family_name="Garnier", given_name="E.", identifier=RPPS, mail="x@example.test"), room.world.now
    )
    assert (done.id, done.scopes, done.mail) == ("acc_other", ("chu", "ehpad"), "acc_other@example.test")
    ((to, kind, text),) = room.letters.sent
    assert (to, kind) == ("acc_other@example.test", "notice")
    assert "EHPAD Les Glycines" in text
    again = await room.office.invite(
        REFERENT, typed(family_name="Garnier", identifier=RPPS, mail="x@example.test"), room.world.now
    )
    assert again.version == done.version
    with pytest.raises(NotYours):  # they work elsewhere: not a référent's to change
        await room.office.correct_mail(REFERENT, "acc_other", None, "y@example.test", "un essai", room.world.now)


async def test_r100_a_retired_scope_takes_nobody(room: Room) -> None:
    """Neither by invitation nor by attaching."""
    scope = replace(room.world.desk.book.scopes["ehpad"], retired=True)
    room.world.desk.book = room.world.desk.book.with_scopes([scope])
    with pytest.raises(Faulty):
        await room.office.invite(AURA, typed(), room.world.now)
    with pytest.raises(Faulty):
        await room.office.attach(AURA, "acc_two", "ehpad", "un essai", room.world.now)


async def test_r100_the_link_is_used_once(room: Room) -> None:
    """Looking uses nothing; of two at the same instant one has it; afterwards nobody."""
    account = await room.office.invite(REFERENT, typed(), room.world.now)
    token = room.letters.token()
    for _ in range(3):
        found = await room.invitations.invited(token, room.register)
        assert found is not None and found.id == account.id
    outcomes = await asyncio.gather(*(room.invitations.accept(token, room.register) for _ in range(5)))
    assert sum(one is not None for one in outcomes) == 1
    assert await room.invitations.invited(token, room.register) is None


async def test_r100_a_newer_link_voids_the_older_and_all_end(room: Room) -> None:
    """Resent: only the last one is good; after its life none is."""
    account = await room.office.invite(REFERENT, typed(), room.world.now)
    first = room.letters.token()
    await room.office.resend_invitation(REFERENT, account.id, room.world.now)
    second = room.letters.token()
    assert await room.invitations.invited(first, room.register) is None
    assert await room.invitations.invited(second, room.register) is not None
    room.world.ambient.advance(7 * 86400)
    assert await room.invitations.invited(second, room.register) is None
    assert [one["facts"].get("again") for one in await room.world.audited("account:invite")] == [None, "1"]


@pytest.mark.parametrize("garbage", ["", "x", "é" * 20, "A" * 32, "B" * 100])
async def test_r100_a_link_nobody_made(room: Room, garbage: str) -> None:
    """Is no link."""
    assert await room.invitations.invited(garbage, room.register) is None
    assert await room.invitations.accept(garbage, room.register) is None


async def test_r100_a_link_is_bound_to_the_address_and_to_an_open_account(room: Room) -> None:
    """Correcting the address sends another invitation there and voids the first; a suspension stops both."""
    account = await room.office.invite(REFERENT, typed(), room.world.now)
    first = room.letters.token()
    await room.office.correct_mail(REFERENT, account.id, None, "lr@example.test", "faute de frappe", room.world.now)
    second = room.letters.token()
    assert room.letters.sent[-1][0] == "lr@example.test"
    assert f"{BASE}/invitation?token=" in room.letters.sent[-1][2]
    assert await room.invitations.invited(first, room.register) is None
    await room.office.suspend(REFERENT, account.id, None, "une erreur", room.world.now)
    assert await room.invitations.invited(second, room.register) is None
    with pytest.raises(NotYours):
        await room.office.resend_invitation(REFERENT, account.id, room.world.now)


async def test_r100_no_second_link_once_a_password_was_chosen(room: Room) -> None:
    """Nor for accounts that came another way."""
    account = await room.office.invite(REFERENT, typed(), room.world.now)
    token = room.letters.token()
    await room.register.change(account, room.world.now, password_hash="$argon2id$x", password_set_at=room.world.now)
    assert await room.invitations.invited(token, room.register) is None
    for who in (account.id, "acc_own"):
        with pytest.raises(NotYours):
            await room.office.resend_invitation(REFERENT, who, room.world.now)


async def test_r100_two_invite_the_same_person_at_the_same_instant(room: Room) -> None:
    """One account for one number, with both places; one account for one address."""
    doctor = typed(identifier="99700000005", mail="doc@example.test")
    made = await asyncio.gather(
        room.office.invite(AURA, doctor, room.world.now),
        room.office.invite(AURA, replace(doctor, scope_id="ssr"), room.world.now),
    )
    assert len({one.id for one in made}) == 1
    assert (await room.office.see(AURA, made[0].id)).scopes == ("ehpad", "ssr")
    rows = await room.world.records.find("accounts", {"mail_key": "doc@example.test"})
    assert len(rows) == 1


async def test_without_a_store_nobody_is_invited_and_the_rest_goes_on(room: Room) -> None:
    """A shell that cannot reach the store says so before anything is written."""
    world = room.world
    bare = PeopleOffice(
        world.records,
        room.register,
        None,
        None,
        world.audit,
        world.desk,
        Mailboxes(world.records),
        None,
        room.letters,
        world.ambient,
        PeopleSettings(365 * DAY),
    )
    with pytest.raises(StoreUnavailable):
        await bare.invite(CLI, typed(), world.now)
    assert await world.audited() == []
    assert (await bare.suspend(CLI, "acc_own", None, "un essai", world.now)).suspended_at is not None


async def test_on_postgresql_races_end_as_on_sqlite(tmp_path: Path) -> None:
    """One account for one number, one role for one appointment, one winner for one version."""
    with postgres_server(tmp_path) as server:
        async with world_on(server.url) as world:
            room = await furnished(world)
            office, now = room.office, world.now
            doctor = typed(identifier="99700000005", mail="doc@example.test")
            made = await asyncio.gather(*(office.invite(AURA, doctor, now) for _ in range(4)))
            assert len({one.id for one in made}) == 1
            places = ("ssr", "ch", "ehpad", "ssr")
            await asyncio.gather(*(office.attach(AURA, made[0].id, one, "un essai", now) for one in places))
            assert (await office.see(AURA, made[0].id)).scopes == ("ch", "ehpad", "ssr")
            acts = [office.grant(AURA, made[0].id, Role.REFERENT, "ssr", "un essai", now) for _ in range(3)]
            await asyncio.gather(*acts)
            assert (await office.see(AURA, made[0].id)).grants == (Grant(Role.REFERENT, "ssr"),)
            tries = [office.suspend(AURA, "acc_own", 1, "un essai", now) for _ in range(4)]
            for one in await asyncio.gather(*tries, return_exceptions=True):
                assert isinstance(one, Account | ChangedMeanwhile)
            assert (await room.account("own")).version == 2
            assert all(one["hash"] for one in await world.audited())
