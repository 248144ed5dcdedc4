"""The gate: what it knows at once, what it asks, and what it says when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.assertion import Audience, Mint
from gateway.edges.keys import FileSigner, ensure_assertion_key
from gateway.edges.memory_store import MemoryStore
from gateway.gate import COOKIE, Gate
from gateway.identity import Assurance, Method, Proof, Space
from gateway.policy.decision import Challenge, Forward, Refuse, Rules
from gateway.policy.establishments import Defaults, PolicyBook, Scope, State, Switch
from gateway.policy.routes import Route, RouteClass, RouteTable
from gateway.reasons import Reason, RecordsUnavailable, StoreUnavailable
from gateway.request import Fields, Peer, RequestHead
from gateway.session.keeper import Keeper, digest_of
from gateway.session.model import Lifetimes
from tests.ambient import START, TestAmbient
from tests.policy.test_decision import ACCOUNT, WHO


class Register:
    """Accounts in a dictionary, that can be down."""

    def __init__(self) -> None:
        self.account: Account | None = replace(ACCOUNT, scopes=(), last_sign_in_at=START, created_at=START)
        self.down = False
        self.asked = 0

    async def by_id(self, account_id: str) -> Account | None:
        self.asked += 1
        if self.down:
            raise RecordsUnavailable("down")
        return self.account


class Delegations:
    """Delegations by id, as the records know them."""

    def __init__(self) -> None:
        self.known: dict[str, Delegation] = {}

    async def by_id(self, delegation_id: str) -> Delegation | None:
        return self.known.get(delegation_id)


class FailingStore(MemoryStore):
    down = False

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        if self.down:
            raise StoreUnavailable("down")
        return await super().read(*keys)


class World:
    def __init__(self, path: Path) -> None:
        self.ambient = TestAmbient()
        self.store = FailingStore(self.ambient)
        self.keeper = Keeper(self.store, self.store, self.ambient)
        self.register = Register()
        self.delegations = Delegations()
        self.book = PolicyBook(Defaults(START))
        self.cut: list[str] = []
        signer = FileSigner(ensure_assertion_key(path / "key.pem"))
        mint = Mint(signer, self.ambient, "https://vt.test", [Audience("vt", "vt")], "X-VT-", "X-VT-Assertion")
        self.gate = Gate(
            ambient=self.ambient,
            routes=RouteTable(
                [
                    Route("/open/", RouteClass.PUBLIC, "vt", Space.LIBERAL),
                    Route("/usager/", RouteClass.USAGER, "vt", Space.LIBERAL),
                    Route("/", RouteClass.PROTECTED, "vt", Space.LIBERAL),
                ]
            ),
            keeper=self.keeper,
            register=self.register,  # type: ignore[arg-type]
            delegations=self.delegations,  # type: ignore[arg-type]
            mint=mint,
            book=lambda: self.book,
            rules=Rules("7"),
            background_paths=["/poll"],
            gone=self.cut.append,
        )
        self.store.listen(self.gate.heard)

    async def sign_in(self, assurance: Assurance = Assurance.SUBSTANTIAL) -> str:
        proof = Proof(WHO, Method.CPS, assurance, self.ambient.now())
        ticket, _ = await self.keeper.open("acc_1", Space.LIBERAL, (proof,), Lifetimes(), self.ambient.now())
        return ticket

    def head(self, path: str = "/x", *tickets: str) -> RequestHead:
        items = tuple((b"cookie", f"{COOKIE}={ticket}".encode()) for ticket in tickets)
        peer = Peer("192.0.2.1", 1, "public", tls=True)
        return RequestHead("GET", path.encode(), path, Fields(items), "vt.test", "https", "192.0.2.1", peer, "0" * 32)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.gate.close()


async def test_without_a_ticket_the_answer_is_there_at_once(world: World) -> None:
    """No cookie: protected is challenged, public goes on, and nothing is asked of anybody."""
    world.store.down = True
    assert isinstance(world.gate.at_once(world.head()), Challenge)
    assert world.gate.at_once(world.head("/open/x")) == Forward("vt")


async def test_first_asked_then_known_for_five_seconds(world: World) -> None:
    """A ticket is asked about once, then known; after 5 s it is asked about again."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    assert world.gate.at_once(head) is None
    decision = await world.gate.admit(head)
    assert isinstance(decision, Forward)
    assert b"X-VT-RPPS: 99700000007\r\n" in decision.stamp
    assert world.gate.at_once(head) == decision
    assert world.register.asked == 1
    world.ambient.advance(5.1)
    assert world.gate.at_once(head) is None


async def test_parallel_requests_ask_once(world: World) -> None:
    """Fifty requests of one unknown ticket ask store and records one time."""
    head = world.head("/x", await world.sign_in())
    decisions = await asyncio.gather(*(world.gate.admit(head) for _ in range(50)))
    assert all(isinstance(one, Forward) for one in decisions)
    assert world.register.asked == 1


async def test_invented_and_doubled_tickets_are_nobody(world: World) -> None:
    """A guess is challenged, also from memory; two cookies of our name are none."""
    guess = world.head("/x", "invented")
    assert isinstance(await world.gate.admit(guess), Challenge)
    assert isinstance(world.gate.at_once(guess), Challenge)
    ticket = await world.sign_in()
    assert isinstance(world.gate.at_once(world.head("/x", ticket, ticket)), Challenge)


async def test_r7_unknown_is_503_for_protected_and_no_name_for_public(world: World) -> None:
    """With the store or the records down a protected request is refused, a public one goes on without a name."""
    ticket = await world.sign_in()
    for broken in ("store", "records"):
        world.store.down = broken == "store"
        world.register.down = broken == "records"
        refused = await world.gate.admit(world.head("/x", ticket))
        assert isinstance(refused, Refuse)
        assert refused.reason in (Reason.STORE_DOWN, Reason.RECORDS_DOWN)
        assert await world.gate.admit(world.head("/open/x", ticket)) == Forward("vt")
    world.store.down = world.register.down = False
    assert isinstance(await world.gate.admit(world.head("/x", ticket)), Forward)


async def test_a_signed_out_session_is_forgotten_and_cut_at_once(world: World) -> None:
    """The word of a worker that closed a session empties the cache and cuts tunnels."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    await world.gate.admit(head)
    (session,) = await world.keeper.sessions_of("acc_1", world.ambient.now())
    await world.keeper.close(session, world.ambient.now())
    await asyncio.sleep(0)
    assert world.gate.at_once(head) is None
    assert isinstance(await world.gate.admit(head), Challenge)
    assert world.cut == [session.digest]


async def test_r143_activity_by_another_worker_counts_in_the_last_seconds(world: World) -> None:
    """This worker heard of the session just before it would be idle, another let it act since: it goes on here too."""
    ticket = await world.sign_in()
    world.ambient.advance(1798)
    assert isinstance(await world.gate.admit(world.head("/poll", ticket)), Forward)
    (session,) = await world.keeper.sessions_of("acc_1", world.ambient.now())
    world.ambient.advance(1)
    assert await world.keeper.touch(session, world.ambient.now())  # as another worker does
    world.ambient.advance(2)
    head = world.head("/x", ticket)
    assert world.gate.at_once(head) is None
    assert isinstance(await world.gate.admit(head), Forward)


async def test_r83_r89_policy_takes_effect_on_the_next_request(world: World) -> None:
    """A password session goes on before the cut-off and is challenged from it, without asking anything again."""
    world.book = PolicyBook(Defaults(START.replace(year=2030)))
    ticket = await world.sign_in(Assurance.PASSWORD)
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    world.book = PolicyBook(Defaults(START))
    assert world.gate.at_once(head) == Challenge(Reason.LEVEL_TOO_LOW, Space.LIBERAL)


async def test_a_change_of_account_is_seen_at_once_after_its_word(world: World) -> None:
    """A suspended account is refused as soon as the word has gone round."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    await world.gate.admit(head)
    assert world.register.account is not None
    world.register.account = replace(world.register.account, suspended_at=START)
    await world.store.publish("account:acc_1")
    await asyncio.sleep(0)
    assert world.gate.at_once(head) is None
    assert await world.gate.admit(head) == Refuse(Reason.ACCOUNT_SUSPENDED)


async def test_r143_polling_is_no_activity(world: World) -> None:
    """Requests under a background path do not keep a session alive; others do."""
    ticket = await world.sign_in()
    for path, alive in (("/poll", False), ("/x", True)):
        world.ambient.instant = START
        ticket = await world.sign_in()
        world.ambient.advance(1700)
        assert isinstance(await world.gate.admit(world.head(path, ticket)), Forward)
        await world.gate.close()
        world.ambient.advance(200)
        decision = await world.gate.admit(world.head("/x", ticket))
        assert isinstance(decision, Forward) is alive


async def test_a_stamp_is_renewed_before_it_dies(world: World) -> None:
    """An assertion half a minute old is replaced in the background; a dead one is never sent."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    first = await world.gate.admit(head)
    assert isinstance(first, Forward)
    for _ in range(6):
        world.ambient.advance(4.5)
        if world.gate.at_once(head) is None:
            await world.gate.admit(head)
        await world.gate.close()
    now = world.gate.at_once(head) or await world.gate.admit(head)
    assert isinstance(now, Forward)
    assert now.stamp != first.stamp


async def test_a_verdict_serves_equal_headers_and_dies_with_what_it_was_made_from(world: World) -> None:
    """The same header block on the same route is not judged again, until a word is heard, its second is over, the clock
    is set back, or the session ends: at that very instant."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    first = world.gate.at_once(head)
    other = RequestHead("GET", b"/y", "/y", head.fields, "vt.test", "https", "192.0.2.1", head.peer, "1" * 32)
    assert isinstance(first, Forward)
    assert world.gate.at_once(other) is first
    assert isinstance(world.gate.at_once(world.head("/usager/x", ticket)), Forward)
    (digest,) = world.gate._known
    world.gate.heard(f"session:{digest}")
    assert world.gate.at_once(head) is None
    assert world.gate.at_once(other) is None

    assert isinstance(await world.gate.admit(head), Forward)
    assert isinstance(world.gate.at_once(head), Forward)
    world.book = PolicyBook(
        Defaults(START), [Scope("s", None, "establishment", "S", switches=(Switch(State.STRONG, START),))]
    )
    world.register.account = replace(world.register.account or ACCOUNT, scopes=("s",))
    world.ambient.advance(-0.5)
    assert head.verdict is not None
    world.gate.heard("account:acc_1")
    assert world.gate.at_once(head) is None


async def test_r143_a_verdict_does_not_outlive_its_session_by_an_instant(world: World) -> None:
    """Half a second before the end it is there; at the end it is a challenge, though the verdict's second is not over."""
    proof = Proof(WHO, Method.CPS, Assurance.SUBSTANTIAL, world.ambient.now())
    short = Lifetimes(absolute=timedelta(seconds=2), idle=timedelta(minutes=30))
    ticket, _ = await world.keeper.open("acc_1", Space.LIBERAL, (proof,), short, world.ambient.now())
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    world.ambient.advance(1.5)
    assert isinstance(world.gate.at_once(head), Forward)
    world.ambient.advance(0.5)
    assert world.gate.at_once(head) == Challenge(Reason.SESSION_ENDED, Space.LIBERAL)


async def test_r83_a_new_policy_is_heard_within_a_second(world: World) -> None:
    """A verdict made under the old book says nothing any more after one second."""
    ticket = await world.sign_in(Assurance.PASSWORD)
    world.register.account = replace(world.register.account or ACCOUNT, scopes=("s",))
    world.book = PolicyBook(Defaults(START + timedelta(days=300)), [Scope("s", None, "establishment", "S")])
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    assert isinstance(world.gate.at_once(head), Forward)
    world.book = PolicyBook(Defaults(START), [Scope("s", None, "establishment", "S")])
    world.ambient.advance(1.0)
    assert world.gate.at_once(head) == Challenge(Reason.LEVEL_TOO_LOW, Space.LIBERAL)


async def test_r130_a_word_heard_while_the_question_is_under_way_is_not_lost(world: World) -> None:
    """The answer was read before the session ended: it is read again, and nobody passes on the old one."""
    ticket = await world.sign_in()
    head = world.head("/x", ticket)
    reading, go_on = asyncio.Event(), asyncio.Event()
    real = world.register.by_id

    async def slow(account_id: str) -> Account | None:
        found = await real(account_id)
        reading.set()
        await go_on.wait()
        return found

    world.register.by_id = slow  # type: ignore[method-assign]
    asked = asyncio.create_task(world.gate.admit(head))
    await reading.wait()
    session = await world.keeper.resume(digest_of(ticket), world.ambient.now())
    assert session is not None
    await world.keeper.close(session, world.ambient.now())
    go_on.set()
    assert isinstance(await asked, Challenge)


async def test_what_is_known_by_a_name_goes_with_the_sessions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word about an account finds its sessions by name, and not by looking at those of the whole country; names of
    sessions that are gone, replaced or pushed out are not kept."""
    monkeypatch.setattr("gateway.gate.CACHE_LIMIT", 3)
    tickets = [await world.sign_in() for _ in range(5)]
    for ticket in tickets:
        assert isinstance(await world.gate.admit(world.head("/x", ticket)), Forward)
    world.ambient.advance(6)
    await world.gate.admit(world.head("/x", tickets[-1]))  # asked again: in the place of what was known
    await world.gate.admit(world.head("/x", "t" * 43))  # nobody's: no name
    assert {len(one) for one in world.gate._about.values()} == {2}
    world.gate.heard("account:somebody-else")
    assert len(world.gate._known) == 3
    world.gate.heard("account:acc_1")
    assert len(world.gate._known) == 1
    assert not world.gate._about


async def test_r143_activity_that_another_worker_noted_is_not_noted_again(world: World) -> None:
    """The step of fifteen seconds is one for all workers; after it, whoever serves the next request writes it down."""
    ticket = await world.sign_in()
    world.ambient.advance(5)
    await world.gate.admit(world.head("/x", ticket))
    await world.gate.close()
    assert (await world.keeper.sessions_of("acc_1", world.ambient.now()))[0].seen_at == START
    world.ambient.advance(11)
    await world.gate.admit(world.head("/x", ticket))
    await world.gate.close()
    assert (await world.keeper.sessions_of("acc_1", world.ambient.now()))[0].seen_at == START + timedelta(seconds=16)
