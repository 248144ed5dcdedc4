"""Tokens of the API: shown once, kept as digests, ended by time or by hand (R87)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours
from gateway.administration.tokens import Tokens
from gateway.ports import Delete, Insert, Update
from tests.administration.world import AURA, CLI, NATIONAL, REFERENT, World, person, world_in

DAY = timedelta(days=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


def worker(world: World) -> Tokens:
    return Tokens(world.records, world.audit, world.desk, world.ambient, 90)


async def test_r87_a_token_acts_with_its_role_and_place(world: World) -> None:
    """256 random bits after the prefix; who comes with it is named after the token, and has nothing more."""
    tokens = worker(world)
    token_id, secret = await tokens.create(NATIONAL, " tableau  de bord ", Role.REGION, "aura", world.now)
    assert re.fullmatch(r"vtgw_[A-Za-z0-9_-]{43}", secret)
    actor = await tokens.actor_of(secret, world.now, address="192.0.2.9", correlation="req_9")
    assert actor == Actor(f"token:{token_id}", "tableau de bord", (Grant(Role.REGION, "aura"),), "192.0.2.9", "req_9")
    (trace,) = await world.audited("token:create")
    assert (trace["scope"], trace["facts"]["token"], trace["facts"]["author"]) == ("aura", token_id, "acc_national")


async def test_only_a_digest_is_kept(world: World) -> None:
    """Neither the table, nor the audit, nor the list holds the secret; the list does not hold the digest either."""
    tokens = worker(world)
    _, secret = await tokens.create(CLI, "x", Role.NATIONAL, "nation", world.now)
    (row,) = await world.records.find("tokens", {})
    assert row["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.removeprefix("vtgw_") not in repr((row, await world.audited()))
    (listed,) = await tokens.list(NATIONAL, world.now)
    assert "digest" not in listed
    assert str(row["digest"]) not in repr(listed)


async def test_r87_only_the_nation_makes_tokens(world: World) -> None:
    """Neither a region within its own reach, nor a référent, nor a token."""
    tokens = worker(world)
    _, secret = await tokens.create(NATIONAL, "x", Role.NATIONAL, "nation", world.now)
    program = await tokens.actor_of(secret, world.now)
    assert program is not None
    for actor, scope in ((AURA, "aura"), (REFERENT, "ehpad"), (program, "aura")):
        with pytest.raises(NotYours):
            await tokens.create(actor, "x", Role.REGION, scope, world.now)
    with pytest.raises(NotThere):
        await tokens.create(AURA, "x", Role.REGION, "reunion", world.now)
    for actor in (AURA, REFERENT, Actor("acc_nobody", "N", ())):
        with pytest.raises(NotYours):
            await tokens.list(actor, world.now)
        with pytest.raises(NotYours):
            await tokens.revoke(actor, "tok_nothing", world.now)
    assert len(await world.audited()) == 1


@pytest.mark.parametrize(
    ("name", "role", "scope", "days", "field"),
    [
        (" ", Role.REGION, "aura", 1, "name"),
        ("x" * 81, Role.REGION, "aura", 1, "name"),
        ("a\x07", Role.REGION, "aura", 1, "name"),
        ("x", Role.REGION, "aura", 0, "days"),
        ("x", Role.REGION, "aura", 367, "days"),
        ("x", Role.REGION, "ehpad", 1, "scope"),
        ("x", Role.REFERENT, "nation", 1, "scope"),
        ("x", Role.NATIONAL, "aura", 1, "scope"),
    ],
)
async def test_r87_what_a_token_must_be(world: World, name: str, role: Role, scope: str, days: int, field: str) -> None:
    """A name, a life of a year at most, a role that fits the scope; nothing is written otherwise."""
    with pytest.raises(Faulty) as caught:
        await worker(world).create(NATIONAL, name, role, scope, world.now, days)
    assert caught.value.faults.keys() == {field}
    assert await world.audited() == []


async def test_a_token_ends_at_its_instant(world: World) -> None:
    """Good until the last moment, though its row was looked at before; 90 days when nobody says."""
    tokens = worker(world)
    _, secret = await tokens.create(NATIONAL, "x", Role.REGION, "aura", world.now)
    end = world.now + 90 * DAY
    assert await tokens.actor_of(secret, end - timedelta(seconds=1)) is not None
    assert await tokens.actor_of(secret, end) is None
    (listed,) = await tokens.list(NATIONAL, end)
    assert (listed["state"], listed["expires_at"]) == ("expired", end)


async def test_a_revoked_token_is_refused_here_at_once_and_elsewhere_within_five_seconds(world: World) -> None:
    """The other worker's look at it grows old; revoking twice leaves one trace."""
    here, there = worker(world), worker(world)
    token_id, secret = await here.create(NATIONAL, "x", Role.REGION, "aura", world.now)
    assert await there.actor_of(secret, world.now) is not None
    assert await here.actor_of(secret, world.now) is not None
    await here.revoke(NATIONAL, token_id, world.now)
    await here.revoke(CLI, token_id, world.now)
    assert await here.actor_of(secret, world.now) is None
    world.ambient.advance(5)
    assert await there.actor_of(secret, world.now) is None
    assert [one["facts"]["token"] for one in await world.audited("token:revoke")] == [token_id]
    (listed,) = await here.list(CLI, world.now)
    assert listed["state"] == "revoked"
    for unknown in ("tok_nothing", "\0"):
        with pytest.raises(NotThere):
            await here.revoke(NATIONAL, unknown, world.now)


async def test_r87_s3_an_administrator_who_leaves_takes_no_token_along(world: World) -> None:
    """Suspended, dismissed, erased: what they made is refused within five seconds, and shown so; the shell's goes on."""
    role = {"account_id": "acc_national", "role": "national", "scope_id": "nation"}
    await world.records.write(
        *person("acc_national"), Insert("roles", {**role, "granted_by": "test", "since": world.now})
    )
    tokens = worker(world)
    _, secret = await tokens.create(NATIONAL, "x", Role.NATIONAL, "nation", world.now)
    _, other = await tokens.create(CLI, "y", Role.NATIONAL, "nation", world.now)

    async def good() -> bool:
        world.ambient.advance(5)
        assert await tokens.actor_of(other, world.now) is not None
        found = await tokens.actor_of(secret, world.now) is not None
        states = {row["name"]: row["state"] for row in await tokens.list(CLI, world.now)}
        assert states == {"x": "active" if found else "revoked", "y": "active"}
        return found

    async def set_(**values: datetime | None) -> None:
        await world.records.write(Update("accounts", dict(values), {"id": "acc_national"}))

    assert await good()
    await set_(suspended_at=world.now)
    assert not await good()
    await set_(suspended_at=None)
    assert await good()
    await world.records.write(Delete("roles", dict(role)))
    assert not await good()
    await world.records.write(Insert("roles", {**role, "granted_by": "test", "since": world.now}))
    await set_(closed_at=world.now)
    assert not await good()


@pytest.mark.parametrize(
    "secret",
    ["", "vtgw_", "x", "Bearer vtgw_" + "A" * 43, "vtgw_" + "A" * 43, "vtgw_" + "é" * 43, "vtgw_" + "A" * 9999],
)
async def test_unknown_secrets_are_nobodys(world: World, secret: str) -> None:
    """Whatever their form; and they fill no memory."""
    tokens = worker(world)
    assert await tokens.actor_of(secret, world.now) is None
    assert not tokens._seen


async def test_looks_are_remembered_and_bounded(world: World) -> None:
    """Many requests cost one look each five seconds; a thousand tokens at most are remembered."""
    tokens = worker(world)
    _, secret = await tokens.create(NATIONAL, "x", Role.REGION, "aura", world.now)
    for _ in range(3):
        await tokens.actor_of(secret, world.now)
    assert len(tokens._seen) == 1
    (looked,) = tokens._seen.values()
    tokens._seen = {str(number): looked for number in range(1000)}
    await tokens.actor_of(secret, world.now)
    assert len(tokens._seen) == 1000


async def test_a_seeded_secret_becomes_a_token_once(world: World) -> None:
    """By two processes at once too; adopted again it lives on, unless it was revoked; garbage is none."""
    tokens = worker(world)
    secret = "vtgw_" + "s" * 32
    ids = await asyncio.gather(*(tokens.adopt(secret, "demo", Role.REFERENT, "ehpad", world.now, 30) for _ in range(3)))
    assert len(set(ids)) == 1
    actor = await tokens.actor_of(secret, world.now)
    assert actor is not None and actor.grants == (Grant(Role.REFERENT, "ehpad"),)
    later = world.now + 40 * DAY
    assert await tokens.actor_of(secret, later) is None
    assert await tokens.adopt(secret, "demo", Role.REFERENT, "ehpad", later, 30) == ids[0]
    assert await tokens.actor_of(secret, later) is not None
    await tokens.revoke(CLI, ids[0], later)
    await tokens.adopt(secret, "demo", Role.REFERENT, "ehpad", later, 30)
    assert await tokens.actor_of(secret, later) is None
    for wrong, days in (("s" * 40, 30), ("vtgw_short", 30), (secret, 400)):
        with pytest.raises(ValueError, match="not a token"):
            await tokens.adopt(wrong, "demo", Role.REFERENT, "ehpad", later, days)
