"""The Redis files of deploy/, with real servers: the gateway may do what it needs and nothing else, and a primary that dies is
replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.edges.stores import AnyStore, open_store
from gateway.edges.system import SystemAmbient
from gateway.reasons import StoreUnavailable
from gateway.redis_url import RedisAccess
from tests.deploy.redis_group import HERE, SENTINEL_PORT, SENTINELS, SERVERS, Group, redis_group
from tests.deploy.running import DEPLOY, until

MINUTE = timedelta(minutes=1)
REFUSED = [
    ("keys", "*"),
    ("flushall",),
    ("config", "get", "*"),
    ("acl", "list"),
    ("get", "other:key"),
    ("set", "other:key", "1"),
    ("publish", "other", "1"),
    ("scan", "0"),
    ("shutdown",),
]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with redis_group(tmp_path_factory.mktemp("redis")) as made:
        yield made


def store_of(group: Group) -> AnyStore:
    """As gateway.toml has it: by the sentinels, with the gateway's user at both."""
    password = group.secret("redis-vtgw-password")
    hosts = ",".join(f"{address}:{SENTINEL_PORT}" for address in SENTINELS)
    access = RedisAccess("vtgw", password, "vtgw", password, ca=str(group.ca))
    return open_store(f"redis+sentinel://{hosts}/vtgw?tls=true", SystemAmbient(), access)


async def every_verb(store: AnyStore) -> None:
    """What the port has, each verb once, with both outcomes of a swap."""
    heard = asyncio.Event()
    store.listen(lambda message: heard.set())
    await store.start()
    try:
        await store.write("a", b"1", MINUTE)
        assert await store.read("a", "none") == (b"1", None)
        assert await store.swap("a", b"1", b"2", MINUTE)
        assert not await store.swap("a", b"1", b"3", MINUTE)
        assert await store.swap("a", b"2", None)
        async with asyncio.timeout(10):
            while not heard.is_set():  # listening begins a moment after the start
                await store.publish("policy:1")
                await asyncio.sleep(0.05)
    finally:
        await store.close()


async def test_the_gateways_user_may_do_what_the_gateway_does_and_nothing_else(group: Group) -> None:
    primary = group.primary()
    for address in SERVERS:
        group.ask(address, "acl", "log", "reset")
    await every_verb(store_of(group))
    for address in (
        *SERVERS,
        *SENTINELS,
    ):  # servers among themselves, sentinels, and the gateway: nobody was refused anything
        assert group.ask(address, "acl", "log") == ""
    password = group.secret("redis-vtgw-password")
    for command in REFUSED:
        assert "NOPERM" in group.ask(primary, *command, user="vtgw", word=password), command
    assert "NOAUTH" in group.ask(primary, "ping", user="default", word="") or "WRONGPASS" in group.ask(
        primary, "ping", user="default", word=""
    )
    for command in (("sentinel", "failover", "vtgw"), ("sentinel", "remove", "vtgw"), ("sentinel", "reset", "*")):
        assert "NOPERM" in group.ask(SENTINELS[0], *command, user="vtgw", word=password), command


async def test_a_primary_that_dies_is_replaced_and_comes_back_as_a_copy(group: Group) -> None:
    """Without anybody's help; and whoever comes back asks who is primary now, before it serves."""
    first = group.primary()
    store = store_of(group)
    await store.start()
    try:
        await store.write("kept", b"1", MINUTE)
        group.kill(first)

        async def found() -> bool:
            try:
                return await store.read("kept") == (b"1",) and await store.swap("kept", b"1", b"2", MINUTE)
            except StoreUnavailable:
                return False

        async with asyncio.timeout(30):
            while not await found():
                await asyncio.sleep(0.1)
    finally:
        await store.close()
    now = group.primary()
    assert now != first
    group.start(first)
    until(lambda: group.replicas(now) == 2, 30)
    assert group.ask(first, "role").startswith("slave")
    assert group.ask(first, "config", "get", "min-replicas-to-write").endswith("\n1")
    assert group.ask(first, "config", "get", "maxmemory-policy").endswith("noeviction")


def test_kustomize_has_the_same_files() -> None:
    """kustomize reads nothing outside its folder, so there is a copy."""
    there = DEPLOY / "kustomize" / "components" / "redis-sentinel"
    for name in ("redis.conf", "sentinel.conf", "start.sh"):
        assert (there / name).read_text() == (HERE / "redis" / name).read_text(), name
