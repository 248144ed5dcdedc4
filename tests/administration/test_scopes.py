"""The office of scopes: settings, names, places, on a real database (R82, R91, R93)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, NotThere, NotYours
from gateway.administration.revisions import Revisions
from gateway.administration.scopes import Bounds, ScopeOffice
from gateway.audit import Record
from gateway.desk import PolicyDesk
from gateway.identity import Method
from gateway.policy.establishments import Contact
from gateway.policy.tree import Wanted
from gateway.ports import Update
from tests.administration.world import AURA, CLI, NATIONAL, REFERENT, REUNION, World, person, world_in, world_on

BOUNDS = Bounds(
    code_validity_max=timedelta(seconds=28_800),
    second_factor_memory_max=timedelta(seconds=28_800),
    session_absolute_max=timedelta(hours=4),
    session_idle_max=timedelta(hours=1),
    channels=("mail", "sms"),
    means=("card", "psc", "otp_mail", "otp_sms"),
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


def office_of(world: World, desk: PolicyDesk | None = None) -> ScopeOffice:
    return ScopeOffice(
        world.records, Revisions(world.records, None), world.audit, desk or world.desk, world.ambient, BOUNDS
    )


@pytest.fixture
def office(world: World) -> ScopeOffice:
    return office_of(world)


async def edited(office: ScopeOffice, world: World, scope: str = "ehpad", actor: Actor = AURA, **changes: Any) -> Any:
    return await office.edit(actor, scope, None, changes, "essai du test", world.now)


async def faults_of(
    office: ScopeOffice, world: World, scope: str = "ehpad", actor: Actor = AURA, **changes: Any
) -> Any:
    with pytest.raises(Faulty) as caught:
        await edited(office, world, scope, actor, **changes)
    return caught.value.faults


# Seeing


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (NATIONAL, {"nation", "aura", "rhone", "ehpad", "chu"}),
        (CLI, {"nation", "aura", "rhone", "ehpad", "chu"}),
        (AURA, {"aura", "rhone", "ehpad"}),
        (REUNION, {"chu"}),
        (REFERENT, {"ehpad"}),
    ],
)
def test_r87_one_sees_ones_own_and_nothing_tells_of_the_rest(office: ScopeOffice, actor: Actor, seen: set[str]) -> None:
    for scope in ("nation", "aura", "rhone", "ehpad", "chu", "nowhere"):
        if scope in seen:
            assert office.see(actor, scope).id == scope
        else:
            with pytest.raises(NotThere):
                office.see(actor, scope)


def test_r87_pages_of_scopes_and_their_cursor(office: ScopeOffice, world: World) -> None:
    """Every scope of the reach once, in order; the last page has no cursor, a full last page neither."""
    names: list[str] = []
    after = ""
    for _ in range(10):
        page, after = office.find(AURA, Wanted(), world.now, after=after, limit=3)
        names += [one.id for one in page]
        if not after:
            break
    assert names == ["aura", "rhone", "exemple-sante", "ch", "ehpad", "ssr", "ch-geriatrie"]
    assert office.find(AURA, Wanted(), world.now, limit=7)[1] == ""
    assert office.find(AURA, Wanted(), world.now, limit=6)[1] == "ssr"


@pytest.mark.parametrize("cursor", ["chu", "nowhere"])
def test_r87_a_cursor_tells_nothing_of_what_is_out_of_reach(office: ScopeOffice, world: World, cursor: str) -> None:
    """A scope of another region and one that does not exist are answered alike."""
    with pytest.raises(Faulty) as caught:
        office.find(AURA, Wanted(), world.now, after=cursor)
    assert caught.value.faults == {"after": ["Cette page n'existe pas."]}


# Settings

CONTACTS = [{"label": "Équipe régionale", "url": "mailto:aide@example.test", "topics": ["codes"]}]
SETTINGS: list[tuple[str, Any, Any]] = [
    ("code_validity", 28_800, timedelta(hours=8)),
    ("code_validity", 60, timedelta(minutes=1)),
    ("second_factor_memory", 0, timedelta(0)),
    ("second_factor_memory", 3600, timedelta(hours=1)),
    ("session_absolute", 14_400, timedelta(hours=4)),
    ("session_idle", 60, timedelta(minutes=1)),
    ("channels", ["sms", "mail"], ("sms", "mail")),
    ("methods", ["card", "otp_mail"], frozenset({Method.CPS, Method.CPE, Method.CPA, Method.CPF, Method.OTP_MAIL})),
    ("banner", "Travaux samedi\u00a0: voir l'aide", "Travaux samedi\u00a0: voir l'aide"),
    ("banner", "", ""),
    ("contacts", CONTACTS, (Contact("Équipe régionale", "mailto:aide@example.test", ("codes",)),)),
    ("contacts", [], ()),
]


@pytest.mark.parametrize(("name", "value", "expected"), SETTINGS)
async def test_r91_each_setting_is_kept_and_can_be_given_back(
    office: ScopeOffice, world: World, name: str, value: Any, expected: Any
) -> None:
    """In force at once in this worker and, read from the database, in another; ``None`` inherits again."""
    scope = await edited(office, world, **{name: value})
    assert getattr(scope.set, name) == expected
    other = await world.worker()
    assert other.book.scopes["ehpad"] == scope == world.desk.book.scopes["ehpad"]
    said = office.sourced_as_json("ehpad")[name]
    assert (said["from"], said["from_name"], said["set_here"]) == ("ehpad", "EHPAD Les Glycines", True)
    assert said["value"] == (["card", "otp_mail"] if name == "methods" else value)
    assert getattr((await edited(office, world, **{name: None})).set, name) is None
    assert office.sourced_as_json("ehpad")[name]["set_here"] is False


REFUSED: list[tuple[str, Any]] = [
    *(("code_validity", value) for value in (28_801, 59, 0, -1, 600.0, "600", True, [600], 10**30)),
    *(("second_factor_memory", value) for value in (28_801, -1, True)),
    *(("session_absolute", value) for value in (14_401, 59)),
    *(("session_idle", value) for value in (3_601, 59)),
    *(("channels", value) for value in ([], ["totp"], ["mail", "pigeon"], "mail", {"mail": 1}, [["mail"]])),
    *(("methods", value) for value in ([], ["passkey"], ["cps"], "card", [None])),
    *(("banner", value) for value in ("x" * 501, "a\nb", "a\x00b", "\u202eabc", 3, ["a"])),
    *(("banner_from", value) for value in ("demain", "2026-03-02", "2026-03-02T10:00:00", 5, "0001-01-01T00:00+14:00")),
    *(("contacts", value) for value in ("x", [1], [{"label": "A"}], CONTACTS * 11)),
    ("contacts", [{"label": "A", "url": "javascript:alert(1)"}]),
    ("contacts", [{"label": "A", "url": "http://example.test/"}]),
    ("contacts", [{"label": "", "url": "https://example.test/"}]),
    ("contacts", [{"label": "A", "url": "https://example.test/", "color": "red"}]),
    ("contacts", [{"label": "A", "url": "https://example.test/", "topics": "codes"}]),
    ("colour", "red"),
    ("id", "other"),
    ("version", 3),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
async def test_r91_what_lies_outside_the_bounds_is_refused_and_nothing_written(
    office: ScopeOffice, world: World, name: str, value: Any
) -> None:
    """28 801 s is refused (R91); so is every other shape; the field is named, and a sound one beside it is not kept."""
    before = world.desk.book
    faults = await faults_of(
        office,
        world,
        session_idle=(900 if name != "session_idle" else value),
        **{name: value} if name != "session_idle" else {},
    )
    assert list(faults) == [name]
    assert world.desk.book is before
    assert await world.audited() == []


async def test_r91_several_faults_are_said_together(office: ScopeOffice, world: World) -> None:
    assert set(await faults_of(office, world, code_validity=1, channels=[], banner="Bientôt")) == {
        "code_validity",
        "channels",
    }


async def test_r91_a_value_beyond_todays_bounds_stays_until_it_is_changed(office: ScopeOffice, world: World) -> None:
    """Bounds that were tightened do not make a page unusable whose other fields are edited."""
    await world.records.write(Update("scopes", {"session_idle": 7200}, {"id": "ehpad"}))
    world.desk.__init__(world.records, world.desk._defaults, timedelta(minutes=15))  # type: ignore[misc]
    scope = await edited(office, world, session_idle=7200, code_validity=120)
    assert (scope.set.session_idle, scope.set.code_validity) == (timedelta(hours=2), timedelta(minutes=2))
    assert "session_idle" in await faults_of(office, world, session_idle=7201)


async def test_r92_a_date_of_a_banner_needs_the_banner_and_goes_with_it(office: ScopeOffice, world: World) -> None:
    assert "banner_from" in await faults_of(office, world, banner_from="2026-04-01T08:00:00+02:00")
    scope = await edited(office, world, banner="Bientôt", banner_from="2026-04-01T08:00:00+02:00")
    assert scope.set.banner_from is not None
    assert office.sourced_as_json("ehpad")["banner_from"]["value"] == "2026-04-01T06:00:00+00:00"
    assert (await edited(office, world, banner=None)).set.banner_from is None


async def test_r82_the_page_shows_each_value_with_its_origin(office: ScopeOffice, world: World) -> None:
    await edited(office, world, "aura", code_validity=28_800)
    await edited(office, world, channels=["mail", "sms"])
    shown = office.sourced_as_json("ehpad")
    assert shown["code_validity"] == {
        "value": 28_800, "from": "aura", "from_name": "Auvergne-Rhône-Alpes", "set_here": False,
    }  # fmt: skip
    assert shown["channels"]["set_here"] is True
    assert shown["session_idle"] == {"value": 1800, "from": None, "from_name": "Réglage national", "set_here": False}
    assert shown["methods"]["value"] is None
    assert shown["legal"]["value"]["card"] == {"status": "cpx", "reference": "", "until": None}
    json.dumps(shown)


async def test_r91_nothing_new_writes_nothing(office: ScopeOffice, world: World) -> None:
    """Neither a version, nor a revision, nor a line of the audit."""
    await edited(office, world, code_validity=120, name="EHPAD Les Glycines", city="Lyon", retired=False)
    before = world.desk.revision, len(await world.audited())
    scope = await edited(
        office,
        world,
        code_validity=120,
        name=" EHPAD Les Glycines ",
        city="Lyon",
        parent="exemple-sante",
        channels=None,
    )
    assert scope.version == 2
    assert (world.desk.revision, len(await world.audited())) == before


async def test_r93_old_new_who_and_why_are_written_before(office: ScopeOffice, world: World) -> None:
    await edited(office, world, code_validity=120)
    await office.edit(
        AURA, "ehpad", 2, {"code_validity": 600, "name": "Les Lilas"}, "  demande   du 3 mars ", world.now
    )
    rows = await world.audited()
    assert [(row["act"], row["scope"]) for row in rows] == [
        ("policy:change", "ehpad"),
        ("policy:change", "ehpad"),
        ("scope:change", "ehpad"),
    ]
    facts = rows[1]["facts"]
    assert (json.loads(facts["old"]), json.loads(facts["new"])) == ({"code_validity": 120}, {"code_validity": 600})
    assert (facts["why"], facts["author"], facts["author_name"]) == ("demande du 3 mars", "acc_aura", "Aude Aura")
    assert (rows[1]["address"], rows[1]["correlation"]) == ("192.0.2.2", "req_2")
    assert json.loads(rows[2]["facts"]["new"]) == {"name": "Les Lilas"}
    row = (await world.records.find("scopes", {"id": "ehpad"}))[0]
    assert (row["version"], row["revision"], row["updated_at"]) == (3, 2, world.now)


@pytest.mark.parametrize(("seconds", "reason", "taken"), [(0, "", True), (60, "", False), (60, "cas d'usage 3", True)])
async def test_g11_a_memory_of_the_second_factor_needs_its_reason(
    office: ScopeOffice, world: World, seconds: int, reason: str, taken: bool
) -> None:
    change = office.edit(AURA, "ehpad", 1, {"second_factor_memory": seconds}, reason, world.now)
    if taken:
        assert (await change).version == 2
    else:
        with pytest.raises(Faulty) as caught:
            await change
        assert list(caught.value.faults) == ["reason"]


async def test_g24_long_memories_and_long_codes_are_said(office: ScopeOffice, world: World) -> None:
    """Also where they come from above; exactly four hours and ten minutes are within the advice."""
    assert office.warnings(office.see(AURA, "ehpad")) == []
    await edited(office, world, "aura", second_factor_memory=14_400, code_validity=600)
    assert office.warnings(office.see(AURA, "ehpad")) == []
    await edited(office, world, "aura", second_factor_memory=14_401, code_validity=601)
    assert len(office.warnings(office.see(AURA, "ehpad"))) == 2


HOMOLOGATED = {"status": "homologue", "reference": "H-2026-1", "until": "2030-01-01T00:00:00+00:00"}


async def test_g3_only_the_nation_sets_the_legal_status(office: ScopeOffice, world: World) -> None:
    with pytest.raises(NotYours):
        await edited(office, world, legal={"otp_mail": HOMOLOGATED})
    await edited(office, world, "aura", NATIONAL, legal={"otp_mail": HOMOLOGATED, "otp_sms": {"status": "interdit"}})
    shown = office.sourced_as_json("ehpad")["legal"]
    assert shown["value"]["otp_mail"] == HOMOLOGATED
    assert shown["sources"]["otp_mail"] == {"from": "aura", "from_name": "Auvergne-Rhône-Alpes"}
    assert shown["sources"]["passkey"] == {"from": None, "from_name": "Réglage national"}
    assert world.desk.book.policy(["ehpad"], world.now).methods == frozenset(Method) - {Method.OTP_SMS}
    with pytest.raises(Faulty, match="motif"):
        await office.edit(NATIONAL, "aura", None, {"legal": None}, "", world.now)


@pytest.mark.parametrize(
    "legal",
    [
        {"telepathy": {"status": "interdit"}},
        {"psc": {"status": "interdit"}},
        {"card": {"status": "transition"}},
        {"otp_mail": {"status": "psc"}},
        {"otp_mail": {"status": "homologue"}},
        {"otp_mail": {**HOMOLOGATED, "reference": ""}},
        {"otp_mail": {**HOMOLOGATED, "until": None}},
        {"otp_mail": {**HOMOLOGATED, "until": "2030"}},
        {"otp_mail": {"status": ["interdit"]}},
        {"otp_mail": {"status": "interdit", "by": "me"}},
        {"otp_mail": "interdit"},
        ["otp_mail"],
    ],
)
async def test_g3_g8_a_status_that_says_too_little_is_refused(office: ScopeOffice, world: World, legal: Any) -> None:
    assert list(await faults_of(office, world, "aura", NATIONAL, legal=legal)) == ["legal"]


# Who, and versions


@pytest.mark.parametrize(
    ("actor", "scope", "error"),
    [
        (REFERENT, "ehpad", NotYours),
        (REFERENT, "ssr", NotThere),
        (REUNION, "ehpad", NotThere),
        (AURA, "nation", NotThere),
    ],
)
@pytest.mark.parametrize(
    "changes", [{"code_validity": 120}, {"name": "Autre"}, {"legal": {}}, {"code_validity": 1}, {"x": 1}]
)
async def test_r87_settings_are_the_regions_own(
    office: ScopeOffice, world: World, actor: Actor, scope: str, error: type[Exception], changes: dict[str, Any]
) -> None:
    """A référent reads and does not write (403); another region's scope does not exist (404), faulty form or not."""
    with pytest.raises(error):
        await office.edit(actor, scope, 99, changes, "", world.now)
    assert await world.audited() == []


async def test_r91_a_version_that_is_not_the_present_one_is_a_conflict(office: ScopeOffice, world: World) -> None:
    await office.edit(AURA, "ehpad", 1, {"code_validity": 120}, "", world.now)
    with pytest.raises(ChangedMeanwhile) as caught:
        await office.edit(AURA, "ehpad", 1, {"code_validity": 180}, "", world.now)
    assert caught.value.version == 2
    assert world.desk.book.scopes["ehpad"].set.code_validity == timedelta(seconds=120)


async def test_r91_another_workers_change_is_seen_before_judging(office: ScopeOffice, world: World) -> None:
    """This worker's book is old by a second: the version is still judged by the database's."""
    other = office_of(world, await world.worker())
    await edited(other, world, code_validity=120)
    with pytest.raises(ChangedMeanwhile) as caught:
        await office.edit(AURA, "ehpad", 1, {"session_idle": 120}, "", world.now)
    assert caught.value.version == 2


async def test_r91_r93_an_act_that_is_overtaken_is_thought_over_and_told_once(world: World) -> None:
    """Somebody else writes between the look and the writing: both changes are kept, and each has one line of audit; an
    act that expected the version before is refused after all."""
    other = office_of(world, await world.worker())

    class Slow:
        async def record(self, record: Record) -> None:
            await world.audit.record(record)
            for name in late:
                late.remove(name)
                await edited(other, world, **{name: 120})

    late = ["session_idle"]
    office = ScopeOffice(world.records, world.revisions, Slow(), world.desk, world.ambient, BOUNDS)
    scope = await edited(office, world, code_validity=180)
    assert (scope.version, scope.set.session_idle, scope.set.code_validity) == (
        3, timedelta(seconds=120), timedelta(seconds=180),
    )  # fmt: skip
    assert [json.loads(row["facts"]["new"]) for row in await world.audited()] == [
        {"code_validity": 180},
        {"session_idle": 120},
    ]
    late.append("session_absolute")
    with pytest.raises(ChangedMeanwhile) as caught:
        await office.edit(AURA, "ehpad", 3, {"code_validity": 240}, "", world.now)
    assert caught.value.version == 4
    assert world.desk.book.scopes["ehpad"].set.code_validity == timedelta(seconds=180)


# The tree


async def test_r82_create_below_ones_own_reach(office: ScopeOffice, world: World) -> None:
    scope = await office.create(
        AURA,
        "exemple-sante",
        "etablissement",
        " Clinique  ",
        finess="69 078 004 4",
        city="Bron",
        reason="",
        now=world.now,
    )
    assert (scope.id, scope.finess, scope.name, scope.city) == ("690780044", "690780044", "Clinique", "Bron")
    assert scope.path == "/nation/aura/rhone/exemple-sante/690780044/"
    assert office.see(AURA, "690780044") == scope
    assert [one.id for one in office.find(AURA, Wanted(text="bron"), world.now)[0]] == ["690780044"]
    (row,) = await world.audited("scope:change")
    assert json.loads(row["facts"]["new"])["finess"] == "690780044"
    unit = await office.create(AURA, scope.id, "service", "Unité d'été n° 1", reason="ouverture", now=world.now)
    assert unit.id == "unite-d-ete-n-1"
    again = await office.create(AURA, scope.id, "service", "Unité d'été n° 1", reason="ouverture", now=world.now)
    assert again.id == "unite-d-ete-n-1-2"


CREATED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "region"}, "kind"),
    ({"kind": "nation"}, "kind"),
    ({"kind": "galaxy"}, "kind"),
    ({"kind": "entite"}, "kind"),
    ({"name": "A"}, "name"),
    ({"name": "A" * 121}, "name"),
    ({"name": "A\x07B"}, "name"),
    ({"city": "x" * 81}, "city"),
    ({"finess": "690780011"}, "finess"),
    ({"finess": "690780010"}, "finess"),
    ({"finess": "69078"}, "finess"),
    ({"scope_id": "ehpad"}, "scope_id"),
    ({"scope_id": "chu"}, "scope_id"),
    ({"scope_id": "Majuscule"}, "scope_id"),
    ({"scope_id": "-a"}, "scope_id"),
    ({"scope_id": "a/b"}, "scope_id"),
    ({"scope_id": "a" * 65}, "scope_id"),
    ({"scope_id": "é"}, "scope_id"),
    ({"reason": "x" * 201}, "reason"),
]


@pytest.mark.parametrize(("wrong", "field"), CREATED)
async def test_r82_what_cannot_be_created_says_which_field(
    office: ScopeOffice, world: World, wrong: dict[str, Any], field: str
) -> None:
    sound = {"kind": "etablissement", "name": "Clinique", "reason": "ouverture"}
    values = {**sound, **wrong}
    kind, name = values.pop("kind"), values.pop("name")
    with pytest.raises(Faulty) as caught:
        await office.create(AURA, "exemple-sante", kind, name, now=world.now, **values)
    assert list(caught.value.faults) == [field]


@pytest.mark.parametrize(
    ("actor", "parent", "error"),
    [
        (REFERENT, "ehpad", NotYours),
        (AURA, "reunion", NotThere),
        (AURA, "nation", NotThere),
        (AURA, "nowhere", NotThere),
    ],
)
async def test_r87_nobody_creates_outside_their_reach(
    office: ScopeOffice, world: World, actor: Actor, parent: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await office.create(actor, parent, "service", "Unité", reason="", now=world.now)


async def test_r82_a_move_takes_along_what_lies_below(office: ScopeOffice, world: World) -> None:
    """Paths and policy follow at once, in every worker; the version of what moved along stays."""
    await edited(office, world, "aura", code_validity=120)
    await edited(office, world, "reunion", NATIONAL, code_validity=180)
    scope = await edited(office, world, "exemple-sante", NATIONAL, parent="reunion")
    assert scope.path == "/nation/reunion/exemple-sante/"
    other = await world.worker()
    for desk in (world.desk, other):
        unit = desk.book.scopes["ch-geriatrie"]
        assert unit.path == "/nation/reunion/exemple-sante/ch/ch-geriatrie/"
        assert unit.version == 1
        assert desk.book.policy(["ch-geriatrie"], world.now).code_validity == timedelta(seconds=180)
    with pytest.raises(NotThere):
        office.see(AURA, "ch")
    assert office.see(REUNION, "ch").id == "ch"
    (row,) = await world.audited("scope:change")
    assert (json.loads(row["facts"]["old"]), json.loads(row["facts"]["new"])) == (
        {"parent": "rhone"},
        {"parent": "reunion"},
    )


@pytest.mark.parametrize(
    ("scope", "parent", "actor", "error"),
    [
        ("exemple-sante", "ch", AURA, Faulty),
        ("exemple-sante", "exemple-sante", AURA, Faulty),
        ("rhone", "ehpad", AURA, Faulty),
        ("ch", "ssr", AURA, Faulty),
        ("ch-geriatrie", "chu", AURA, NotThere),
        ("ch-geriatrie", "nowhere", AURA, NotThere),
        ("ch-geriatrie", None, AURA, Faulty),
        ("ch-geriatrie", 7, AURA, Faulty),
        ("aura", "reunion", AURA, NotYours),
        ("aura", "reunion", NATIONAL, Faulty),
        ("nation", "aura", NATIONAL, Faulty),
    ],
)
async def test_r82_moves_that_make_no_tree_or_leave_ones_reach_are_refused(
    office: ScopeOffice, world: World, scope: str, parent: Any, actor: Actor, error: type[Exception]
) -> None:
    before = world.desk.book
    with pytest.raises(error):
        await edited(office, world, scope, actor, parent=parent)
    assert world.desk.book is before


async def test_r82_a_scope_ends_when_nobody_and_nothing_is_attached(office: ScopeOffice, world: World) -> None:
    """Living children are named, people are counted; afterwards it may be opened again, below a living one."""
    await world.records.write(*person("acc_1", "ch-geriatrie"))
    assert "Gériatrie" in (await faults_of(office, world, "ch", retired=True))["retired"][0]
    assert "1" in (await faults_of(office, world, "ch-geriatrie", retired=True))["retired"][0]
    assert "retired" in await faults_of(office, world, "nation", NATIONAL, retired=True)
    assert "retired" in await faults_of(office, world, "ch-geriatrie", retired="oui")
    await world.records.write(Update("memberships", {"scope_id": "ehpad"}, {"account_id": "acc_1"}))
    assert (await edited(office, world, "ch-geriatrie", retired=True)).retired
    assert (await edited(office, world, "ch", retired=True)).retired
    assert [one.id for one in office.find(AURA, Wanted(retired=True), world.now)[0]] == ["ch", "ch-geriatrie"]
    assert "retired" in await faults_of(office, world, "ch-geriatrie", retired=False)
    with pytest.raises(Faulty):
        await office.create(AURA, "ch", "service", "Unité", reason="", now=world.now)
    with pytest.raises(Faulty, match="motif"):
        await office.edit(AURA, "ch", None, {"retired": False}, "", world.now)
    assert not (await edited(office, world, "ch", retired=False)).retired
    assert not (await edited(office, world, "ch-geriatrie", retired=False)).retired


@pytest.mark.parametrize("value", ["A", "A" * 121, "  ", "A\x00B", "\ud800\ud800", 5, None])
async def test_r82_names_are_two_to_a_hundred_and_twenty_readable_characters(
    office: ScopeOffice, world: World, value: Any
) -> None:
    assert list(await faults_of(office, world, name=value)) == ["name"]


async def test_r82_a_town_may_be_taken_away(office: ScopeOffice, world: World) -> None:
    assert (await edited(office, world, city=None)).city is None
    assert (await edited(office, world, city="Oullins")).city == "Oullins"
    assert (await edited(office, world, city="")).city is None


# Two at once, on both engines


@pytest.fixture
async def shared(url: str) -> AsyncIterator[World]:
    async with world_on(url) as made:
        yield made


async def test_r91_two_at_once_on_both_engines(shared: World) -> None:
    """Of edits that expect the same version exactly one is written, the others are told; edits that expect none are all
    written one after the other; two moves that would make a circle together make none."""
    offices = [office_of(shared, await shared.worker()) for _ in range(4)]
    edits = [
        one.edit(AURA, "ehpad", 1, {"code_validity": 100 + number}, "", shared.now)
        for number, one in enumerate(offices)
    ]
    said = await asyncio.gather(*edits, return_exceptions=True)
    assert sorted(type(one).__name__ for one in said) == ["ChangedMeanwhile"] * 3 + ["Scope"]
    assert {one.version for one in said if isinstance(one, ChangedMeanwhile)} == {2}
    names = ("code_validity", "session_idle", "session_absolute", "second_factor_memory")
    every = [
        one.edit(AURA, "ssr", None, {name: 120}, "essai du test", shared.now)
        for one, name in zip(offices, names, strict=True)
    ]
    await asyncio.gather(*every)
    desk = await shared.worker()
    assert desk.book.scopes["ssr"].version == 5
    assert all(getattr(desk.book.scopes["ssr"].set, name) == timedelta(seconds=120) for name in names)
    await offices[0].create(AURA, "aura", "departement", "Un", scope_id="one", reason="", now=shared.now)
    await offices[0].create(AURA, "aura", "departement", "Deux", scope_id="two", reason="", now=shared.now)
    moves = [
        offices[0].edit(AURA, "exemple-sante", None, {"parent": "one"}, "essai du test", shared.now),
        offices[1].create(AURA, "exemple-sante", "etablissement", "Neuf", scope_id="new", reason="", now=shared.now),
        offices[2].edit(AURA, "one", None, {"retired": True}, "essai du test", shared.now),
        offices[3].edit(AURA, "ch-geriatrie", None, {"parent": "ssr"}, "essai du test", shared.now),
    ]
    said = await asyncio.gather(*moves, return_exceptions=True)
    assert not [one for one in said if isinstance(one, BaseException) and not isinstance(one, Faulty)]
    desk = await shared.worker()
    for scope in desk.book.scopes.values():
        above = desk.book.scopes[scope.parent].path if scope.parent else "/"
        assert scope.path == f"{above}{scope.id}/"
    assert not (desk.book.scopes["one"].retired and desk.book.scopes["exemple-sante"].parent == "one")
