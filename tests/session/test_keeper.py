"""Sessions: born, resumed, touched, stepped up, closed; never brought back."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.session.keeper import Keeper, SessionGone, decode, digest_of, encode
from gateway.session.model import Lifetimes, Session
from tests.ambient import START, TestAmbient

WHO = Identity(NationalId("8", "99700000005"), "D’ALMÉIDA", "Inès", "10", other_ids=(NationalId("0", "069209997"),))


def proof(method: Method = Method.CPS, assurance: Assurance = Assurance.SUBSTANTIAL) -> Proof:
    return Proof(WHO, method, assurance, START, evidence={"serial": "secret-evidence"})


class Keeping(MemoryStore):
    """As Redis does: what is over stays where it is for an hour, and a clock set back finds it again."""

    def _live(self, key: str, now: datetime) -> bytes | None:
        value, end = self._entries.get(key, (None, now))
        return value if end > now else None


class World:
    def __init__(self) -> None:
        self.ambient = TestAmbient()
        self.store = Keeping(self.ambient)
        self.heard: list[str] = []
        self.store.listen(self.heard.append)
        self.keeper = Keeper(self.store, self.store, self.ambient)

    async def open(self, account: str = "acc") -> tuple[str, Session]:
        now = self.ambient.now()
        return await self.keeper.open(account, Space.LIBERAL, (proof(),), Lifetimes(), now)


@pytest.fixture
def world() -> World:
    return World()


async def test_r144_only_the_digest_is_stored(world: World) -> None:
    """The ticket stands nowhere in the store, nor does the evidence of the proof."""
    ticket, session = await world.open()
    assert len(ticket) >= 43
    assert session.digest == digest_of(ticket)
    kept = repr(world.store._entries)
    assert ticket not in kept
    assert "secret-evidence" not in kept
    found = await world.keeper.resume(digest_of(ticket), START)
    assert found is not None
    assert found.proof.identity == WHO
    assert await world.keeper.resume(digest_of("guess"), START) is None


async def test_r143_idle_and_absolute(world: World) -> None:
    """A session is gone 30 minutes after it was last seen, and 4 hours after it was opened whatever happens."""
    _, session = await world.open()
    world.ambient.advance(1799)
    assert await world.keeper.touch(session, world.ambient.now())
    world.ambient.advance(1799)
    assert await world.keeper.resume(session.digest, world.ambient.now()) is not None
    world.ambient.advance(1)
    assert await world.keeper.resume(session.digest, world.ambient.now()) is None
    assert not await world.keeper.touch(session, world.ambient.now())
    _, session = await world.open()
    for _ in range(8):
        world.ambient.advance(1795)
        assert await world.keeper.touch(session, world.ambient.now())
    world.ambient.advance(41)
    assert await world.keeper.resume(session.digest, world.ambient.now()) is None


async def test_a_closed_session_is_never_brought_back(world: World) -> None:
    """Touches that race with a sign-out never undo it, and every worker hears of it."""
    _, session = await world.open()

    async def touch() -> None:
        for _ in range(20):
            world.ambient.advance(0.01)
            await world.keeper.touch(session, world.ambient.now())

    await asyncio.gather(touch(), world.keeper.close(session, START), touch())
    assert await world.keeper.resume(session.digest, world.ambient.now()) is None
    await asyncio.sleep(0)
    assert f"session:{session.digest}" in world.heard


async def test_r144_step_up_and_space_give_a_new_ticket(world: World) -> None:
    """After a step-up or a change of space the old ticket is dead and the reference stays."""
    ticket, session = await world.open()
    newer, stepped = await world.keeper.step_up(session, proof(Method.OTP_MAIL, Assurance.TRANSITION), START)
    assert newer != ticket
    assert stepped.reference == session.reference
    assert stepped.assurance is Assurance.SUBSTANTIAL
    assert await world.keeper.resume(session.digest, START) is None
    _, moved = await world.keeper.move(stepped, Space.PROFESSIONNEL, START)
    assert moved.space is Space.PROFESSIONNEL
    assert await world.keeper.resume(stepped.digest, START) is None
    await world.keeper.close(moved, START)
    with pytest.raises(SessionGone):
        await world.keeper.move(moved, Space.LIBERAL, START)
    assert await world.keeper.sessions_of("acc", START) == ()


async def test_sessions_of_one_account(world: World) -> None:
    """All sessions of an account are found and ended, one may be kept, others' are untouched."""
    opened = [(await world.open())[1] for _ in range(3)]
    _, other = await world.open("other")
    assert {one.digest for one in await world.keeper.sessions_of("acc", START)} == {one.digest for one in opened}
    assert await world.keeper.close_all("acc", START, keep=opened[1].digest) == 2
    assert [one.digest for one in await world.keeper.sessions_of("acc", START)] == [opened[1].digest]
    assert await world.keeper.resume(other.digest, START) is not None


@pytest.mark.parametrize("raw", [b"", b"{}", b"nonsense", b'{"format": 99}', b"[1]", b"\xff"])
def test_a_record_of_another_format_is_absent(raw: bytes) -> None:
    """What cannot be read is no session, and no error either."""
    assert decode(raw) is None


def test_encoding_is_whole() -> None:
    """Every field of a session survives its way through the store."""
    session = Session(
        "d", "acc", Space.LIBERAL, (proof(),), START, START + timedelta(minutes=1), Lifetimes(), "ses", "dlg", "sealed"
    )
    assert decode(encode(session)) == session


@pytest.mark.parametrize(
    ("age", "remembered", "fresh"),
    [
        (0, False, True),
        (600, False, True),
        (601, False, False),
        (-5, False, True),
        (-61, False, False),
        (0, True, False),
    ],
)
def test_r96_what_counts_as_fresh(age: int, remembered: bool, fresh: bool) -> None:
    """A proof counts for ten minutes, also one that another machine's clock dated some seconds ahead; a remembered
    second factor and a proof from the future never do."""
    given = Proof(WHO, Method.OTP_MAIL, Assurance.TRANSITION, START, remembered=remembered)
    session = Session("d", "acc", Space.LIBERAL, (given,), START, START, Lifetimes(), "ses_1")
    now = START + timedelta(seconds=age)
    assert session.fresh(now, timedelta(minutes=10), Assurance.TRANSITION) is fresh
    assert not session.fresh(now, timedelta(minutes=10), Assurance.SUBSTANTIAL)
    kept = decode(encode(session))
    assert kept is not None
    assert kept.proofs[0].remembered is remembered


async def test_lesson_86_step_ups_never_lower_the_level(world: World) -> None:
    """A session opened by card stays substantial however many codes confirm something later."""
    _, session = await world.open()
    for number in range(8):
        world.ambient.advance(60)
        code = Proof(WHO, Method.OTP_MAIL, Assurance.TRANSITION, world.ambient.now())
        _, session = await world.keeper.step_up(session, code, world.ambient.now())
        assert session.assurance is Assurance.SUBSTANTIAL, number
    assert len(session.proofs) <= 5
    assert session.fresh(world.ambient.now(), timedelta(minutes=1), Assurance.TRANSITION)


async def test_r144_what_is_over_by_a_wrong_clock_is_ended_all_the_same(world: World) -> None:
    """Forgotten, or all sessions closed, while a clock was ahead: with the right one it is not there, nor renewed, nor
    touched."""
    (_, first), (_, second) = await world.open(), await world.open()
    late = START + timedelta(hours=1)
    assert await world.keeper.resume(first.digest, late) is None
    await world.keeper.forget(first.digest)
    await asyncio.sleep(0)
    assert f"session:{first.digest}" in world.heard
    assert await world.keeper.close_all("acc", late) == 0
    for session in (first, second):
        assert await world.keeper.resume(session.digest, START) is None
        assert not await world.keeper.touch(session, START)
        with pytest.raises(SessionGone):
            await world.keeper.move(session, Space.LIBERAL, START)
    assert await world.keeper.sessions_of("acc", START) == ()


async def test_r144_a_clock_that_is_put_forward_during_a_sign_out(world: World) -> None:
    """The session was read, the clock steps by an hour, and by the store's clock there is nothing left to end: when the
    clock is right again, it is not there."""
    _, session = await world.open()
    world.ambient.advance(3600)
    await world.keeper.close(session, START)
    world.ambient.advance(-3600)
    assert await world.keeper.resume(session.digest, START) is None
    assert not await world.keeper.touch(session, START)
    await asyncio.sleep(0)
    assert f"session:{session.digest}" in world.heard
