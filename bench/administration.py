"""How long the questions of administrators take on a register made by ``bench.population``, and by which plans.

\b
python -m bench.administration --url sqlite:////var/tmp/big.db
python -m bench.administration --url postgresql+psycopg://postgres@127.0.0.1/big --plans

First with a connection that has read nothing yet, then the median of three more. ``--plans`` shows how the database
goes about each of them. ``dashboard``, ``table`` and ``switch`` are words too: the last writes, and undoes what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog

from bench.population import NOW
from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor
from gateway.administration.dashboard import Dashboard
from gateway.administration.readiness import ReadinessReport
from gateway.administration.revisions import Revisions
from gateway.administration.switching import SwitchBoard, SwitchSettings, Wanted
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.overview import SqlOverview
from gateway.edges.schema import memberships, scopes
from gateway.edges.system import SystemAmbient
from gateway.edges.tally import Tally
from gateway.overview import AccountQuery, AuditQuery, Measure
from gateway.policy.establishments import Defaults, State
from gateway.settings.people import GENERIC_MAILBOXES, GENERIC_NAMES

MEASURE = Measure(NOW, timedelta(days=365), GENERIC_NAMES, GENERIC_MAILBOXES)
_DAY = timedelta(days=1)
Question = Callable[[SqlOverview], Awaitable[object]]


class Map:
    """One scope of each level, the one with the most people below it, and one service and establishment like most."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    async def read(self, database: Database) -> None:
        for kind in ("region", "departement", "etablissement", "service"):
            joined = scopes.join(memberships, memberships.c.scope_id == scopes.c.id)
            rows = await database.read(
                sa.select(scopes.c.id, scopes.c.path, sa.func.count().label("people"))
                .select_from(joined if kind not in ("region", "departement") else scopes)
                .where(scopes.c.kind == kind)
                .group_by(scopes.c.id, scopes.c.path)
                .having(sa.func.count() >= (5 if kind in ("etablissement", "service") else 1))
                .order_by(scopes.c.id)
                .limit(1)
            )
            self.ids[kind], self.paths[kind] = cast(str, rows[0]["id"]), cast(str, rows[0]["path"])


def questions(where: Map, deep: str, top: list[str]) -> dict[str, Question]:
    """What pages ask."""
    nation, region = ("/",), (where.paths["region"],)
    department, house, service = (
        (where.paths["departement"],),
        (where.paths["etablissement"],),
        (where.paths["service"],),
    )

    def people(**asked: Any) -> Question:
        return lambda overview: overview.accounts(AccountQuery(**asked), MEASURE)

    def audit(**asked: Any) -> Question:
        return lambda overview: overview.audit(AuditQuery(**asked))

    def ready(reach: tuple[str, ...]) -> Question:
        return lambda overview: overview.readiness(reach, MEASURE)

    since, until = (NOW - 90 * _DAY).date().isoformat(), NOW.date().isoformat()
    return {
        "readiness, one service": ready(service),
        "readiness, one establishment": ready(house),
        "readiness, one department": ready(department),
        "readiness, one region": ready(region),
        "readiness, nation": ready(nation),
        "people, nation, page 1": people(reach=nation),
        "people, nation, page 5 000": people(reach=nation, after=deep),
        "people, region, page 1": people(reach=region),
        "people, region, deep page": people(reach=region, after=deep),
        "people, establishment": people(reach=house),
        "people, nation, `martin jean`": people(reach=nation, text="martin jean"),
        "people, nation, given name `zoe`": people(reach=nation, text="zoe"),
        "people, nation, nobody": people(reach=nation, text="zzz zzz"),
        "people, region, `mar`": people(reach=region, text="mar"),
        "people, region, nobody": people(reach=region, text="zzz zzz"),
        "people, nation, a login": people(reach=nation, text="p4711"),
        "people, region, shared_mail": people(reach=region, category="shared_mail"),
        "people, region, duplicate": people(reach=region, category="duplicate"),
        "people, nation, dormant": people(reach=nation, category="dormant"),
        "people, nation, duplicate": people(reach=nation, category="duplicate"),
        "numbers of 50 establishments": lambda overview: overview.people(top),
        "number of one region": lambda overview: overview.people([where.ids["region"]]),
        "statistics, nation, 90 days": lambda overview: overview.statistics(nation, since, until),
        "statistics, region, 90 days": lambda overview: overview.statistics(region, since, until),
        "statistics, establishment, 90 days": lambda overview: overview.statistics(house, since, until),
        "by region, 90 days": lambda overview: overview.by_region(nation, since, until),
        "audit, establishment": audit(reach=house),
        "audit, department": audit(reach=department),
        "audit, region": audit(reach=region),
        "audit, region, switches": audit(reach=region, acts=("scope:switch",)),
        "audit, nation": audit(reach=nation),
        "audit, nation, one rare act": audit(reach=nation, acts=("scope:breakglass",)),
        "audit, nation, one day of last month": audit(reach=nation, since=NOW - 21 * _DAY, until=NOW - 20 * _DAY),
    }


async def _fresh(url: str, question: Question) -> float:
    """With a connection that has read nothing yet."""
    database = Database(url)
    await database.read(sa.select(sa.literal(1)))
    begun = time.perf_counter()
    await question(SqlOverview(database))
    spent = time.perf_counter() - begun
    await database.close()
    return spent


async def _again(database: Database, question: Question) -> tuple[float, float]:
    """Seconds of the clock, and of this process's CPU: with SQLite all the work is done here."""
    clock, work = [], []
    for _ in range(4):
        begun, used = time.perf_counter(), time.process_time()
        await question(SqlOverview(database))
        clock.append(time.perf_counter() - begun)
        work.append(time.process_time() - used)
    return median(clock[1:]), median(work[1:])


@contextmanager
def _heard(database: Database, said: list[tuple[str, Any]]) -> Iterator[None]:
    """Every statement that long reads execute meanwhile."""
    engine = database._readers.sync_engine

    def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        said.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", listen)
    yield
    sa.event.remove(engine, "before_cursor_execute", listen)


async def _plans(database: Database, question: Question) -> list[str]:
    said: list[tuple[str, Any]] = []
    with _heard(database, said):
        await question(SqlOverview(database))
    lines: list[str] = []
    engine = database._readers
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "
    for statement, parameters in said:
        async with engine.connect() as connection:
            rows = await connection.exec_driver_sql(explain + statement, parameters)
            lines += [str(row[-1]) for row in rows] + [""]
    return lines[:-1]


async def measure(url: str, names: list[str], *, plans: bool) -> None:
    database = Database(url)
    await database.migrate()
    where = Map()
    await where.read(database)
    keys = await database.read(
        sa.text("SELECT search, id FROM accounts WHERE search > '' ORDER BY search, id LIMIT 1 OFFSET 250000")
    )
    deep = f"2.{str(keys[0]['search']).replace(' ', '.')}~{keys[0]['id']}" if keys else ""
    top = [
        str(row["id"]) for row in await database.read(sa.text("SELECT id FROM scopes WHERE id LIKE 'eta-%' LIMIT 50"))
    ]
    begun = time.perf_counter()
    begin = (NOW - 2 * _DAY).replace(hour=0, minute=0)
    await Tally(database).events(begin.date().isoformat(), begin, begin + _DAY)
    print(f"{'rolling up a day of sign-ins':42} {time.perf_counter() - begun:8.2f} s")
    for name, question in questions(where, deep, top).items():
        if names and not any(word in name for word in names):
            continue
        cold = await _fresh(url, question)
        warm, work = await _again(database, question)
        print(f"{name:42} {cold * 1000:8.1f} ms {warm * 1000:8.1f} ms {work * 1000:8.1f} ms of CPU", flush=True)
        if plans:
            print("\n".join("    " + line for line in await _plans(database, question)))
    acts = {"dashboard", "table", "switch"} & set(names) if names else {"dashboard", "table", "switch"}
    if acts:
        desk = await _desk(database)
        if "dashboard" in acts:
            await _dashboards(database, desk, where)
        if "table" in acts:
            await _reports(database, desk, where)
        if "switch" in acts:
            await _switches(database, desk)
    await database.close()


_ACTOR = Actor("bench", "", (Grant(Role.NATIONAL, ""),))
_PARIS = ZoneInfo("Europe/Paris")


async def _desk(database: Database) -> PolicyDesk:
    desk = PolicyDesk(database, Defaults(datetime(2030, 1, 1, tzinfo=UTC)), timedelta(minutes=15))
    begun = time.perf_counter()
    await desk.refresh()
    print(f"{'reading the policy of all scopes':42} {time.perf_counter() - begun:8.2f} s")
    return desk


async def _timed(name: str, work: Callable[[], Awaitable[object]], times: int = 2) -> None:
    """Seconds of the clock each time, and of this process's CPU the last time."""
    said, used = "", 0.0
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        await work()
        said += f" {(time.perf_counter() - begun) * 1000:8.1f} ms"
        used = time.process_time() - used
    print(f"{name:42}{said} {used * 1000:8.1f} ms of CPU", flush=True)


async def _dashboards(database: Database, desk: PolicyDesk, where: Map) -> None:
    """The whole page's figures, twice: what may be a minute old is counted in the first alone."""
    board = Dashboard(desk, SqlOverview(database), lambda _: MEASURE, _PARIS)
    for name, scope in (("nation", ""), ("region", where.ids["region"]), ("establishment", where.ids["etablissement"])):
        await _timed(f"dashboard, {name}", lambda scope=scope: board.figures(_ACTOR, NOW, 90, scope))  # type: ignore[misc]


async def _reports(database: Database, desk: PolicyDesk, where: Map) -> None:
    """The table of readiness, whole."""
    report = ReadinessReport(desk, SqlOverview(database), lambda _: MEASURE, _PARIS, Journal(database, b"k" * 32))

    async def table(scope: str, category: str) -> None:
        async for _ in report.csv(_ACTOR, scope, NOW, category):
            pass

    for kind in ("etablissement", "departement", "region"):
        await _timed(f"table, {kind}", lambda kind=kind: table(where.ids[kind], ""), 1)  # type: ignore[misc]
    await _timed("table, region, shared_mail", lambda: table(where.ids["region"], "shared_mail"), 1)


async def _switches(database: Database, desk: PolicyDesk) -> None:
    """Previews of many establishments; the largest act, and its undoing."""
    settings = SwitchSettings(
        timedelta(days=180),
        timedelta(hours=24),
        True,
        False,
        MEASURE.dormancy,
        GENERIC_NAMES,
        GENERIC_MAILBOXES,
        _PARIS,
    )
    journal, revisions = Journal(database, b"k" * 32), Revisions(database, None)
    board = SwitchBoard(database, revisions, journal, desk, SqlOverview(database), SystemAmbient(), settings)
    houses = [one.id for one in desk.book.scopes.values() if one.kind == "etablissement" and not one.retired]
    wanted = Wanted(State.STRONG, "Essai de vitesse", NOW + 90 * _DAY)
    for number in (20, 200, 2000):
        chosen = houses[:: len(houses) // number][:number]
        await _timed(
            f"preview, {number} establishments",
            lambda chosen=chosen: board.preview(_ACTOR, chosen, wanted, NOW),  # type: ignore[misc]
        )
    many = houses[:: len(houses) // 2000][:2000]
    made: list[str] = []

    async def switch() -> None:
        made.append(await board.switch(_ACTOR, many, wanted, NOW))

    await _timed("switch, 2000 establishments", switch, 1)
    await _timed("undo, 2000 establishments", lambda: board.undo(_ACTOR, made[0], "Essai de vitesse", NOW), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.administration", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("words", nargs="*", help="only questions with one of these words")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # four thousand acts
    asyncio.run(measure(asked.url, asked.words, plans=asked.plans))


if __name__ == "__main__":
    main()
