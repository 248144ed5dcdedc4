"""A whole country's register for measuring: scopes, people, their traces. The same seed makes the same rows.

\b
python -m bench.population --accounts 500000 --scopes 100000 --url sqlite:////var/tmp/big.db
python -m bench.population --accounts 500000 --scopes 100000 --url postgresql+psycopg://postgres@127.0.0.1/big

The database must be empty. Shares are chosen to look like a register that grew for ten years: one person in ten in two
places, one in thirty in none, addresses that several people read, names that are a service's, long sleepers.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from gateway.edges.database import Database
from gateway.identity import searchable

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REGIONS = 18
DEPARTMENTS = 101
_BATCH = 20_000
_DAY = timedelta(days=1)
_SYLLABLES = (
    "MAR", "TIN", "BER", "NARD", "DU", "RAND", "PE", "TIT", "LE", "ROY", "MO", "REAU", "GI", "RARD", "FON", "TAI", "CHE",
    "VA", "LIER", "BON", "NET", "GAR", "CIA", "DA", "VID", "RO", "BERT", "SI", "MON", "LAU", "RENT", "BRUN", "NOEL", "MEY",
)  # fmt: skip
_GIVEN = (
    "MARIE", "JEAN", "PAULE", "NATHALIE", "ISABELLE", "PIERRE", "SYLVIE", "CATHERINE", "MICHEL", "NICOLAS", "SANDRINE",
    "VALERIE", "KARINE", "JULIEN", "THOMAS", "SOPHIE", "CELINE", "AURELIE", "EMILIE", "JULIE", "CAMILLE", "LEA", "CHLOE",
    "MANON", "INES", "ANNE-LAURE", "MARC", "LUC", "HUGO", "YANN", "FATIMA", "KARIM", "MOHAMED", "LINH", "OLGA", "ZOE",
)  # fmt: skip
_SERVICE_NAMES = ("SERVICE SOCIAL", "SECRETARIAT MEDICAL", "EHPAD LES LILAS", "ACCUEIL", "ADMISSIONS", "STANDARD")
_BOXES = ("accueil", "secretariat", "contact", "direction", "ehpad", "admissions")
_METHODS = (
    ("psc-ecps", "substantial", 30), ("psc-cps", "substantial", 6), ("cps", "substantial", 9), ("cpe", "substantial", 2),
    ("otp-mail", "transition", 28), ("otp-sms", "transition", 7), ("otp-totp", "transition", 3),
    ("password", "password", 15),
)  # fmt: skip
_REFUSALS = ("wrong-credentials", "too-many-attempts", "wrong-code", "mail-unproved", "mail-shared", "no-channel")

Rows = Iterable[Sequence[Any]]
Write = Callable[[str, Sequence[str], Rows], None]


@dataclass(frozen=True, slots=True)
class Size:
    """``sign_ins``: so many a day, for each of the last ``days``."""

    accounts: int
    scopes: int
    days: int = 30
    sign_ins: int = 20_000
    seed: int = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A scope as it is drawn: where it hangs, and below which establishment people work there."""

    id: str
    parent: str | None
    kind: str
    path: str


def places(size: Size) -> list[Place]:
    """Nation, regions, departments, then legal entities (15 %), establishments (45 %) and services (the rest)."""
    chance = Random(size.seed)  # noqa: S311 - a seed, no secret
    nation = Place("nation", None, "nation", "/nation/")
    found = [nation]

    def add(kind: str, parents: Sequence[Place], number: int, prefix: str, skew: float) -> list[Place]:
        made = []
        for one in range(number):
            parent = parents[int(len(parents) * chance.random() ** skew)]
            name = f"{prefix}-{one + 1}"
            made.append(Place(name, parent.id, kind, f"{parent.path}{name}/"))
        found.extend(made)
        return made

    left = max(3, size.scopes - 1 - REGIONS - DEPARTMENTS)
    entities, establishments = max(1, left * 15 // 100), max(1, left * 45 // 100)
    regions = add("region", [nation], REGIONS, "reg", 1)
    departments = [
        Place(
            f"dep-{one + 1}", regions[one % REGIONS].id, "departement", f"{regions[one % REGIONS].path}dep-{one + 1}/"
        )
        for one in range(DEPARTMENTS)
    ]
    found.extend(departments)
    owners = add("entite", departments, entities, "ent", 1.3)
    houses = add("etablissement", owners, establishments, "eta", 1.2)
    add("service", houses, left - entities - establishments, "srv", 1.5)
    return found


def _scopes(found: Sequence[Place]) -> Iterator[Sequence[Any]]:
    for number, one in enumerate(found):
        finess = f"{number:09d}" if one.kind in ("entite", "etablissement") else None
        yield one.id, one.parent, one.kind, finess, f"{one.kind.title()} {number}", one.path, 0, NOW, 1


def _switches(found: Sequence[Place], chance: Random) -> Iterator[Sequence[Any]]:
    for number, one in enumerate(found):
        if one.kind == "etablissement" and chance.random() < 0.4:
            at = NOW - timedelta(days=chance.randrange(-60, 300))
            yield f"swi_{number}", one.id, "strong", at, "Campagne", "acc_admin", "switch", at


def _name(chance: Random) -> tuple[str, str]:
    if chance.random() < 0.01:
        return chance.choice(_SERVICE_NAMES), "-"
    pick = int(40_000 * chance.random() ** 3)  # few names of many people, many names of few
    count = len(_SYLLABLES)
    family = _SYLLABLES[pick % count] + _SYLLABLES[pick // count % count] + _SYLLABLES[pick // count // count % count]
    return family, _GIVEN[int(len(_GIVEN) * chance.random() ** 1.5)]


class People:
    """Accounts in order, with the places of each; ``at`` fills up while the rows are drawn."""

    def __init__(self, size: Size, found: Sequence[Place]) -> None:
        self._size = size
        self._chance = Random(size.seed + 1)  # noqa: S311 - a seed, no secret
        self._houses = [one.id for one in found if one.kind in ("etablissement", "service")]
        self.at: list[tuple[str, ...]] = []

    def _where(self) -> tuple[str, ...]:
        draw, count = self._chance.random(), len(self._houses)
        number = 0 if draw < 0.03 else 2 if draw < 0.13 else 1
        places_ = (self._houses[int(count * self._chance.random() ** 1.4)] for _ in range(number))
        return tuple(dict.fromkeys(places_))

    def accounts(self) -> Iterator[Sequence[Any]]:
        chance, last = self._chance, ("", "")
        address: str | None = None
        for number in range(self._size.accounts):
            name, where = _name(chance), self._where()
            if number and chance.random() < 0.004 and self.at[-1]:  # the same person, twice in one place
                name, where = last, self.at[-1][:1]
            last = name
            self.at.append(where)
            draw = chance.random()
            shared = address is not None and draw < 0.03
            if not shared:
                local = chance.choice(_BOXES) if draw < 0.06 else f"{name[0].replace(' ', '').lower()}.{number}"
                address = None if draw > 0.96 else f"{local}@e{number}.example.test"
            created = NOW - timedelta(minutes=chance.randrange(60, 3_000_000))
            used = chance.random() < 0.9
            seen = created + (NOW - created) * (1 - chance.random() ** 4) if used else None
            closed = chance.random() < 0.01
            strong = created if chance.random() < 0.65 else None
            phone = f"+336{number:08d}" if chance.random() < 0.5 else None
            yield (
                f"acc_{number * 2_654_435_761 % 2**32:08x}{number:07d}",
                f"8{number:011d}" if chance.random() < 0.6 and not closed else None,
                "" if closed else name[0],
                "" if closed else name[1],
                None if closed else searchable(*name),
                None if closed else address,
                None if closed or shared else address,
                None if closed else address,
                created if address and not closed and chance.random() < 0.75 else None,
                None if closed else phone,
                created if phone and not closed and chance.random() < 0.6 else None,
                None if closed else f"$argon2id$v=19$m=19456,t=2,p=1${number:022d}${number:043d}",
                strong,
                seen,
                chance.choice(_METHODS)[0] if seen else None,
                NOW - _DAY if chance.random() < 0.005 else None,
                NOW - _DAY if closed else None,
                "import",
                "professionnel",
                False,
                created,
                created,
                1,
            )

    def memberships(self, ids: Sequence[str]) -> Iterator[Sequence[Any]]:
        for account, where in zip(ids, self.at, strict=True):
            for scope in where:
                yield account, scope, NOW - _DAY

    def logins(self, ids: Sequence[str]) -> Iterator[Sequence[Any]]:
        for number, account in enumerate(ids):
            yield f"u:p{number}", account, NOW - _DAY


_ACCOUNTS = (
    "id", "national_id", "family_name", "given_name", "search", "mail", "mail_key", "mail_canonical", "mail_proved_at",
    "phone", "phone_proved_at", "password_hash", "first_strong_at", "last_sign_in_at", "last_method", "suspended_at",
    "closed_at", "origin", "space_default", "password_must_change", "created_at", "updated_at", "version",
)  # fmt: skip


def _traces(size: Size, ids: Sequence[str]) -> Iterator[tuple[datetime, str, str, str, int]]:
    """Sign-ins in order of time: when, who, method, assurance, and a number for the rest."""
    chance = Random(size.seed + 2)  # noqa: S311 - a seed, no secret
    weights = [weight for _, _, weight in _METHODS]
    for day in range(size.days, 0, -1):
        begin = NOW - day * _DAY
        moments = sorted(chance.random() for _ in range(size.sign_ins))
        kinds = chance.choices(_METHODS, weights, k=size.sign_ins)
        for moment, (method, assurance, _) in zip(moments, kinds, strict=True):
            yield begin + moment * _DAY, chance.choice(ids), method, assurance, chance.randrange(100)


def _sign_ins(size: Size, ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    for number, (at, account, method, assurance, _) in enumerate(_traces(size, ids)):
        yield f"sgn_{number}", account, at, method, assurance, "professionnel", "203.0.113.9"


def _audit(size: Size, ids: Sequence[str], found: Sequence[Place]) -> Iterator[Sequence[Any]]:
    houses = [one.id for one in found if one.kind == "etablissement"]
    for number, (at, account, method, _, draw) in enumerate(_traces(size, ids)):
        if method in ("otp-mail", "otp-sms"):
            act = "code:not-sent" if draw == 0 else "code:sent"
            yield at, act, account, None, None, f'{{"channel": "{method[4:]}"}}'
        if draw < 12:
            refused = _REFUSALS[draw % len(_REFUSALS)]
            yield at, "session:refused", account if draw % 2 else None, refused, None, '{"method": "password"}'
        if number % 500 == 0:
            yield at, "scope:switch", None, None, houses[number % len(houses)], '{"author": "acc_admin"}'
        yield at, "session:open", account, None, None, f'{{"method": "{method}"}}'


def fill(size: Size, write: Write) -> None:
    """All tables, parents first."""
    found = places(size)
    write(
        "scopes",
        ("id", "parent_id", "kind", "finess", "name", "path", "revision", "updated_at", "version"),
        _scopes(found),
    )
    write(
        "switches",
        ("id", "scope_id", "state", "effective_from", "reason", "author", "kind", "created_at"),
        _switches(found, Random(size.seed + 3)),  # noqa: S311 - a seed, no secret
    )
    people = People(size, found)
    ids: list[str] = []

    def noted() -> Iterator[Sequence[Any]]:
        for row in people.accounts():
            ids.append(row[0])
            yield row

    write("accounts", _ACCOUNTS, noted())
    write("logins", ("key", "account_id", "created_at"), people.logins(ids))
    write("memberships", ("account_id", "scope_id", "since"), people.memberships(ids))
    write(
        "sign_ins",
        ("id", "account_id", "at", "method", "assurance", "space", "address"),
        _sign_ins(size, ids),
    )
    write("audit", ("at", "act", "account", "reason", "scope", "facts"), _audit(size, ids, found))


def _fill_sqlite(path: str, size: Size) -> None:
    def spelled(row: Sequence[Any]) -> list[Any]:
        return [
            one.replace(tzinfo=None).isoformat(" ", "microseconds") if isinstance(one, datetime) else one for one in row
        ]

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")

    def write(table: str, columns: Sequence[str], rows: Rows) -> None:
        marks = ", ".join("?" * len(columns))
        line = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own words
        with connection:
            connection.executemany(line, (spelled(row) for row in rows))

    fill(size, write)
    connection.close()


def _fill_postgres(url: str, size: Size) -> None:
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:

        def write(table: str, columns: Sequence[str], rows: Rows) -> None:
            line = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(line.encode()) as copy:
                for row in rows:
                    copy.write_row(row)

        fill(size, write)
        connection.execute("VACUUM ANALYZE")


def populate(url: str, size: Size) -> None:
    """Migrate the empty database at ``url`` and fill it."""

    async def migrate() -> None:
        database = Database(url)
        await database.migrate()
        await database.close()

    asyncio.run(migrate())
    if url.startswith("sqlite:///"):
        _fill_sqlite(url.removeprefix("sqlite:///"), size)
    else:
        _fill_postgres(url, size)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.population", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--accounts", type=int, default=500_000)
    parser.add_argument("--scopes", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=30, help="of sign-ins")
    parser.add_argument("--sign-ins", type=int, default=20_000, help="a day")
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    begun = time.monotonic()
    populate(asked.url, Size(asked.accounts, asked.scopes, asked.days, asked.sign_ins, asked.seed))
    print(f"filled in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
