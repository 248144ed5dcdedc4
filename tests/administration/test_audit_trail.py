"""The audit as administrators read it: their reach and no more, and an export that is itself written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.administration import audit_trail
from gateway.administration.actor import Actor, NotThere, NotYours, record
from gateway.administration.audit_trail import AuditTrail, cells
from gateway.audit import Act, Record
from gateway.edges.overview import SqlOverview
from gateway.overview import AuditQuery
from gateway.reasons import RecordsUnavailable
from gateway.spreadsheet import BOM
from tests.administration.world import AURA, NATIONAL, REFERENT, World, person, world_in

ALL = AuditQuery(reach=("/",))  # whoever asks says "everything": it must not help
NOBODY = Actor("acc_nobody", "Personne", ())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        await made.records.write(*person("acc_1", "ehpad"), *person("acc_2", "chu"))
        for actor, scope in ((NATIONAL, "nation"), (AURA, "ch"), (AURA, "ehpad"), (NATIONAL, "chu")):
            await made.audit.record(record(Act.SCOPE_CHANGED, actor, made.now, scope=scope, name="=1+1; vite"))
            made.ambient.advance(60)
        for account in ("acc_1", "acc_2"):
            await made.audit.record(Record(Act.SIGN_IN, made.now, account))
            made.ambient.advance(60)
        yield made


@pytest.fixture
def trail(world: World) -> AuditTrail:
    return AuditTrail(SqlOverview(world.records), world.audit, world.desk)


async def numbers(trail: AuditTrail, world: World, actor: Actor, query: AuditQuery = ALL) -> list[object]:
    return [row["seq"] for row in await trail.page(actor, query, world.now)]


async def test_r93_each_sees_their_own(trail: AuditTrail, world: World) -> None:
    """The nation everything, a region what bears on its scopes and people, a référent their establishment."""
    assert await numbers(trail, world, NATIONAL) == [6, 5, 4, 3, 2, 1]
    assert await numbers(trail, world, AURA) == [5, 3, 2]
    assert await numbers(trail, world, REFERENT) == [5, 3]
    with pytest.raises(NotYours):
        await numbers(trail, world, NOBODY)


async def test_r93_filters(trail: AuditTrail, world: World) -> None:
    """By scope, by what lies below, by account, act, time, and page."""
    assert await numbers(trail, world, NATIONAL, replace(ALL, scope="ch")) == [2]
    assert await numbers(trail, world, NATIONAL, replace(ALL, scope_path="/nation/aura/")) == [5, 3, 2]
    assert await numbers(trail, world, NATIONAL, replace(ALL, account="acc_1")) == [5]
    assert await numbers(trail, world, NATIONAL, replace(ALL, acts=("session:open",))) == [6, 5]
    since = world.now - timedelta(seconds=180)
    assert await numbers(trail, world, NATIONAL, replace(ALL, since=since)) == [6, 5, 4]
    assert await numbers(trail, world, NATIONAL, replace(ALL, until=since)) == [3, 2, 1]
    assert await numbers(trail, world, NATIONAL, replace(ALL, before=5, limit=2)) == [4, 3]
    assert await numbers(trail, world, NATIONAL, replace(ALL, limit=-3)) == [6]


async def test_r93_what_is_elsewhere_does_not_exist(trail: AuditTrail, world: World) -> None:
    """A scope out of reach and one that is nowhere are the same; accounts and paths elsewhere have no rows."""
    for scope in ("chu", "nowhere"):
        with pytest.raises(NotThere):
            await numbers(trail, world, AURA, replace(ALL, scope=scope))
    assert await numbers(trail, world, AURA, replace(ALL, account="acc_2")) == []
    assert await numbers(trail, world, AURA, replace(ALL, scope_path="/nation/reunion/")) == []


async def test_r93_an_export_is_written_down_before_its_first_line(
    trail: AuditTrail, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows in reach, page by page, no cell computed; and one row of the audit says who asked for what."""
    monkeypatch.setattr(audit_trail, "LONGEST_PAGE", 2)
    lines = [one async for one in trail.export(AURA, replace(ALL, acts=("scope:change",), limit=1), world.now)]
    assert lines[0].startswith(f"{BOM}Numéro;Instant (UTC);Acte;")
    assert [one.split(";")[0] for one in lines[1:]] == ["3", "2"]
    found = await world.records.find("audit", {"seq": 3})
    assert lines[1] == (
        f"3;{found[0]['at'].isoformat()};scope:change;;ehpad;;Aude Aura (acc_aura);192.0.2.2;req_2;"  # type: ignore[union-attr]
        f'"name==1+1; vite";{found[0]["hash"]}\r\n'
    )
    (said,) = await world.audited("audit:export")
    assert said["facts"] == {"acts": "scope:change", "author": "acc_aura", "author_name": "Aude Aura"}
    assert said["seq"] == 7


async def test_r93_a_refused_export_leaves_nothing(trail: AuditTrail, world: World) -> None:
    """It is refused where it is asked for, before any line, and is no export."""
    with pytest.raises(NotThere):
        trail.export(AURA, replace(ALL, scope="chu"), world.now)
    with pytest.raises(NotYours):
        trail.export(NOBODY, ALL, world.now)
    assert await world.audited("audit:export") == []


async def test_g2_no_audit_no_export(world: World) -> None:
    """When the export cannot be written down there is no line."""

    class Failing:
        async def record(self, record: Record) -> None:
            raise RecordsUnavailable("told to fail")

    trail = AuditTrail(SqlOverview(world.records), Failing(), world.desk)
    with pytest.raises(RecordsUnavailable):
        await anext(trail.export(NATIONAL, ALL, world.now))


def test_r93_rows_without_author() -> None:
    """Acts of the person themselves name nobody else; the shell's user has one name."""
    row = dict.fromkeys(("seq", "at", "act", "account", "scope", "reason", "address", "correlation", "hash"))
    assert cells({**row, "facts": "{}"})[6] == ""
    assert cells({**row, "facts": '{"author": "cli:root", "author_name": "cli:root"}'})[6] == "cli:root"


async def test_s5_where_else_somebody_works_is_not_told(trail: AuditTrail, world: World) -> None:
    """The sign-in of a person of two places names both: each reader finds their own, in the list and in the export."""
    await world.records.write(*person("acc_3", "ehpad", "chu"))
    await world.audit.record(Record(Act.SIGN_IN, world.now, "acc_3", facts={"scopes": "chu ehpad", "space": "x"}))

    async def told(actor: Actor) -> tuple[dict[str, str], str]:
        asked = replace(ALL, account="acc_3", acts=(Act.SIGN_IN.value,))
        (row,) = await trail.page(actor, asked, world.now)
        lines = [line async for line in trail.export(actor, asked, world.now)]
        return json.loads(str(row["facts"])), lines[-1]

    facts, line = await told(REFERENT)
    assert facts == {"scopes": "ehpad", "space": "x"}
    assert "chu" not in line and "ehpad" in line
    facts, line = await told(NATIONAL)
    assert facts["scopes"] == "chu ehpad"
    assert "chu ehpad" in line
