"""Questions over many rows: SQLite and a real PostgreSQL, against a model in Python over ``accounts.account``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from gateway.accounts.account import Standing
from gateway.accounts.register import account_of, mail_key
from gateway.edges.database import Database
from gateway.edges.overview import SqlOverview
from gateway.identity import searchable
from gateway.overview import CATEGORIES, STOPS, AccountQuery, AuditQuery, Measure, Page
from gateway.ports import Insert
from gateway.reasons import RecordsUnavailable
from tests.blank import opened

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
YEAR = timedelta(days=365)
MEASURE = Measure(NOW, YEAR, ("SERVICE", "EHPAD", "ACCUEIL"), ("accueil", "secrétariat", "contact"))
# id, parent, kind
TREE = (
    ("nation", None, "nation"), ("r1", "nation", "region"), ("r2", "nation", "region"), ("r10", "nation", "region"),
    ("d1", "r1", "departement"), ("d2", "r2", "departement"), ("e1", "d1", "etablissement"),
    ("e2", "d1", "etablissement"), ("e3", "d2", "etablissement"), ("e10", "r10", "etablissement"),
    ("s1", "e1", "service"), ("s2", "e1", "service"), ("s3", "e3", "service"),
)  # fmt: skip


def path_of(scope: str) -> str:
    parents = {one: parent for one, parent, _ in TREE}
    parts = [scope]
    while (parent := parents[parts[0]]) is not None:
        parts.insert(0, parent)
    return "/" + "/".join(parts) + "/"


PATHS = {one: path_of(one) for one, _, _ in TREE}
ANCHORS = {one: parent if kind == "service" else one for one, parent, kind in TREE}
REACHES: tuple[tuple[str, ...], ...] = (
    ("/",), (PATHS["nation"],), (PATHS["r1"],), (PATHS["e1"],), (PATHS["s1"],), (PATHS["s1"], PATHS["r2"]),
    (PATHS["r1"], PATHS["e1"]), (PATHS["e2"], PATHS["s3"]), (),
)  # fmt: skip


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = await opened(url)
    await made.write(
        *(
            Insert("scopes", {
                "id": one, "parent_id": parent, "kind": kind, "name": one, "path": PATHS[one], "revision": 0,
                "updated_at": NOW, "version": 1,
            })
            for one, parent, kind in TREE
        )
    )  # fmt: skip
    yield made
    await made.close()


@pytest.fixture
def overview(database: Database) -> SqlOverview:
    return SqlOverview(database)


def account(number: int | str, family: str = "MARTIN", given: str = "Zoé", **changes: Any) -> Insert:
    mail = changes.get("mail", f"p{number}@example.test")
    values: dict[str, Any] = {
        "id": f"acc_{number}",
        "family_name": family,
        "given_name": given,
        "search": searchable(family, given),
        "mail": mail,
        "mail_key": mail_key(mail) if mail else None,
        "mail_canonical": mail_key(mail) if mail else None,
        "mail_proved_at": NOW,
        "first_strong_at": NOW,
        "national_id": None,
        "last_sign_in_at": NOW,
        "origin": "import",
        "space_default": "professionnel",
        "password_must_change": False,
        "password_hash": "$secret$",
        "created_at": NOW - 3 * YEAR,
        "updated_at": NOW,
        "version": 1,
    }
    return Insert("accounts", values | changes)


def member(number: int | str, *scopes: str) -> list[Insert]:
    return [Insert("memberships", {"account_id": f"acc_{number}", "scope_id": one, "since": NOW}) for one in scopes]


# The model


@dataclass
class Person:
    """An account as written, and where it is attached."""

    row: dict[str, Any]
    scopes: tuple[str, ...]

    def within(self, reach: Sequence[str]) -> bool:
        if "/" in reach:
            return True
        return any(PATHS[scope].startswith(top) for scope in self.scopes for top in reach)

    def anchors(self, reach: Sequence[str]) -> set[str | None]:
        return {ANCHORS[one] for one in self.scopes if any(PATHS[one].startswith(top) for top in reach)}


ABSENT = (
    "profession", "specialty", "phone", "phone_proved_at", "address", "postal_code", "city", "password_set_at",
    "last_method", "last_channel", "suspended_at", "closed_at", "reactivated_at", "warned_at", "memory_void_at",
    "stated_profession",
    "charter_version", "charter_at",
)  # fmt: skip


def model(people: Sequence[Person], reach: Sequence[str]) -> dict[str, dict[str, bool]]:
    """By id, the categories and ``ready`` of everybody within reach, as ``Account`` and its rules say."""
    living = [one for one in people if one.row.get("closed_at") is None]
    found: dict[str, dict[str, bool]] = {}
    for one in living:
        if not one.within(reach):
            continue
        person = account_of({**dict.fromkeys(ABSENT), **one.row}, [], list(one.scopes))
        awake = replace(person, suspended_at=None)
        flags = {
            "no_mail": not person.mail,
            "unproved_mail": bool(person.mail) and person.mail_proved_at is None,
            "shared_mail": person.mail_shared,
            "generic_mailbox": (one.row["mail_canonical"] or "@").partition("@")[0] in MEASURE.generic_mailboxes,
            "generic_name": person.named_generically(MEASURE.generic_names),
            "duplicate": any(
                other is not one
                and other.row["search"] == one.row["search"]
                and other.anchors(reach) & one.anchors(reach)
                for other in living
            ),
            "dormant": awake.standing(NOW, YEAR) is Standing.DORMANT,
            "never_strong": person.first_strong_at is None,
            "no_national_id": person.national_id is None,
            "suspended": person.standing(NOW, YEAR) is Standing.SUSPENDED,
        }
        reachable = person.mail_proved_at is not None or (person.phone and person.phone_proved_at is not None)
        stopped = any(flags[name] for name in STOPS)
        found[person.id] = {**flags, "ready": not stopped, "ready_strict": bool(reachable) and not stopped}
    return found


def population(seed: int, size: int = 60) -> list[Person]:
    """Few names, few addresses, instants on and beside the edge: everything meets everything."""
    chance = Random(seed)
    edge = NOW - YEAR
    instants = (None, NOW, edge, edge - timedelta(microseconds=1), edge + timedelta(microseconds=1), edge - YEAR)
    people = []
    for number in range(size):
        address = chance.choice(
            (None, "", f"u{number}@a.test", f"accueil@a{number}.test", f"Secrétariat@b{number}.test", "same@c.test")
        )
        shared = address == "same@c.test" or (bool(address) and chance.random() < 0.1)
        key = mail_key(address) if address else None
        made = account(
            f"{chance.randrange(10**6):06d}{number}",
            chance.choice(("MARTIN", "D'ALMÉIDA", "SERVICE", "SERVICES", "LE GOFF-EHPAD")),
            chance.choice(("Zoé", "Accueil", "Jean", "")),
            mail=address,
            mail_key=None if shared else key,
            mail_canonical=key,
            mail_proved_at=chance.choice((None, NOW)) if address else None,
            phone=(phone := chance.choice((None, f"+3361234{number:04d}"))),
            phone_proved_at=chance.choice((None, NOW)) if phone else None,
            created_at=chance.choice(instants[2:]),
            last_sign_in_at=chance.choice(instants),
            reactivated_at=chance.choice((None, *instants)),
            first_strong_at=chance.choice((None, NOW)),
            national_id=chance.choice((None, f"8{number:011d}")),
            suspended_at=NOW if chance.random() < 0.1 else None,
            closed_at=NOW if chance.random() < 0.1 else None,
        )
        where = chance.sample([one for one, _, _ in TREE], chance.choice((0, 1, 1, 1, 2, 3)))
        people.append(Person(dict(made.values), tuple(where)))
    return people


async def write(database: Database, people: Sequence[Person]) -> None:
    await database.write(*(Insert("accounts", one.row) for one in people))
    await database.write(
        *(entry for one in people for entry in member(one.row["id"].removeprefix("acc_"), *one.scopes))
    )


async def walk(overview: SqlOverview, query: AccountQuery) -> list[dict[str, Any]]:
    """All pages of a list."""
    rows: list[dict[str, Any]] = []
    while True:
        page = await overview.accounts(query, MEASURE)
        rows += [dict(row) for row in page.rows]
        if not page.cursor:
            return rows
        assert page.rows
        query = replace(query, after=page.cursor)


@pytest.mark.parametrize(("seed", "spans"), [(0, 4), (1, 0)])
async def test_r88_the_database_judges_as_the_accounts_do(
    database: Database, overview: SqlOverview, seed: int, spans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts and lists of every category, for every kind of reach, are those of the model, to the microsecond; whether
    its tops are spelled out or listed."""
    monkeypatch.setattr("gateway.edges.findings._SPANS", spans)
    people = population(seed)
    await write(database, people)
    for reach in REACHES:
        expected = model(people, reach)
        found = await overview.readiness(reach, MEASURE)
        assert found.people == len(expected)
        assert found.ready == sum(flags["ready"] for flags in expected.values())
        assert found.counts == {name: sum(flags[name] for flags in expected.values()) for name in CATEGORIES}
        rows = await walk(overview, AccountQuery(reach, limit=13))
        assert len(rows) == len({row["id"] for row in rows})
        for row in rows:
            assert {name: bool(row[name]) for name in (*CATEGORIES, "ready")}.items() <= expected[
                str(row["id"])
            ].items()
        strict = await overview.readiness(reach, replace(MEASURE, prove_first=True))
        assert strict.ready == sum(flags["ready_strict"] for flags in expected.values())
        assert [row["search"] for row in rows] == sorted(row["search"] for row in rows)
        for category in (*CATEGORIES, "ready"):
            listed = await walk(overview, AccountQuery(reach, category=category, limit=13))
            assert {row["id"] for row in listed} == {one for one, flags in expected.items() if flags[category]}


@pytest.mark.parametrize("seed", range(20, 24))
async def test_r88_many_scopes_at_once_are_what_each_is_alone(
    database: Database, overview: SqlOverview, seed: int
) -> None:
    """Whatever lies below or beside whatever, for everything, roots, scopes without people and paths of no scope."""
    await write(database, population(seed))
    tops = {"everything": "/", "nowhere": "/nation/r9/", "again": PATHS["e1"], 'a "key"\\': PATHS["s1"], **PATHS}
    found = await overview.readiness_each(tops, MEASURE)
    assert found == {one: await overview.readiness((top,), MEASURE) for one, top in tops.items()}
    assert found["e1"] == found["again"] and found["nowhere"].people == 0
    assert set(found["nowhere"].counts) == set(CATEGORIES)
    assert await overview.readiness_each({}, MEASURE) == {}
    strict = replace(MEASURE, prove_first=True)
    assert (await overview.readiness_each(tops, strict))["r1"] == await overview.readiness((PATHS["r1"],), strict)


async def test_r88_two_thousand_scopes_are_one_reach(database: Database, overview: SqlOverview) -> None:
    """All there is below a region, named scope by scope, answers every question as the region itself does."""
    region, number = PATHS["r10"], 2000
    tops = [f"{region}x{one}/" for one in range(number)]
    await database.write(
        *(
            Insert("scopes", {
                "id": f"x{one}", "parent_id": "r10", "kind": "etablissement", "name": f"x{one}", "path": top,
                "revision": 0, "updated_at": NOW, "version": 1,
            })
            for one, top in enumerate(tops)
        )
    )  # fmt: skip
    people = population(7, 80)
    for one, person in enumerate(people):
        person.scopes = (f"x{one % 6}", f"x{number - 1 - one}")[: 1 + one % 2] if one % 3 else ("e1",)
    await write(database, people)
    day = NOW.date().isoformat()
    await database.write(
        trace(1, account_id=people[1].row["id"]),
        trace(2, scope="x1999"),
        trace(3, scope="e1"),
        trace(4, "role:grant", people[2].row["id"], "x3"),
        *(
            Insert("statistics", {"day": day, "scope_id": scope, "measure": "sign_in:cps", "count": 3})
            for scope in ("x1", "x1999", "r10/", "e1")
        ),
    )
    one, many = (region,), tuple(tops)
    expected = await overview.readiness(one, MEASURE)
    assert expected.people > 40 and expected.counts["duplicate"] > 4
    assert await overview.readiness(many, MEASURE) == expected
    whole = await overview.readiness_each({top: top for top in tops}, MEASURE)
    assert len(whole) == number and sum(found.people for found in whole.values()) >= expected.people
    for asked in ({}, {"text": "mar"}, {"category": "duplicate"}, {"category": "ready"}, {"scope_path": PATHS["r10"]}):
        rows = await walk(overview, AccountQuery(one, limit=20, **asked))
        assert rows == await walk(overview, AccountQuery(many, limit=20, **asked)) and rows
    assert [row["seq"] for row in await overview.audit(AuditQuery(many))] == [4, 2, 1]
    assert [row["seq"] for row in await overview.audit(AuditQuery(many, acts=("session:open",)))] == [2, 1]
    ids = [str(person.row["id"]) for person in people]
    assert await overview.places(ids, many) == await overview.places(ids, one)
    sums = await overview.statistics(many, day, day)
    assert [row["count"] for row in sums] == [6]
    assert [(row["scope_id"], row["count"]) for row in await overview.by_region(many, day, day)] == [("r10", 6)]


@pytest.mark.parametrize("few", [0, 10**6])
async def test_a_list_is_the_same_from_either_side(
    database: Database, overview: SqlOverview, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going from the scopes to their people or from the people to their scopes finds the same page, with words too."""
    monkeypatch.setattr("gateway.edges.overview._FEW", few)
    people = population(11, 80)
    await write(database, people)
    for words in ("", "mar", "z", "le ehp", "almei d", "serv"):
        for reach in REACHES[1:]:
            rows = await walk(overview, AccountQuery(reach, text=words, limit=5))
            asked = searchable(words).split()
            expected = [
                one.row["id"]
                for one in people
                if one.row["closed_at"] is None
                and one.within(reach)
                and all(any(w.startswith(word) for w in one.row["search"].split()) for word in asked)
            ]
            assert sorted(row["id"] for row in rows) == sorted(expected)
            if asked:
                begins = [row["search"].startswith(asked[0]) for row in rows]
                assert begins == sorted(begins, reverse=True)


async def test_r88_people_of_scopes_count_once_and_not_when_closed(database: Database, overview: SqlOverview) -> None:
    """Somebody of two services is one person of their establishment; a scope nobody is in has none."""
    people = population(5)
    await write(database, people)
    numbers = await overview.people([*PATHS, "nowhere"])
    assert numbers == {
        **{one: len(model(people, (path,))) for one, path in PATHS.items()},
        "nowhere": 0,
    }


async def test_names_beginning_with_another_scopes_path_are_not_below_it(
    database: Database, overview: SqlOverview
) -> None:
    """``/nation/r1/`` does not reach into ``/nation/r10/``."""
    await database.write(account(1), *member(1, "e10"))
    assert (await overview.readiness((PATHS["r1"],), MEASURE)).people == 0
    assert (await overview.readiness((PATHS["r10"],), MEASURE)).people == 1


async def test_r88_a_namesake_outside_the_reach_is_not_told(database: Database, overview: SqlOverview) -> None:
    """Two of one name in two services are duplicates for their establishment, and not for whoever sees one service."""
    await database.write(account(1), account(2), *member(1, "s1"), *member(2, "s2"))
    assert (await overview.readiness((PATHS["e1"],), MEASURE)).counts["duplicate"] == 2
    assert (await overview.readiness((PATHS["s1"],), MEASURE)).counts["duplicate"] == 0
    page = await overview.accounts(AccountQuery((PATHS["e1"],), scope_path=PATHS["s1"]), MEASURE)
    assert [row["duplicate"] for row in page.rows] == [0]


async def test_r100_a_list_never_leaves_the_reach(database: Database, overview: SqlOverview) -> None:
    """Not by a path outside it, not by an exact login or address, and without a password hash."""
    await database.write(
        account(1, mail="here@a.test"),
        account(2, mail="there@a.test"),
        Insert("logins", {"key": "u:there", "account_id": "acc_2", "created_at": NOW}),
        *member(1, "e1"),
        *member(2, "e3"),
    )

    async def found(**asked: Any) -> list[Any]:
        return [row["id"] for row in (await overview.accounts(AccountQuery(**asked), MEASURE)).rows]

    mine = (PATHS["r1"],)
    assert await found(reach=mine, scope_path=PATHS["e3"]) == []
    assert await found(reach=mine, scope_path=PATHS["nation"]) == ["acc_1"]
    assert await found(reach=mine, text="there@a.test") == []
    assert await found(reach=mine, text="there") == []
    assert await found(reach=("/",), text="There@A.test") == ["acc_2"]
    assert await found(reach=("/",), text="there") == ["acc_2"]
    assert await found(reach=(), text="there") == []
    page = await overview.accounts(AccountQuery(mine), MEASURE)
    assert "password_hash" not in page.rows[0]


async def test_an_exact_login_comes_before_the_names(database: Database, overview: SqlOverview) -> None:
    """Each person once, whatever they were found by, over pages of one."""
    await database.write(
        account(1, "MARTIN", "Ada"),
        account(2, "MARTINEAU", "Zoé"),
        account(3, "ABEL", "Martin"),
        account(4, "ZORN", "Luc"),
        Insert("logins", {"key": "u:martin", "account_id": "acc_4", "created_at": NOW}),
        Insert("logins", {"key": "810003456789", "account_id": "acc_2", "created_at": NOW}),
    )
    rows = await walk(overview, AccountQuery(("/",), text=" Martin ", limit=1))
    assert [row["id"] for row in rows] == ["acc_4", "acc_1", "acc_2", "acc_3"]
    rows = await walk(overview, AccountQuery(("/",), text="10003456789"))
    assert [row["id"] for row in rows] == ["acc_2"]


async def test_a_cursor_of_nobody_is_the_beginning(database: Database, overview: SqlOverview) -> None:
    """What the address bar may hold does no harm."""
    await database.write(account(1), account(2))
    for cursor in ("x", "9.MARTIN~acc_1", "~", "2", "1.~", "'; DROP TABLE accounts --"):
        page = await overview.accounts(AccountQuery(("/",), after=cursor), MEASURE)
        assert isinstance(page, Page) and len(page.rows) == 2, cursor
    assert not (await overview.accounts(AccountQuery(("/",), text="%_--"), MEASURE)).rows
    with pytest.raises(LookupError):
        await overview.accounts(AccountQuery(("/",), category="password_hash"), MEASURE)


# Audit


def trace(number: int, act: str = "session:open", account_id: str | None = None, scope: str | None = None) -> Insert:
    return Insert(
        "audit",
        {
            "seq": number,
            "at": NOW + timedelta(seconds=number),
            "act": act,
            "account": account_id,
            "scope": scope,
            "facts": "{}",
        },
    )


@pytest.mark.parametrize("few", [0, 10**6])
async def test_r93_the_audit_is_read_within_reach(
    database: Database, overview: SqlOverview, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, from either side: rows of one's scopes and people, and never a scope outside, not even beside a
    person of one's own."""
    monkeypatch.setattr("gateway.edges.audit_view._FEW", few)
    await database.write(account(1), account(2), account(3), *member(1, "s1"), *member(2, "e3"))
    await database.write(
        trace(1, account_id="acc_1"),
        trace(2, account_id="acc_2"),
        trace(3, "scope:switch", scope="e1"),
        trace(4, "scope:switch", scope="r1"),
        trace(5, "role:grant", "acc_1", "e3"),
        trace(6, "role:grant", "acc_1", "e1"),
        trace(7),
        trace(8, account_id="acc_1"),
        trace(9, account_id="acc_3"),
    )

    async def found(*reach: str, **asked: Any) -> list[Any]:
        return [row["seq"] for row in await overview.audit(AuditQuery(reach, **asked))]

    assert await found("/") == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert await found(PATHS["e1"]) == [8, 6, 3, 1]
    assert await found(PATHS["e1"], limit=2) == [8, 6]
    assert await found(PATHS["e1"], before=6) == [3, 1]
    assert await found(PATHS["r1"]) == [8, 6, 4, 3, 1]
    assert await found(PATHS["nation"], scope_path=PATHS["r2"]) == [5, 2]
    assert await found(PATHS["e1"], scope_path=PATHS["r2"]) == []
    assert await found(PATHS["e1"], account="acc_1") == [8, 6, 1]
    assert await found(PATHS["e1"], account="acc_2") == []
    assert await found(PATHS["e1"], scope="r1") == []
    assert await found(PATHS["r1"], scope="r1") == [4]
    assert await found(PATHS["e1"], acts=("role:grant", "scope:switch")) == [6, 3]
    assert await found("/", acts=("role:grant", "scope:switch", "no:act"), limit=3) == [6, 5, 4]
    assert await found("/", account="acc_1", acts=("role:grant",)) == [6, 5]
    since, until = NOW + timedelta(seconds=3), NOW + timedelta(seconds=8)
    assert await found(PATHS["r1"], since=since, until=until) == [6, 4, 3]
    assert await found() == []


async def test_places_are_told_within_reach_only(database: Database, overview: SqlOverview) -> None:
    """Where somebody works besides is not one's business."""
    await database.write(account(1), *member(1, "s1", "e3"))
    assert await overview.places(["acc_1"], (PATHS["e1"],)) == {"acc_1": ["s1"]}
    assert await overview.places(["acc_1"], ("/",)) == {"acc_1": ["e3", "s1"]}
    assert await overview.places([], ("/",)) == {}


# Long reads


async def test_long_reads_wait_in_line_and_leave_others_alone(database: Database, overview: SqlOverview) -> None:
    """Ten dashboards at once are all answered, and a short read in between does not wait for them."""
    await write(database, population(3, 30))
    many = [asyncio.create_task(overview.readiness(("/",), MEASURE)) for _ in range(10)]
    assert await database.count("accounts", {}) == 30
    assert len({found.people for found in await asyncio.gather(*many)}) == 1


async def test_a_read_without_end_is_given_up(
    database: Database, overview: SqlOverview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends as ``RecordsUnavailable``, like everything the database does not answer, and the next read is answered."""
    monkeypatch.setattr("gateway.edges.database._PATIENCE", 0.5)
    impatient = Database(str(database._engine.url.render_as_string(hide_password=False)).replace("+aiosqlite", ""))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT max(x) FROM n"
    with pytest.raises(RecordsUnavailable):
        await impatient.read(text(endless))
    await impatient.close()
    assert (await overview.readiness(("/",), MEASURE)).people == 0
