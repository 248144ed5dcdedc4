"""The switch board on a real database: now and dated, one and many, undone, in an emergency (R83–R93, G26)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, NotThere, NotYours
from gateway.administration.revisions import Revisions
from gateway.administration.switching import SwitchBoard, SwitchSettings, Wanted
from gateway.desk import PolicyDesk
from gateway.policy.establishments import State, SwitchKind, Why
from gateway.ports import Change, Update
from gateway.reasons import RecordsUnavailable
from gateway.texts import PARIS
from tests.administration.world import (
    AURA,
    CUT_OFF,
    NATIONAL,
    PLACES,
    REFERENT,
    REUNION,
    World,
    place,
    world_in,
    world_on,
)
from tests.ambient import START

DAY = timedelta(days=1)
SETTINGS = SwitchSettings(
    derogation_max=timedelta(days=365),
    breakglass_max=timedelta(hours=24),
    referent_can_enable=False,
    revoke=True,
    dormancy=timedelta(days=365),
    generic_names=("SERVICE",),
    generic_mailboxes=("accueil",),
    zone=PARIS,
)
OFF = Wanted(State.PASSWORD_ONLY, "panne des boîtes aux lettres", derogation_until=START + 30 * DAY)
ON = Wanted(State.STRONG, "calendrier régional")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


def board_of(world: World, desk: PolicyDesk | None = None, **settings: Any) -> SwitchBoard:
    return SwitchBoard(
        world.records,
        Revisions(world.records, None),
        world.audit,
        desk or world.desk,
        world.overview,
        world.ambient,
        replace(SETTINGS, **settings),
    )


@pytest.fixture
def board(world: World) -> SwitchBoard:
    return board_of(world)


def strong(world: World, scope: str, at: datetime | None = None) -> bool:
    return world.desk.book.strong(scope, at or world.now)


async def refused(
    board: SwitchBoard, world: World, wanted: Wanted, scopes: Sequence[str] = ("ehpad",), actor: Actor = AURA
) -> list[str]:
    """The fields that are named when this is refused; the preview names the same, and nothing was written."""
    before = world.desk.revision, await world.audited()
    with pytest.raises(Faulty) as caught:
        await board.switch(actor, scopes, wanted, world.now)
    assert (world.desk.revision, await world.audited()) == before
    faults = (await board.preview(actor, scopes, wanted, world.now)).faults
    if wanted.reason.strip():
        assert faults == caught.value.faults
    return list(caught.value.faults)


# One and many


async def test_r83_r84_off_with_a_derogation_and_on_again(board: SwitchBoard, world: World) -> None:
    """In force at once here, and for another worker; what lies below follows; the end of the derogation ends it."""
    assert strong(world, "ch")
    batch = await board.switch(AURA, ["ch"], OFF, world.now)
    assert batch.startswith("swb_")
    other = await world.worker()
    for book in (world.desk.book, other.book):
        assert not book.strong("ch", world.now)
        assert not book.strong("ch-geriatrie", world.now)
        assert book.strong("ch", START + 30 * DAY)
    assert (world.desk.book.scopes["ch"].version, world.desk.book.scopes["ch-geriatrie"].version) == (2, 1)
    world.ambient.advance(60)
    await board.switch(AURA, ["ch"], ON, world.now)
    assert strong(world, "ch")
    assert world.desk.book.ruling("ch", world.now).why is Why.SWITCH


async def test_r83_a_dated_switch_waits_for_its_date(board: SwitchBoard, world: World) -> None:
    await board.switch(AURA, ["ch"], OFF, world.now)
    at = world.now + 7 * DAY
    await board.switch(AURA, ["ch"], replace(ON, effective_from=at), world.now)
    assert not strong(world, "ch", at - timedelta(seconds=1))
    assert strong(world, "ch", at)
    assert world.desk.book.next_change("ch", world.now) == at


async def test_r83_many_at_once_are_one_batch(board: SwitchBoard, world: World) -> None:
    """Names given twice count once; each scope gets its line, its version and its record (R93)."""
    batch = await board.switch(AURA, ["ehpad", "ssr", "ch", "ehpad"], OFF, world.now)
    found = await board.batch(AURA, batch, world.now)
    assert [scope.id for scope, _ in found.lines] == ["ch", "ehpad", "ssr"]
    assert (found.author, found.reason, found.state, found.kind, found.undone) == (
        "acc_aura", "panne des boîtes aux lettres", State.PASSWORD_ONLY, SwitchKind.SWITCH, False,
    )  # fmt: skip
    assert (found.effective_from, found.derogation_until, found.created_at) == (START, START + 30 * DAY, START)
    rows = await world.audited("scope:switch")
    assert {row["scope"] for row in rows} == {"ehpad", "ssr", "ch"}
    assert rows[0]["facts"] == {
        "author": "acc_aura",
        "author_name": "Aude Aura",
        "batch": batch,
        "old": "strong (cut-off)",
        "new": f"password_only from {START.isoformat()}",
        "until": (START + 30 * DAY).isoformat(),
        "why": "panne des boîtes aux lettres",
    }
    assert world.desk.revision == 1
    assert {world.desk.book.scopes[one].version for one in ("ehpad", "ssr", "ch")} == {2}


@pytest.mark.parametrize("other", ["chu", "nation", "nowhere"])
async def test_r87_one_scope_out_of_reach_stops_the_whole_act(board: SwitchBoard, world: World, other: str) -> None:
    """Nothing is written, and a scope elsewhere is like one that does not exist, whatever else is wrong."""
    for wanted in (OFF, replace(OFF, derogation_until=None, reason="")):
        with pytest.raises(NotThere):
            await board.switch(AURA, ["ehpad", other], wanted, world.now, {"ehpad": 99})
        with pytest.raises(NotThere):
            await board.preview(AURA, ["ehpad", other], wanted, world.now)
    assert world.desk.revision == 0
    assert await world.audited() == []


@pytest.mark.parametrize(
    ("enables", "wanted", "error"),
    [
        (False, ON, NotYours),
        (False, OFF, NotYours),
        (True, OFF, NotYours),
        (True, replace(ON, effective_from=START + DAY), None),
    ],
)
async def test_r87_a_referent_switches_on_only_if_the_deployment_lets_them(
    world: World, enables: bool, wanted: Wanted, error: type[Exception] | None
) -> None:
    """``policy.referent_can_enable``: on, now or later, of their own scopes; never off, never undone, never elsewhere."""
    board = board_of(world, referent_can_enable=enables)
    with pytest.raises(NotThere):
        await board.switch(REFERENT, ["ssr"], wanted, world.now)
    if error is not None:
        with pytest.raises(error):
            await board.switch(REFERENT, ["ehpad"], wanted, world.now)
        return
    batch = await board.switch(REFERENT, ["ehpad"], wanted, world.now)
    with pytest.raises(NotYours):
        await board.undo(REFERENT, batch, "erreur de date", world.now)
    with pytest.raises(NotThere):
        await board.undo(REUNION, batch, "erreur de date", world.now)


FAULTS: list[tuple[str, Wanted, list[str]]] = [
    ("no reason", replace(OFF, reason="  "), ["reason"]),
    ("long reason", replace(OFF, reason="x" * 201), ["reason"]),
    ("past", replace(ON, effective_from=START - timedelta(seconds=61)), ["effective_from"]),
    ("too far", replace(ON, effective_from=datetime(9999, 12, 31, tzinfo=UTC)), ["effective_from"]),
    ("strong with an end", replace(ON, derogation_until=START + DAY), ["derogation_until"]),
    ("off without an end", replace(OFF, derogation_until=None), ["derogation_until"]),
    ("end before begin", replace(OFF, effective_from=START + 40 * DAY), ["derogation_until"]),
    ("end at begin", replace(OFF, derogation_until=START), ["derogation_until"]),
    ("too long", replace(OFF, derogation_until=START + 365 * DAY + timedelta(seconds=1)), ["derogation_until"]),
    ("endless", replace(OFF, derogation_until=datetime(9999, 12, 31, tzinfo=UTC)), ["derogation_until"]),
    ("announce off", replace(OFF, effective_from=START + DAY, announce=True), ["announce"]),
    ("announce now", replace(ON, announce=True), ["announce"]),
]


@pytest.mark.parametrize(("wanted", "fields"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_r84_what_cannot_be_switched_says_why(
    board: SwitchBoard, world: World, wanted: Wanted, fields: list[str]
) -> None:
    assert await refused(board, world, wanted) == fields


@pytest.mark.parametrize(
    "wanted",
    [
        replace(ON, effective_from=START - timedelta(seconds=60)),
        replace(OFF, derogation_until=START + 365 * DAY),
        replace(OFF, derogation_until=START + timedelta(seconds=1)),
    ],
)
async def test_r84_the_last_values_that_are_taken(board: SwitchBoard, world: World, wanted: Wanted) -> None:
    """A form that took a minute is still « now »; a year to the second; a second."""
    batch = await board.switch(AURA, ["ehpad"], wanted, world.now)
    assert (await board.batch(AURA, batch, world.now)).effective_from == START


async def test_r84_before_the_cut_off_off_needs_no_end(world: World) -> None:
    """It is the date of effect that counts, not the day of the act."""
    world.ambient.instant = now = CUT_OFF - 10 * DAY
    board = board_of(world)
    free = Wanted(State.PASSWORD_ONLY, "essai pilote terminé", CUT_OFF - DAY)
    await board.switch(AURA, ["ehpad"], free, now)
    assert (strong(world, "ehpad", CUT_OFF - DAY), strong(world, "ehpad", CUT_OFF)) == (False, True)
    assert await refused(board, world, replace(free, effective_from=CUT_OFF)) == ["derogation_until"]


async def test_r83_too_few_too_many_and_closed(board: SwitchBoard, world: World) -> None:
    assert await refused(board, world, OFF, []) == ["scopes"]
    many: list[Change] = [
        place(f"s{number}", "ehpad", "service", "S", f"/nation/aura/rhone/exemple-sante/ehpad/s{number}/", revision=1)
        for number in range(2001)
    ]
    many.append(Update("scopes", {"retired_at": START, "revision": 1}, {"id": "ssr"}))
    await Revisions(world.records, None).write(lambda _: many)
    await world.desk.refresh()
    assert await refused(board, world, OFF, [f"s{number}" for number in range(2001)]) == ["scopes"]
    assert await refused(board, world, OFF, ["ehpad", "ssr"]) == ["scopes"]


async def test_r83_what_is_asked_already_is_left_out(board: SwitchBoard, world: World) -> None:
    """The others are switched; when nothing would be left the act is refused. Another end of the derogation is new."""
    await board.switch(AURA, ["ehpad"], OFF, world.now)
    assert await refused(board, world, OFF) == [""]
    batch = await board.switch(AURA, ["ehpad", "ssr"], OFF, world.now)
    assert [scope.id for scope, _ in (await board.batch(AURA, batch, world.now)).lines] == ["ssr"]
    assert world.desk.book.scopes["ehpad"].version == 2
    await board.switch(AURA, ["ehpad"], replace(OFF, derogation_until=START + 40 * DAY), world.now)
    assert not strong(world, "ehpad", START + 35 * DAY)
    await board.switch(AURA, ["ehpad"], replace(ON, effective_from=START + 5 * DAY), world.now)
    assert await refused(board, world, replace(ON, effective_from=START + 6 * DAY)) == [""]
    await board.switch(AURA, ["ehpad"], replace(ON, effective_from=START + 4 * DAY), world.now)
    assert strong(world, "ehpad", START + 4 * DAY)


async def test_r83_of_two_acts_at_one_instant_the_second_governs(board: SwitchBoard, world: World) -> None:
    """Made one after the other for the same date: the order of the acts decides, here and in a fresh book."""
    at = START + 5 * DAY
    await board.switch(AURA, ["ehpad"], replace(OFF, effective_from=at), world.now)
    world.ambient.advance(1)
    await board.switch(AURA, ["ehpad"], replace(ON, effective_from=at), world.now)
    assert strong(world, "ehpad", at)
    assert (await world.worker()).book.strong("ehpad", at)


# Preview and versions


async def test_r88_the_preview_says_what_would_change_and_who_is_stuck(board: SwitchBoard, world: World) -> None:
    """By scope with those below; together each person once, even where one scope lies in another."""
    await board.switch(AURA, ["ch"], OFF, world.now)
    where = {one.id: one.path for one in world.desk.book.scopes.values()}
    world.overview.by_path = {where["ch"]: (10, 7), where["ch-geriatrie"]: (4, 3), where["ssr"]: (5, 5)}
    at = START + 3 * DAY
    wanted = replace(ON, effective_from=at, reason="")
    found = await board.preview(AURA, ["ch", "ch-geriatrie", "ssr"], wanted, world.now)
    assert (found.people, found.stuck, found.faults) == (19, 4, {})
    ch, unit, ssr = found.effects
    assert (ch.before.why, ch.before.strong, ch.after.why, ch.after.strong) == (Why.DEROGATION, False, Why.SWITCH, True)
    assert (ch.people, ch.ready, ch.counts["no_mail"], ch.version) == (14, 10, 4, 2)
    assert (unit.before.scope, unit.after.scope) == ("ch", "ch-geriatrie")
    assert (ssr.before.why, ssr.after.why) == (Why.CUT_OFF, Why.SWITCH)
    assert world.overview.asked[-1] == (where["ch"], where["ch-geriatrie"], where["ssr"])
    assert world.desk.revision == 1
    assert not strong(world, "ch", at)


async def test_r88_a_preview_is_the_regions_as_the_act_is(board: SwitchBoard, world: World) -> None:
    with pytest.raises(NotYours):
        await board.preview(REFERENT, ["ehpad"], ON, world.now)
    with pytest.raises(NotThere):
        await board.preview(REUNION, ["ehpad"], ON, world.now)


async def test_r83_somebody_elses_change_since_the_preview_is_a_conflict(board: SwitchBoard, world: World) -> None:
    """Nothing of the act is written, not even the scopes nobody touched."""
    found = await board.preview(AURA, ["ehpad", "ssr"], OFF, world.now)
    versions = {one.scope.id: one.version for one in found.effects}
    other = board_of(world, await world.worker())
    await other.switch(AURA, ["ssr"], OFF, world.now)
    with pytest.raises(ChangedMeanwhile) as caught:
        await board.switch(AURA, ["ehpad", "ssr"], OFF, world.now, versions)
    assert caught.value.version == 2
    assert strong(world, "ehpad")
    assert await board.switch(AURA, ["ehpad"], OFF, world.now, {"ehpad": 1, "chu": 99})


# Announced


async def test_r92_an_announcement_is_said_in_the_zones_words_and_goes_with_the_switch(
    board: SwitchBoard, world: World
) -> None:
    """Only where the scope says nothing of its own; removed by undoing, unless somebody changed it."""
    await world.records.write(Update("scopes", {"banner": "Travaux"}, {"id": "ssr"}))
    world.desk._revision = -1
    await board.switch(AURA, ["ehpad", "ssr", "ch"], OFF, world.now)
    at = datetime(2026, 4, 1, 6, tzinfo=UTC)
    batch = await board.switch(AURA, ["ehpad", "ssr", "ch"], replace(ON, effective_from=at, announce=True), world.now)
    scopes = world.desk.book.scopes
    text = "L'authentification forte sera activée le 1er\u00a0avril\u00a02026 à 8\u00a0h\u00a000."
    assert (scopes["ehpad"].set.banner, scopes["ehpad"].set.banner_from) == (text, START)
    assert scopes["ssr"].set.banner == "Travaux"
    assert world.desk.book.policy(["ch-geriatrie"], world.now).banner == text
    await world.records.write(Update("scopes", {"banner": text + " Voir l'aide."}, {"id": "ch"}))
    world.desk._revision = -1
    assert await board.undo(AURA, batch, "report du calendrier", world.now) == 3
    scopes = world.desk.book.scopes
    assert (scopes["ehpad"].set.banner, scopes["ehpad"].set.banner_from) == (None, None)
    assert (scopes["ssr"].set.banner, scopes["ch"].set.banner) == ("Travaux", text + " Voir l'aide.")


# Undone


async def test_r83_undone_the_switch_before_governs_again(board: SwitchBoard, world: World) -> None:
    """Once; the history keeps both, the newest first, with who undid it and why."""
    first = await board.switch(AURA, ["ehpad", "ssr"], OFF, world.now)
    world.ambient.advance(60)
    second = await board.switch(AURA, ["ehpad", "ssr"], ON, world.now)
    world.ambient.advance(60)
    assert await board.undo(AURA, second, "trop tôt pour nous", world.now, ["ehpad"]) == 1
    assert (strong(world, "ehpad"), strong(world, "ssr")) == (False, True)
    assert not (await board.batch(AURA, second, world.now)).undone
    assert await board.undo(AURA, second, "trop tôt pour nous", world.now) == 1
    assert not strong(world, "ssr")
    assert (await board.batch(AURA, second, world.now)).undone
    for only in ((), ("ehpad",)):
        with pytest.raises(Faulty, match="déjà annulé"):
            await board.undo(AURA, second, "trop tôt pour nous", world.now, only)
    history = await board.history(AURA, "ehpad")
    assert [row["batch"] for row in history] == [second, first]
    assert (history[0]["cancelled_by"], history[0]["cancel_reason"]) == ("acc_aura", "trop tôt pour nous")
    assert history[0]["cancelled_at"] == world.now
    assert [row["scope"] for row in await world.audited("scope:switch-undo")] == ["ehpad", "ssr"]
    assert world.desk.book.scopes["ehpad"].version == 4


async def test_r87_a_batch_over_two_regions_is_undone_by_those_who_reach_all_of_it(
    board: SwitchBoard, world: World
) -> None:
    """A region sees its own lines of a nationwide act and may undo these alone."""
    batch = await board.switch(NATIONAL, ["ehpad", "chu"], OFF, world.now)
    assert [scope.id for scope, _ in (await board.batch(AURA, batch, world.now)).lines] == ["ehpad"]
    assert [scope.id for scope, _ in (await board.batch(NATIONAL, batch, world.now)).lines] == ["chu", "ehpad"]
    for only in ((), ("chu",), ("ehpad", "chu"), ("ssr",), ("ehpad", "nowhere")):
        with pytest.raises(NotThere):
            await board.undo(AURA, batch, "erreur de saisie", world.now, only)
    assert await board.undo(AURA, batch, "erreur de saisie", world.now, ["ehpad"]) == 1
    assert (strong(world, "ehpad"), strong(world, "chu")) == (True, False)


async def test_r87_batches_and_histories_elsewhere_do_not_exist(board: SwitchBoard, world: World) -> None:
    batch = await board.switch(AURA, ["ssr"], OFF, world.now)
    for actor in (REUNION, REFERENT):
        with pytest.raises(NotThere):
            await board.batch(actor, batch, world.now)
        with pytest.raises(NotThere):
            await board.undo(actor, batch, "erreur de saisie", world.now)
        with pytest.raises(NotThere):
            await board.history(actor, "ssr")
    with pytest.raises(NotThere):
        await board.batch(NATIONAL, "swb_nowhere", world.now)
    with pytest.raises(NotThere):
        await board.undo(NATIONAL, "swb_nowhere", "erreur de saisie", world.now)
    with pytest.raises(Faulty):
        await board.undo(AURA, batch, "", world.now)


# Emergencies


async def test_g26_an_emergency_opens_a_region_for_a_time_and_is_traced(board: SwitchBoard, world: World) -> None:
    await board.switch(AURA, ["ehpad"], ON, world.now)
    until = world.now + timedelta(hours=24)
    batch = await board.breakglass(AURA, "aura", until, "messagerie en panne", world.now)
    assert not any(strong(world, one) for one in ("aura", "ehpad", "ch-geriatrie"))
    assert strong(world, "chu")
    assert strong(world, "ehpad", until)
    assert world.desk.book.strong("ehpad", world.now) is False
    assert world.desk.book.ruling("ehpad", world.now, emergencies=False).strong
    (row,) = await world.audited("scope:breakglass")
    assert (row["scope"], row["facts"]["why"], row["facts"]["until"]) == (
        "aura", "messagerie en panne", until.isoformat(),
    )  # fmt: skip
    assert (await board.batch(AURA, batch, world.now)).kind is SwitchKind.BREAKGLASS
    assert await board.undo(AURA, batch, "messagerie réparée", world.now) == 1
    assert strong(world, "ehpad")


@pytest.mark.parametrize(
    ("length", "reason", "field"),
    [
        (timedelta(hours=24, seconds=1), "messagerie en panne", "until"),
        (timedelta(0), "messagerie en panne", "until"),
        (-DAY, "messagerie en panne", "until"),
        (timedelta(hours=1), "", "reason"),
    ],
)
async def test_g26_an_emergency_has_an_end_within_a_day_and_a_reason(
    board: SwitchBoard, world: World, length: timedelta, reason: str, field: str
) -> None:
    with pytest.raises(Faulty) as caught:
        await board.breakglass(AURA, "ehpad", world.now + length, reason, world.now)
    assert list(caught.value.faults) == [field]


async def test_g26_only_administrators_open_and_end_emergencies(world: World) -> None:
    board = board_of(world, referent_can_enable=True)
    until = world.now + timedelta(hours=1)
    with pytest.raises(NotYours):
        await board.breakglass(REFERENT, "ehpad", until, "messagerie en panne", world.now)
    with pytest.raises(NotThere):
        await board.breakglass(AURA, "nation", until, "messagerie en panne", world.now)
    batch = await board.breakglass(AURA, "ehpad", until, "messagerie en panne", world.now)
    with pytest.raises(NotYours):
        await board.undo(REFERENT, batch, "messagerie réparée", world.now)


# Requests


async def test_r87_a_referent_asks_and_the_region_answers(board: SwitchBoard, world: World) -> None:
    """Answering switches nothing by itself; everything is traced; elsewhere the request does not exist."""
    at = world.now + 10 * DAY
    request = await board.ask(REFERENT, "ehpad", at, "tout le monde est prêt", world.now)
    with pytest.raises(Faulty):
        await board.ask(REFERENT, "ehpad", None, "encore une fois", world.now)
    with pytest.raises(NotThere):
        await board.ask(REFERENT, "ssr", None, "les voisins aussi", world.now)
    with pytest.raises(Faulty):
        await board.ask(AURA, "ssr", world.now - DAY, "les voisins aussi", world.now)
    (row,) = await board.requests(AURA)
    assert (row["id"], row["scope_id"], row["author"], row["wanted_from"]) == (request, "ehpad", "acc_referent", at)
    assert list(await board.requests(REFERENT)) == [row]
    assert list(await board.requests(REUNION)) == []
    with pytest.raises(NotThere):
        await board.answer(REUNION, request, "done", "bascule posée", world.now)
    with pytest.raises(NotThere):
        await board.answer(AURA, "req_nowhere", "done", "bascule posée", world.now)
    with pytest.raises(NotYours):
        await board.answer(REFERENT, request, "done", "bascule posée", world.now)
    with pytest.raises(Faulty):
        await board.answer(AURA, request, "perhaps", "bascule posée", world.now)
    await board.answer(AURA, request, "done", "bascule posée", world.now)
    with pytest.raises(Faulty, match="déjà répondu"):
        await board.answer(AURA, request, "refused", "finalement non", world.now)
    assert list(await board.requests(AURA)) == []
    (settled,) = await board.requests(AURA, open_only=False)
    assert (settled["outcome"], settled["settled_by"], settled["settled_at"]) == ("done", "acc_aura", world.now)
    assert world.desk.book.scopes["ehpad"].switches == ()
    assert [row["facts"]["why"] for row in await world.audited()] == ["tout le monde est prêt", "bascule posée"]
    assert await board.ask(REFERENT, "ehpad", None, "encore une fois", world.now)


# Several at once, faults, both engines


@pytest.fixture
async def shared(url: str) -> AsyncIterator[World]:
    async with world_on(url) as made:
        yield made


async def test_r83_several_switch_at_once_on_both_engines(shared: World) -> None:
    """Expecting the same versions one wins and the others are told; expecting none, all are written, none is lost; of
    two that undo the same batch one did it."""
    boards = [board_of(shared, await shared.worker()) for _ in range(4)]
    scopes = [one[0] for one in PLACES if one[2] == "etablissement" and one[0] != "chu"]
    wishes = [replace(OFF, derogation_until=START + (10 + number) * DAY) for number in range(4)]
    said = await asyncio.gather(
        *(
            one.switch(AURA, scopes, wish, shared.now, dict.fromkeys(scopes, 1))
            for one, wish in zip(boards, wishes, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in said) == ["ChangedMeanwhile"] * 3 + ["str"]
    desk = await shared.worker()
    assert {len(desk.book.scopes[one].switches) for one in scopes} == {1}
    dated = [replace(ON, effective_from=START + (number + 1) * DAY) for number in (3, 2, 1, 0)]
    batches = await asyncio.gather(
        *(one.switch(AURA, scopes, wish, shared.now) for one, wish in zip(boards, dated, strict=True)),
        return_exceptions=True,
    )
    written = [one for one in batches if isinstance(one, str)]
    assert all(
        isinstance(one, str | Faulty) for one in batches
    )  # a later date says nothing new once an earlier is there
    desk = await shared.worker()
    assert {(len(desk.book.scopes[one].switches), desk.book.scopes[one].version) for one in scopes} == {
        (1 + len(written), 2 + len(written))
    }
    assert desk.book.strong("ehpad", START + DAY)
    undone = await asyncio.gather(
        *(one.undo(AURA, written[0], "essai du test", shared.now) for one in boards), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in undone) == ["Faulty"] * 3 + ["int"]


async def test_r93_without_the_audit_nothing_is_switched(board: SwitchBoard, world: World) -> None:
    """The record comes first: when it cannot be written, the act does not happen."""

    class Broken:
        async def record(self, record: object) -> None:
            raise RecordsUnavailable("the test says so")

    board = SwitchBoard(world.records, world.revisions, Broken(), world.desk, world.overview, world.ambient, SETTINGS)
    for act in (
        board.switch(AURA, ["ehpad"], OFF, world.now),
        board.breakglass(AURA, "ehpad", world.now + timedelta(hours=1), "messagerie en panne", world.now),
        board.ask(REFERENT, "ehpad", None, "tout le monde est prêt", world.now),
    ):
        with pytest.raises(RecordsUnavailable):
            await act
    assert await world.records.count("switches", {}) == 0
    assert await world.records.count("requests", {}) == 0
    assert world.desk.book.scopes["ehpad"].version == 1
