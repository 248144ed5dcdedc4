"""How much a whole country asks of the gateway: who they are, what they do on a Monday morning, what that makes a second.

\b
python -m bench.nation
python -m bench.nation --costs bench/costs.json      # and how many cores that is, on three machines of four workers

Three kinds of figures, and each says which it is: *given* ones stand in the requirements (R143: four hours, thirty minutes;
sizes of structures as the survey of La Réunion found them); *assumed* ones are round orders of magnitude that nobody
measured, chosen so that the country comes out rather too busy than too quiet; *measured* ones come from ``bench.costs``. The
register is about as large as the one that ``bench.population`` makes. Pure but for ``main``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CODE, CARD, PSC = "password and code", "card", "Pro Santé Connect"
MEANS = (CODE, CARD, PSC)
DATABASE_STATEMENTS = 2  # a question for facts asks the account and what belongs to it (gateway.accounts.register)
FULL = 0.6  # of a core: beyond, times get long and a lost machine cannot be made up for

# Given: 70 % of structures have fewer than 5 people with an account, 26 % have 5 to 20, 4 % have 20 to 100.
STRUCTURE_SIZES = ((0.70, 2.5), (0.26, 12.0), (0.04, 50.0))  # assumed: the middle of each class


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of professionals. ``active``: the share that comes on an ordinary working day; ``sign_ins``: of each of
    these, that day; ``by``: shares of the means, together 1. All assumed, but for what ``origin`` says."""

    name: str
    accounts: int
    active: float
    sign_ins: float
    by: Mapping[str, float]
    acts_for: float = 0.0  # share of sign-ins after which they act for a doctor
    origin: str = "assumed"

    @property
    def daily(self) -> float:
        """Sign-ins of an ordinary day."""
        return self.accounts * self.active * self.sign_ins


@dataclass(frozen=True, slots=True)
class Habits:
    """What people do, whoever they are. Times in seconds."""

    monday: float = 1.3  # assumed: the busiest day against the ordinary one
    peak_hour: float = 0.20  # assumed: share of the day's sign-ins between nine and ten
    peak_minute: float = 2.0  # assumed: the worst minute of that hour against its mean
    work: float = 20 * 60  # assumed: from the sign-in to the last page
    idle: float = 30 * 60  # given (R143): the session stays so much longer
    page_every: float = 30.0  # assumed: while at work
    requests_a_page: float = 8.0  # assumed: page, scripts, images, questions behind it
    answer: float = 20 * 1024  # assumed: bytes of the mean answer
    signs_out: float = 0.3  # assumed: share that presses the button; the others just leave
    codes_again: float = 0.1  # assumed: codes asked for a second time
    by_mail: float = 0.85  # assumed; the rest by SMS and by an application of one's own
    by_sms: float = 0.10
    wrong: float = 0.10  # assumed: refused passwords for each that is right
    back_within: float = 10 * 60  # assumed: after an outage that ended all sessions, those at work are back within so
    administrators: int = 31_000  # assumed: one référent a structure, and the teams of regions and nation
    administrators_active: float = 0.05  # assumed: of these, on one day
    administrators_pages: float = 20.0  # assumed: of each, within eight hours


def structure_size() -> float:
    """People with an account in the mean structure."""
    return sum(share * size for share, size in STRUCTURE_SIZES)


STRUCTURES = 30_000  # assumed: EHPAD, follow-up care, disability, MDPH and others outside hospitals
KINDS: tuple[Kind, ...] = (
    Kind("médecins libéraux", 100_000, 0.12, 1.5, {PSC: 0.55, CARD: 0.25, CODE: 0.20}),
    Kind("hospital teams", 190_000, 0.25, 2.0, {PSC: 0.40, CARD: 0.10, CODE: 0.50}),
    Kind(
        "teams of smaller structures",
        round(STRUCTURES * structure_size()),
        0.35,
        1.5,
        {PSC: 0.30, CARD: 0.05, CODE: 0.65},
        origin=f"{STRUCTURES:,} structures (assumed) of {structure_size():.2f} people (sizes given)",
    ),
    Kind("practice staff with a delegation", 20_000, 0.30, 1.5, {PSC: 0.30, CARD: 0.50, CODE: 0.20}, acts_for=0.8),
)


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the gateway in one second, and how many are there at once."""

    name: str
    sign_ins: Mapping[str, float]
    sessions: float
    at_work: float
    requests: float
    pages: float
    mails: float
    sms: float
    audit_rows: float
    passwords: float  # checks of a password, wrong ones included
    megabits: float

    @property
    def all_sign_ins(self) -> float:
        return sum(self.sign_ins.values())


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured: CPU of the gateway's processes alone, in milliseconds, on one core of the machine they were measured on."""

    sign_in: Mapping[str, float]
    warm: float  # one request of a session this worker knows
    cold: float  # the first one of a session for this worker, or the first after five seconds (``gateway.gate.FACTS_AGE``)

    @classmethod
    def read(cls, path: Path) -> Costs:
        """As ``bench.costs`` wrote them."""
        data = json.loads(path.read_text())
        return cls(data["sign_in"], data["warm"], data["cold"])


def monday(kinds: Sequence[Kind] = KINDS, habits: Habits | None = None, *, name: str = "Monday, nine to ten") -> Load:
    """The mean second of the busiest hour."""
    habits = habits or Habits()
    share = habits.monday * habits.peak_hour / 3600
    by = {means: sum(kind.daily * kind.by[means] for kind in kinds) * share for means in MEANS}
    acting = sum(kind.daily * kind.acts_for for kind in kinds) * share
    rate = sum(by.values())
    # Little: how many are there is how many come a second, times how long they stay.
    return _load(name, by, acting, rate * (habits.work + habits.idle), rate * habits.work, habits)


def worst_minute(load: Load, habits: Habits | None = None) -> Load:
    """Twice as many come as in the mean minute; those who are there already are as many."""
    habits = habits or Habits()
    by = {means: rate * habits.peak_minute for means, rate in load.sign_ins.items()}
    return _load("its worst minute", by, 0.0, load.sessions, load.at_work, habits)


def psc_outage(load: Load, habits: Habits | None = None) -> Load:
    """Pro Santé Connect is away for the whole country: who came that way types a password and a code."""
    habits = habits or Habits()
    by = {CODE: load.sign_ins[CODE] + load.sign_ins[PSC], CARD: load.sign_ins[CARD], PSC: 0.0}
    return _load("and Pro Santé Connect away", by, 0.0, load.sessions, load.at_work, habits)


def herd(load: Load, habits: Habits | None = None) -> Load:
    """All sessions were lost: everybody at work signs in again, and those who come anyway come too."""
    habits = habits or Habits()
    again = load.at_work / habits.back_within
    rate = load.all_sign_ins
    by = {means: share + again * share / rate for means, share in load.sign_ins.items()}
    return _load("everybody signed out at once", by, 0.0, load.at_work, load.at_work, habits)


def _load(name: str, by: Mapping[str, float], acting: float, sessions: float, at_work: float, habits: Habits) -> Load:
    codes = by[CODE] * (1 + habits.codes_again)
    pages = at_work / habits.page_every
    requests = pages * habits.requests_a_page
    rate = sum(by.values())
    passwords = by[CODE] * (1 + habits.wrong)
    # One row for each sign-in, one more for each code, each refusal, each sign-out, each time somebody begins to act.
    rows = rate + codes + by[CODE] * habits.wrong + rate * habits.signs_out + acting
    return Load(
        name,
        by,
        sessions,
        at_work,
        requests,
        pages,
        codes * habits.by_mail,
        codes * habits.by_sms,
        rows,
        passwords,
        requests * habits.answer * 8 / 1e6,
    )


def loads(kinds: Sequence[Kind] = KINDS, habits: Habits | None = None) -> tuple[Load, ...]:
    """The mornings that have to be carried."""
    habits = habits or Habits()
    hour = monday(kinds, habits)
    worst = worst_minute(hour, habits)
    return hour, worst, psc_outage(worst, habits), herd(hour, habits)


def asked_workers(requests: float, workers: int) -> float:
    """How many workers the requests of one page reach, each going to any of them: so many ask for the person's facts, as
    pages follow each other more slowly than facts age."""
    return workers * (1 - (1 - 1 / workers) ** requests)


def questions(load: Load, reach: int, habits: Habits | None = None) -> float:
    """Questions for facts in a second, when a person's requests go to any of ``reach`` workers: one read of the store, and
    ``DATABASE_STATEMENTS`` of the records, each."""
    habits = habits or Habits()
    return load.pages * asked_workers(habits.requests_a_page, reach)


def cores(load: Load, costs: Costs, reach: int, habits: Habits | None = None) -> float:
    """How many cores the gateways' own work is, without TLS of users: what a terminator or its listener adds is apart."""
    cold = questions(load, reach, habits)
    spent = sum(rate * costs.sign_in[means] for means, rate in load.sign_ins.items())
    spent += cold * costs.cold + max(0.0, load.requests - cold) * costs.warm
    return spent / 1000


def carried(load: Load, costs: Costs, workers: int, reach: int, habits: Habits | None = None) -> float:
    """Which part of this load so many workers carry, each with a core of its own that is used to ``FULL``."""
    return workers * FULL / cores(load, costs, reach, habits)


def administrators(habits: Habits | None = None) -> float:
    """Pages of administration in a second, over eight hours."""
    habits = habits or Habits()
    return habits.administrators * habits.administrators_active * habits.administrators_pages / (8 * 3600)


def scaled(kinds: Sequence[Kind], scale: float) -> tuple[Kind, ...]:
    """The same country, smaller."""
    return tuple(replace(kind, accounts=round(kind.accounts * scale)) for kind in kinds)


def people_table(kinds: Sequence[Kind] = KINDS) -> str:
    """Who they are, as Markdown."""
    lines = [
        "| Who | Accounts | Active a day | Sign-ins a day | by code | by card | by PSC |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        by = " | ".join(f"{kind.by[means]:.0%}" for means in MEANS)
        lines.append(f"| {kind.name} | {kind.accounts:,} | {kind.active:.0%} | {kind.daily:,.0f} | {by} |")
    total, daily = sum(kind.accounts for kind in kinds), sum(kind.daily for kind in kinds)
    by = " | ".join(f"{sum(kind.daily * kind.by[means] for kind in kinds) / daily:.0%}" for means in MEANS)
    active = sum(kind.accounts * kind.active for kind in kinds) / total
    lines.append(f"| all | {total:,} | {active:.0%} | {daily:,.0f} | {by} |")
    return "\n".join(lines)


def load_table(found: Sequence[Load]) -> str:
    """What that makes a second, as Markdown; one column for each morning."""
    rows: list[tuple[str, list[str]]] = [
        ("sign-ins a second", [f"{one.all_sign_ins:.1f}" for one in found]),
        *((f"… by {means}", [f"{one.sign_ins[means]:.1f}" for one in found]) for means in MEANS),
        ("passwords checked a second", [f"{one.passwords:.1f}" for one in found]),
        ("mails / SMS a second", [f"{one.mails:.1f} / {one.sms:.1f}" for one in found]),
        ("sessions at once", [f"{one.sessions:,.0f}" for one in found]),
        ("… of them at work", [f"{one.at_work:,.0f}" for one in found]),
        ("protected requests a second", [f"{one.requests:,.0f}" for one in found]),
        ("rows of the audit a second", [f"{one.audit_rows:.0f}" for one in found]),
        ("Mbit/s of answers", [f"{one.megabits:,.0f}" for one in found]),
    ]
    lines = [f"| | {' | '.join(one.name for one in found)} |", "|---" * (len(found) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)])


def carried_table(found: Sequence[Load], costs: Costs, estates: Sequence[tuple[int, int]]) -> str:
    """Which part of the country so many workers carry, as Markdown. ``estates``: workers in all, and how many of them one
    person's requests reach."""
    names = " | ".join(one.name for one in found)
    lines = [
        f"| Workers | a person reaches | statements for facts a second | {names} |",
        "|---" * (len(found) + 3) + "|",
    ]
    for workers, reach in estates:
        cells = " | ".join(
            f"{cores(one, costs, reach):.1f} cores, carried {carried(one, costs, workers, reach):.0%}" for one in found
        )
        lines.append(f"| {workers} | {reach} | {questions(found[0], reach) * DATABASE_STATEMENTS:,.0f} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.nation", description=__doc__)
    parser.add_argument("--costs", type=Path, help="what bench.costs wrote: then also how many cores that is")
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4, help="of each machine")
    options = parser.parse_args()
    found = loads()
    print(people_table(), load_table(found), sep="\n\n")
    print(f"\nPages of administration: {administrators():.1f} a second.")
    if options.costs:
        one, all_of_them = options.workers, options.workers * options.machines
        # The last of them: a balancer that keeps a person on one machine.
        estates = [(1, 1), (one, one), (all_of_them, all_of_them), (all_of_them, one)]
        print("\n" + carried_table(found, Costs.read(options.costs), estates))


if __name__ == "__main__":
    main()
