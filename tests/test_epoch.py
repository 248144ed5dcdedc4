"""What another moment of the store or the records wrote stays dead: two workers on every store, and every way back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import redis as redis_client

from gateway.audit import Record
from gateway.edges.database import Database
from gateway.edges.memory_store import MemoryStore
from gateway.edges.redis_store import RedisStore
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.stores import AnyStore, open_store
from gateway.edges.witness import DiskWitness
from gateway.epoch import epochs as room
from gateway.epoch.dated_store import DatedStore
from gateway.epoch.epochs import Epochs
from gateway.epoch.judgement import LAG, PULSE, Pulse
from gateway.ports import Insert, Row, Update
from gateway.reasons import RecordsUnavailable, StoreUnavailable
from tests.ambient import TestAmbient
from tests.blank import opened
from tests.servers import RedisServer, redis_server

HOUR = timedelta(hours=1)
YEARS = timedelta(days=36_500)


class Notebook:
    """An audit that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Record] = []

    async def record(self, record: Record) -> None:
        self.kept.append(record)


class Shop:
    """Records, a store, and as many workers as a test wants."""

    def __init__(self, records: Database, store: AnyStore, ambient: TestAmbient, folder: Path) -> None:
        self.records = records
        self.store = store
        self.ambient = ambient
        self.folder = folder
        self.audit = Notebook()

    async def worker(self, *, disk: bool = False, store: AnyStore | None = None, replicated: bool = False) -> Worker:
        raw = store or self.store
        witness = DiskWitness(self.folder / "pulses", "redis://one") if disk else None
        epochs = Epochs(
            raw,
            raw,
            self.records,
            self.ambient,
            audit=lambda: self.audit,
            witness=witness,
            replicated=replicated,
        )
        made = Worker(epochs, DatedStore(raw, raw, epochs))
        await epochs.settle()
        return made

    async def pulse(self, store: AnyStore | None = None) -> Pulse:
        found = Pulse.read((await (store or self.store).read(PULSE))[0])
        assert found is not None
        return found

    async def epochs(self) -> list[Row]:
        return list(await self.records.find("epochs", {}, order=("number",)))

    def snapshot(self) -> Callable[[], None]:
        """The store as it is now; calling the result puts it back, whoever uses it."""
        store = self.store
        if isinstance(store, MemoryStore):
            entries = dict(store._entries)

            def back() -> None:
                store._entries = dict(entries)
        elif isinstance(store, SqliteStore):
            kept = sqlite3.connect(":memory:")
            with closing(sqlite3.connect(store._path)) as db:
                db.backup(kept)

            def back() -> None:
                with closing(sqlite3.connect(store._path)) as db:
                    kept.backup(db)
                kept.close()
        else:
            with closing(redis_client.from_url(store._url)) as client:
                everything = {key: client.get(key) for key in client.keys("vtgw:*")}

            def back() -> None:
                with closing(redis_client.from_url(store._url)) as client:
                    client.flushdb()
                    client.mset(everything)

        return back

    def empty(self) -> None:
        store = self.store
        if isinstance(store, MemoryStore):
            store._entries.clear()
        elif isinstance(store, SqliteStore):
            with closing(sqlite3.connect(store._path)) as db, db:
                db.execute("DELETE FROM entries")
        else:
            with closing(redis_client.from_url(store._url)) as client:
                client.flushdb()

    async def beats(self, count: int) -> None:
        """So many beats, as other workers make them; the records do not hear of it."""
        for _ in range(count):
            (raw,) = await self.store.read(PULSE)
            shown = Pulse.read(raw)
            assert shown is not None
            beaten = shown.beaten(self.ambient, kept=0, sure=shown.count)
            assert await self.store.swap(PULSE, raw, beaten.encode(), YEARS)


class Worker:
    def __init__(self, epochs: Epochs, store: DatedStore) -> None:
        self.epochs = epochs
        self.store = store
        self.heard: list[str] = []
        store.listen(self.heard.append)

    async def turns(self, count: int = 1) -> None:
        for _ in range(count):
            await self.epochs.turn()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, ambient: TestAmbient, tmp_path: Path) -> AsyncIterator[AnyStore]:
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'store.db'}"}.get(request.param)
    made = open_store(url or request.getfixturevalue("redis").url, ambient)
    await made.start()
    if isinstance(made, RedisStore):
        with closing(redis_client.from_url(made._url)) as client:
            client.flushdb()
    yield made
    await made.close()


@pytest.fixture
async def shop(store: AnyStore, ambient: TestAmbient, tmp_path: Path) -> AsyncIterator[Shop]:
    records = await opened(f"sqlite:///{tmp_path / 'records.db'}")
    yield Shop(records, store, ambient, tmp_path)
    await records.close()


@pytest.fixture
async def plain(ambient: TestAmbient, tmp_path: Path) -> AsyncIterator[Shop]:
    """For what is the same on every store."""
    records = await opened(f"sqlite:///{tmp_path / 'records.db'}")
    yield Shop(records, MemoryStore(ambient), ambient, tmp_path)
    await records.close()


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


async def test_a_new_installation_begins_silently(shop: Shop) -> None:
    """Epoch 1, one name for both workers, keys as they always were; nothing in the audit."""
    one, two = await asyncio.gather(shop.worker(), shop.worker())
    assert (one.epochs.number, two.epochs.number) == (1, 1)
    await one.store.write("session:x", b"v", HOUR)
    assert await two.store.read("session:x", "nothing") == (b"v", None)
    assert await shop.store.read("session:x") == (b"v",)  # an upgrade signs nobody out
    assert [row["reason"] for row in await shop.epochs()] == ["first"]
    assert shop.audit.kept == []
    await one.turns(20)
    await two.turns(20)
    assert len(await shop.epochs()) == 1
    (row,) = await shop.records.find("pulses", {})
    assert 0 < (await shop.pulse()).count - row["beats"] < 10  # type: ignore[operator]


async def test_the_beat_is_one_a_look_however_many_look(plain: Shop) -> None:
    """Workers that find the count moved leave it alone."""
    workers = [await plain.worker() for _ in range(4)]
    before = (await plain.pulse()).count
    for _ in range(20):
        for worker in workers:
            await worker.turns()
    assert (await plain.pulse()).count - before <= 30


async def test_a_store_set_back_revives_nothing(shop: Shop) -> None:
    """A used code, an ended session and a lock of before: whoever reads first is refused, and after that there is
    nothing; a new epoch, once, whichever worker finds out."""
    one, two = await shop.worker(), await shop.worker()
    await one.store.write("code:1", b"unused", HOUR)
    await one.store.write("session:1", b"alive", HOUR)
    yesterday = shop.snapshot()
    await shop.beats(3)
    await one.turns()
    await two.turns()
    assert await one.store.swap("code:1", b"unused", b"used", HOUR)
    assert await two.store.swap("session:1", b"alive", None)
    yesterday()
    for worker in (one, two):
        with pytest.raises(StoreUnavailable):
            await worker.store.read("session:1")
        assert not await worker.store.swap("code:1", b"unused", b"used", HOUR)
    await asyncio.gather(one.turns(), two.turns())
    for worker in (one, two):
        assert await worker.store.read("session:1", "code:1") == (None, None)
        assert worker.epochs.number == 2
        assert "epoch" in worker.heard
    assert [row["reason"] for row in await shop.epochs()] == ["first", "store-back"]
    assert [(one.act.value, one.facts) for one in shop.audit.kept] == [
        ("epoch:begin", {"epoch": "2", "why": "store-back"})
    ]
    await two.store.write("session:2", b"new", HOUR)
    assert await one.store.read("session:2") == (b"new",)


async def test_a_write_to_a_store_set_back_is_found_out(shop: Shop, ambient: TestAmbient) -> None:
    """Nothing was read for a while: the write looks at the pulse first, and after every fault."""
    one = await shop.worker()
    await one.store.write("lock", b"held", HOUR)
    yesterday = shop.snapshot()
    await shop.beats(2)
    await one.turns()
    assert await one.store.swap("lock", b"held", None)
    yesterday()
    ambient.advance(2)
    with pytest.raises(StoreUnavailable):
        await one.store.swap("lock", b"held", b"again", HOUR)
    await one.turns()
    assert await one.store.read("lock") == (None,)


async def test_a_store_set_back_while_nobody_ran(shop: Shop) -> None:
    """The records remember the count, and so does the disk, which is closer."""
    one = await shop.worker(disk=True)
    await one.store.write("session:1", b"alive", HOUR)
    await one.turns(12)
    yesterday = shop.snapshot()
    await shop.beats(8)
    await one.turns(6)
    yesterday()
    two = await shop.worker(disk=True)
    assert two.epochs.number == 2
    assert await two.store.read("session:1") == (None,)


async def test_the_disk_alone_remembers(shop: Shop, ambient: TestAmbient) -> None:
    """Store and records put back together from one moment, with every gateway stopped."""
    one = await shop.worker(disk=True)
    await one.store.write("session:1", b"alive", HOUR)
    yesterday = shop.snapshot()
    rows = {table: await shop.records.find(table, {}) for table in ("epochs", "pulses")}
    await shop.beats(8)
    await one.turns(12)
    yesterday()
    await shop.records.write(
        *[Update("pulses", {"beats": row["beats"]}, {"name": row["name"]}) for row in rows["pulses"]]
    )
    two = await shop.worker(disk=True)
    assert two.epochs.number == 2
    assert await two.store.read("session:1") == (None,)
    three = await shop.worker()
    assert three.epochs.number == 2


async def test_an_emptied_store_begins_anew_without_an_epoch(shop: Shop) -> None:
    """Nobody can be signed in there: nothing to say. But a copy of before must not come back later."""
    one, two = await shop.worker(), await shop.worker()
    await one.store.write("session:1", b"alive", HOUR)
    copy = shop.snapshot()
    shop.empty()
    with pytest.raises(StoreUnavailable):
        await two.store.read("session:1")
    await one.turns()
    await two.turns()
    assert await two.store.read("session:1") == (None,)
    assert len(await shop.epochs()) == 1
    copy()
    await two.turns()
    await one.turns()
    assert await one.store.read("session:1") == (None,)
    assert (one.epochs.number, two.epochs.number) == (2, 2)


async def test_nothing_is_decided_while_store_or_records_are_down(plain: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down is not set back. Records that are away stop nobody; their count runs behind, and that is no restore."""
    one = await plain.worker()
    await one.store.write("session:1", b"alive", HOUR)

    async def away(*_: object, **__: object) -> None:
        raise RecordsUnavailable("away")

    with monkeypatch.context() as patch:
        for name in ("find", "write"):
            patch.setattr(plain.records, name, away)
        await plain.beats(3 * LAG)
        for _ in range(12):
            try:
                await one.turns()
            except RecordsUnavailable:
                continue
            assert await one.store.read("session:1") == (b"alive",)
    await one.turns(12)
    two = await plain.worker()

    async def silent(*_: object, **__: object) -> None:
        raise StoreUnavailable("silent")

    with monkeypatch.context() as patch:
        patch.setattr(plain.store, "read", silent)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await one.turns()
    await one.turns()
    assert await two.store.read("session:1") == (b"alive",)
    assert len(await plain.epochs()) == 1


async def test_records_put_back_end_what_serves_once(plain: Shop, ambient: TestAmbient) -> None:
    """The store says what the records once held: a new epoch, and links, recovery codes and application codes are void."""
    one = await plain.worker()
    yesterday = {table: await plain.records.find(table, {}) for table in ("epochs", "pulses")}
    await one.store.write("session:1", b"alive", HOUR)
    await plain.beats(LAG + 10)
    await one.turns(6)
    for name in ("a", "b"):
        await plain.records.write(*person(name, ambient))
    await plain.records.write(
        Update("pulses", {"beats": yesterday["pulses"][0]["beats"]}, {} | {"name": yesterday["pulses"][0]["name"]})
    )
    two = await plain.worker()
    assert two.epochs.number == 2
    assert await two.store.read("session:1") == (None,)
    assert await plain.records.find("recovery_codes", {}) == ()
    for row in await plain.records.find("delegations", {}):
        assert (row["invite_digest"], row["invite_until"], row["version"]) == (None, None, 2)
    for row in await plain.records.find("authenticators", {}):
        assert row["last_step"] == int(ambient.now().timestamp()) // 30 + 1
    (said,) = plain.audit.kept
    assert dict(said.facts) == {"epoch": "2", "why": "records-back", "links": "2", "codes": "2"}
    await one.turns()
    assert one.epochs.number == 2
    assert len(plain.audit.kept) == 1


async def test_records_that_lost_a_fail_over_s_writes_sign_nobody_out(plain: Shop) -> None:
    """Less than two minutes of beats: said in the log, and mended."""
    one = await plain.worker()
    await one.store.write("session:1", b"alive", HOUR)
    await plain.beats(LAG - 20)
    await one.turns(6)
    (row,) = await plain.records.find("pulses", {})
    await plain.records.write(Update("pulses", {"beats": 1}, {"name": row["name"]}))
    await one.turns(10)
    assert await (await plain.worker()).store.read("session:1") == (b"alive",)
    assert len(await plain.epochs()) == 1


async def test_a_beat_that_a_fail_over_may_lose_signs_nobody_out(plain: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary that no replica follows took a beat, and others read it before the next primary took its place: nothing
    that was acknowledged is lost. A beat that was acknowledged and is lost is another matter."""
    one, two = await plain.worker(replicated=True), await plain.worker(replicated=True)
    await one.store.write("session:1", b"alive", HOUR)
    await one.turns(4)
    await two.turns(2)
    back = plain.snapshot()
    whole = plain.store.swap

    async def alone(key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        await whole(key, old, new, ttl)
        raise StoreUnavailable("0 of 1 replicas have what was written")

    monkeypatch.setattr(plain.store, "swap", alone)
    before = (await plain.pulse()).count
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await one.turns(2)
        with contextlib.suppress(StoreUnavailable):
            await two.turns(2)
        assert await two.store.read("session:1") == (b"alive",)
    assert (await plain.pulse()).count > before
    monkeypatch.setattr(plain.store, "swap", whole)
    back()  # the replica is primary now
    for worker in (one, two, one, two):
        await worker.turns(6)
        assert await worker.store.read("session:1") == (b"alive",)
    assert len(await plain.epochs()) == 1
    back()
    with pytest.raises(StoreUnavailable):
        await one.store.read("session:1")


async def test_another_s_beat_counts_once_it_is_sure(plain: Shop) -> None:
    """Where a fail-over may lose what others read, each worker makes sure of what it saw at every look: a store put back by
    one beat is found out by the worker that did not make it."""
    one, two = await plain.worker(replicated=True), await plain.worker(replicated=True)
    await one.store.write("session:1", b"alive", HOUR)
    await one.turns(4)
    await two.turns()
    back = plain.snapshot()
    before = (await plain.pulse()).count
    while (await plain.pulse()).count == before:
        await one.turns()
    await two.turns()
    back()
    with pytest.raises(StoreUnavailable):
        await two.store.read("session:1")


async def test_two_stores_on_the_same_records_do_not_take_turns(plain: Shop, ambient: TestAmbient) -> None:
    """Each has a name of its own: neither is compared with the other, however far they count."""
    other = MemoryStore(ambient)
    one, two = await plain.worker(), await plain.worker(store=other)
    await one.store.write("session:1", b"one", HOUR)
    await two.store.write("session:2", b"two", HOUR)
    await plain.beats(5 * LAG)
    for _ in range(3):
        await one.turns(6)
        await two.turns(6)
    assert await (await plain.worker()).store.read("session:1") == (b"one",)
    assert await (await plain.worker(store=other)).store.read("session:2") == (b"two",)
    assert len(await plain.epochs()) == 1
    old = dict(other._entries)
    await two.turns(12)
    other._entries = old  # one of them goes back: both begin the next epoch, once
    with pytest.raises(StoreUnavailable):
        await two.store.read("session:2")
    for _ in range(3):
        await two.turns(6)
        await one.turns(6)
    assert (one.epochs.number, two.epochs.number) == (2, 2)
    assert len(await plain.epochs()) == 2


async def test_a_copy_that_others_left_behind_shows_nothing(plain: Shop, ambient: TestAmbient) -> None:
    """A worker cut off with it counts on there, and finds out from the records that others count further."""
    one = await plain.worker()
    await one.store.write("session:1", b"alive", HOUR)
    await one.turns(6)
    left = MemoryStore(ambient)
    left._entries = dict(plain.store._entries)  # type: ignore[union-attr]
    two = await plain.worker(store=left)
    assert await one.store.swap("session:1", b"alive", None)
    await plain.beats(60)
    await one.turns(6)
    await two.turns(6)
    assert await two.store.read("session:1") == (None,)
    await one.turns(6)
    assert (one.epochs.number, two.epochs.number) == (2, 2)


async def test_renewed_by_hand(shop: Shop, ambient: TestAmbient) -> None:
    """Running workers follow at their next look, and read nothing meanwhile once the store has been told."""
    one, two = await shop.worker(), await shop.worker()
    await one.store.write("session:1", b"alive", HOUR)
    await shop.records.write(*person("a", ambient))
    hand = Epochs(shop.store, shop.store, shop.records, ambient)
    assert await hand.renew("a drill", restored=False) == 2
    assert len(await shop.records.find("recovery_codes", {})) == 2
    assert (await shop.records.find("delegations", {}))[0]["invite_digest"] is None
    await hand.settle()
    for worker in (one, two):
        with pytest.raises(StoreUnavailable):
            await worker.store.read("session:1")
        await worker.turns()
        assert await worker.store.read("session:1") == (None,)
    overview = await hand.overview()
    assert overview.epoch is not None
    assert (overview.epoch["number"], overview.epoch["reason"]) == (2, "a drill")
    assert overview.store == await shop.pulse()
    assert await hand.renew("again", restored=True) == 3
    await one.turns()
    assert one.epochs.number == 3
    assert await shop.records.find("recovery_codes", {}) == ()


async def test_a_watching_worker_follows_by_itself(
    shop: Shop, ambient: TestAmbient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody calls: within a second or so of the store's going back a new epoch is in force and reads are answered."""
    monkeypatch.setattr(room, "BEAT", 0.1)
    one, two = await shop.worker(), await shop.worker()
    await one.epochs.start()
    await two.epochs.start()
    try:
        await one.store.write("session:1", b"alive", HOUR)
        yesterday = shop.snapshot()
        before = (await shop.pulse()).count

        async def counted() -> bool:
            return (await shop.pulse()).count > before + 2

        await until(counted)
        yesterday()

        async def dead() -> bool:
            try:
                return await two.store.read("session:1") == (None,)
            except StoreUnavailable:
                return False

        await until(dead)
        assert (await shop.epochs())[-1]["number"] == 2
    finally:
        await one.epochs.close()
        await two.epochs.close()


async def test_a_gateway_that_starts_without_its_store_waits_closed(
    plain: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is given before the epoch is known; then it is, by itself."""
    monkeypatch.setattr(room, "BEAT", 0.05)
    epochs = Epochs(plain.store, plain.store, plain.records, plain.ambient)
    store = DatedStore(plain.store, plain.store, epochs)

    async def silent(*_: object) -> None:
        raise StoreUnavailable("silent")

    with monkeypatch.context() as patch:
        patch.setattr(plain.store, "read", silent)
        await epochs.start()
        with pytest.raises(StoreUnavailable):
            await store.read("x")
        assert epochs.number == 0

    async def answers() -> bool:
        try:
            return await store.read("x") == (None,)
        except StoreUnavailable:
            return False

    try:
        await until(answers)
        assert epochs.number == 1
    finally:
        await epochs.close()


async def test_replies_in_another_order_are_no_way_back(plain: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that was on its way while a later one arrived is judged by what was known when it was asked."""
    one = await plain.worker()
    await one.store.write("k", b"v", HOUR)
    read, gate = plain.store.read, asyncio.Event()

    async def slow(*keys: str) -> tuple[bytes | None, ...]:
        found = await read(*keys)
        if "late" in keys:
            await gate.wait()
        return found

    monkeypatch.setattr(plain.store, "read", slow)
    late = asyncio.create_task(one.store.read("k", "late"))
    await asyncio.sleep(0)
    await plain.beats(3)
    assert await one.store.read("k") == (b"v",)
    gate.set()
    assert await late == (b"v", None)


async def test_clocks_do_not_matter(plain: Shop, ambient: TestAmbient) -> None:
    """A day forward and back: the pulse is a counter."""
    one = await plain.worker()
    for step in (86_400, -2 * 86_400, 365 * 86_400, -364 * 86_400):
        ambient.advance(step)
        await one.turns(6)
        await one.store.write("k", b"v", HOUR)
        assert await (await plain.worker()).store.read("k") == (b"v",)
    assert len(await plain.epochs()) == 1


async def test_a_disk_that_is_full_changes_nothing(tmp_path: Path) -> None:
    """The witness is a help, never a need; passwords in the address name no other store."""
    (tmp_path / "file").write_text("no folder")
    broken = DiskWitness(tmp_path / "file", "redis://one")
    await broken.write(b"a 1 0 xx")
    assert await broken.read() is None
    await DiskWitness(tmp_path / "pulses", "redis://u:secret@one/0").write(b"a 1 0 xx")
    assert await DiskWitness(tmp_path / "pulses", "redis://u:other@one/0").read() == b"a 1 0 xx"
    assert await DiskWitness(tmp_path / "pulses", "redis://two/0").read() is None
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "pulses").iterdir()] == [0o600]
    silent = DiskWitness(tmp_path / "none", "redis://one", writes=False)
    await silent.write(b"a 1 0 xx")
    assert not (tmp_path / "none").exists()


def person(name: str, ambient: TestAmbient) -> list[Insert]:
    """An account with everything that serves once."""
    now = ambient.now()
    account = f"acc_{name}"
    stamps = {"created_at": now, "updated_at": now, "version": 1}
    return [
        Insert(
            "accounts",
            {
                "id": account,
                "family_name": "PETIT",
                "given_name": "Anne",
                "password_must_change": False,
                "origin": "strong",
                "space_default": "liberal",
                **stamps,
            },
        ),
        Insert("authenticators", {"account_id": account, "secret": "s", "last_step": 1, "created_at": now}),
        Insert("recovery_codes", {"id": f"rec_{name}", "account_id": account, "digest": "d", "created_at": now}),
        Insert(
            "recovery_codes",
            {"id": f"rec_used_{name}", "account_id": account, "digest": "e", "used_at": now, "created_at": now},
        ),
        Insert(
            "delegations",
            {
                "id": f"del_{name}",
                "number": 1,
                "delegator_id": account,
                "kind": "assistant",
                "family_name": "Durand",
                "given_name": "Léa",
                "rights": "",
                "begins": now,
                "ends": now + HOUR,
                "invite_digest": f"digest of {name}",
                "invite_until": now + HOUR,
                **stamps,
            },
        ),
    ]
