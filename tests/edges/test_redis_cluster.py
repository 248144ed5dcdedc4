"""Redis Cluster: a node dies, and slots move, while everybody writes. Real servers, on real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from redis.crc import key_slot

from gateway.edges.redis_store import RedisStore
from gateway.edges.system import SystemAmbient
from gateway.reasons import StoreUnavailable
from tests.redis_servers import HOST, ClusterGroup, One, cluster_group

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterGroup]:
    with cluster_group(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
async def stores(group: ClusterGroup) -> AsyncIterator[list[RedisStore]]:
    made = [RedisStore(group.url, SystemAmbient()) for _ in range(2)]
    for store in made:
        await store.start()
    yield made
    for store in made:
        await store.close()


async def count(store: RedisStore, key: str, acknowledged: list[int]) -> None:
    """One up, through swap, as often as it takes; the list gets what was acknowledged."""
    while True:
        (held,) = await store.read(key)
        if await store.swap(key, held, str(int(held or b"0") + 1).encode(), HOUR):
            acknowledged.append(int(held or b"0") + 1)
            return


async def test_keys_of_all_nodes_in_one_call(stores: list[RedisStore]) -> None:
    """What lies at three nodes is read in the order asked, absent keys too."""
    keys = [f"k:{number}" for number in range(30)]
    for key in keys[::2]:
        await stores[0].write(key, key.encode(), HOUR)
    assert await stores[1].read(*keys) == tuple(
        key.encode() if not number % 2 else None for number, key in enumerate(keys)
    )


def _slot_moves(group: ClusterGroup, slot: int, source: One, target: One, steps: int) -> Iterator[None]:
    """As redis-cli does it, with pauses in between: mark, move the keys one by one, tell everybody."""
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", group.id_of(source))
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", group.id_of(target))
    yield
    with closing(source.console()) as console:
        while keys := console.execute_command("CLUSTER GETKEYSINSLOT", slot, 1):
            console.execute_command("MIGRATE", HOST, target.port, keys[0], 0, 5000)
            yield
    for _ in range(steps):
        yield
    for one in (target, source, *group.primaries()):
        one.ask("CLUSTER", "SETSLOT", slot, "NODE", group.id_of(target))
        yield


async def test_slots_move_under_load_without_a_wrong_answer(group: ClusterGroup, stores: list[RedisStore]) -> None:
    """Eight counters and a consumed code in one slot, counted up by two workers while the slot is handed over and back: the
    sums are exact, no call fails, nothing that is there is absent for a moment."""
    keys = [f"{{move}}:{number}" for number in range(8)]
    slot = key_slot(b"vtgw:" + keys[0].encode())
    acknowledged: dict[str, list[int]] = {key: [] for key in keys}
    moving = True
    await stores[0].write("{move}:there", b"always", HOUR)

    async def load(store: RedisStore) -> None:
        while moving:
            for key in keys:
                await count(store, key, acknowledged[key])
            assert await store.read("{move}:there", "{move}:never") == (b"always", None)

    work = [asyncio.create_task(load(store)) for store in stores for _ in range(2)]
    source = group.owner(slot)
    target = next(one for one in group.primaries() if one is not source)
    for one, other in ((source, target), (target, source)):
        for _ in _slot_moves(group, slot, one, other, 5):
            await asyncio.sleep(0.02)  # the load goes on in each of these states
    moving = False
    await asyncio.gather(*work)
    for key in keys:
        (held,) = await stores[1].read(key)
        assert sorted(acknowledged[key]) == list(range(1, int(held or b"0") + 1))


async def test_r7_what_was_acknowledged_survives_the_death_of_a_node(
    group: ClusterGroup, stores: list[RedisStore], capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes are consumed while a node is killed. What was acknowledged is there; no code is consumed twice;
    calls for that node's keys fail within 3 s, and work again by themselves."""
    primary = group.owner(0)
    mine = [key for key in (f"code:{number}" for number in range(900)) if _slot(key) < 5461][:200]  # its slots
    for key in mine:
        await stores[0].write(key, b"stored", HOUR)
    left, consumed, unsure = list(mine), set[str](), set[str]()
    killed_at = refused_at = again_at = longest = 0.0

    async def consume(store: RedisStore) -> None:
        nonlocal again_at, longest, refused_at
        while left:
            key, began = left.pop(), time.monotonic()
            try:
                if await store.swap(key, b"stored", None):
                    assert key not in consumed, "consumed twice"
                    consumed.add(key)
                if refused_at and began > refused_at and not again_at:
                    again_at = time.monotonic()
            except StoreUnavailable:
                unsure.add(key)
                refused_at = refused_at or time.monotonic()
                await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - began)

    work = [asyncio.create_task(consume(store)) for store in stores for _ in range(3)]
    while len(consumed) < 60:
        await asyncio.sleep(0.001)
    primary.kill()
    killed_at = time.monotonic()
    while not again_at:
        assert time.monotonic() - killed_at < 15, "the keys of the node do not come back"
        if not left:
            left.extend(unsure - consumed)
            unsure.clear()
            work += [asyncio.create_task(consume(store)) for store in stores]
        await asyncio.sleep(0.01)
    await asyncio.gather(*work)
    assert longest < 3
    async with asyncio.timeout(10):
        for key in consumed:
            while True:
                with suppress(StoreUnavailable):
                    assert await stores[1].read(key) == (None,)
                    assert not await stores[1].swap(key, b"stored", None)
                    break
                await asyncio.sleep(0.02)
    with capsys.disabled():
        print(f"\n[cluster, node killed] served again after {again_at - killed_at:.1f} s", end="")


async def test_r7_a_cluster_that_is_silent_is_unknown_at_once(group: ClusterGroup, stores: list[RedisStore]) -> None:
    """Every node stopped, nothing closed: the first calls end within 3 s, the later ones without waiting; all comes back by
    itself."""
    store = stores[0]
    living = [one for one in group.servers if one.process is not None]
    await store.write("before", b"1", HOUR)
    for one in living:
        one.pause()
    try:
        took: list[float] = []
        while len(took) < 40 or max(took[-20:]) > 0.05:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.read("before", "behind")
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.005)
            assert len(took) < 2000, "calls go on waiting"
        assert max(took) < 3
    finally:
        for one in living:
            one.resume()
    async with asyncio.timeout(15):
        while True:
            with suppress(StoreUnavailable):
                assert await store.read("before", "behind") == (b"1", None)
                break
            await asyncio.sleep(0.02)


def _slot(key: str) -> int:
    return key_slot(f"vtgw:{key}".encode())
