"""Imports as such: who may, progress, trial, report, being stopped, and files that mean harm (R82, R102)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours
from gateway.administration.tables import LONGEST_RECORD
from gateway.ports import Insert, Update
from gateway.reasons import RecordsUnavailable
from tests.administration.importing import Importing, csv_of, importing_in, numbered
from tests.administration.world import AURA, NATIONAL, REFERENT, REUNION

PEOPLE = ("identifiant", "nom", "prenom", "finess")
ALICE, BOB = ("alice", "Martin", "Alice", "690780010"), ("bob", "Petit", "Bob", "690780028")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Importing]:
    async with importing_in(tmp_path) as made:
        yield made


async def test_r102_told_from_beginning_to_end(desk: Importing) -> None:
    """Counts, progress in bytes, a line of report each, and two records of the audit with the digest of the file."""
    content = csv_of(PEOPLE, ALICE, BOB, ("", "Sans", "Nom", ""))
    counts, report, fault = await desk.load("accounts", content, AURA)
    assert fault == ""
    assert counts == {"created": 2, "refused": 1}
    assert [(one["line"], one["outcome"], one["key"]) for one in report] == [
        (2, "created", "alice"),
        (3, "created", "bob"),
        (4, "refused", ""),
    ]
    assert report[2]["detail"] == "Indiquez un identifiant ou un numéro RPPS."
    row = await desk.imports.status(AURA, desk.last)
    assert row["done"] == row["total"] == len(content.encode())
    begin, end = await desk.world.audited("accounts:import")  # in the region's own journal
    assert begin["scope"] == end["scope"] == "aura"
    assert begin["facts"]["phase"] == "start"
    assert begin["facts"]["author"] == "acc_aura"
    assert end["facts"]["phase"] == "end"
    assert end["facts"]["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    assert (end["facts"]["created"], end["facts"]["refused"]) == ("2", "1")


async def test_r102_trial_writes_nothing(desk: Importing) -> None:
    """A dry run says what would be, and the database is as before; then the real run says the same."""
    content = csv_of((*PEOPLE, "mail"), (*ALICE, "a@x.test"), (*BOB, "a@x.test"), (*ALICE, ""))
    before = await desk.dump("accounts", "logins", "memberships", "scopes", "revisions")
    trial = await desk.load("accounts", content, AURA, dry_run=True)
    assert await desk.dump("accounts", "logins", "memberships", "scopes", "revisions") == before
    assert trial == await desk.load("accounts", content, AURA)
    counts, report, _ = trial
    assert counts == {"created": 2, "refused": 1}
    assert report[2]["detail"] == "Même personne que la ligne 2."


async def test_r102_options_and_rights(desk: Importing, tmp_path: Path) -> None:
    """Unknown kinds and options, and people without the right, are told at once; the file stays theirs."""
    path = tmp_path / "kept.csv"
    path.write_text("x")

    async def start(actor: Actor, kind: str, **options: str) -> None:
        await desk.imports.start(actor, kind, path, dry_run=False, options=options, now=desk.world.now)

    with pytest.raises(Faulty):
        await start(NATIONAL, "sessions")
    with pytest.raises(Faulty):
        await start(NATIONAL, "scopes", move="yes")
    with pytest.raises(Faulty):
        await start(NATIONAL, "accounts", move="1")
    for kind in ("accounts", "scopes"):
        with pytest.raises(NotYours):
            await start(REFERENT, kind)
        with pytest.raises(NotYours):
            await start(Actor("acc_nobody", "", ()), kind)
    assert path.exists()
    assert await desk.world.records.count("imports", {}) == 0


async def test_r102_report_is_for_its_author_and_the_nation(desk: Importing) -> None:
    """Another region does not learn that the import exists."""
    await desk.load("accounts", csv_of(PEOPLE, ALICE), AURA)
    for actor in (REUNION, REFERENT):
        with pytest.raises(NotThere):
            await desk.imports.status(actor, desk.last)
        with pytest.raises(NotThere):
            await desk.imports.report(actor, desk.last)
    assert (await desk.imports.status(NATIONAL, desk.last))["author"] == "acc_aura"
    with pytest.raises(NotThere):
        await desk.imports.status(NATIONAL, "imp_none")


async def test_r102_report_in_pages_and_as_a_table(desk: Importing) -> None:
    """Pages end where the next begins; the table for spreadsheets computes nothing."""
    rows = [(f"u{number}", "Martin", "Alice", "690780010") for number in range(1201)]
    await desk.load("accounts", csv_of(PEOPLE, *rows, ("=cmd|' /C calc'!A0", "Nom", "P", "1")), AURA)
    seen: list[int] = []
    while page := await desk.imports.report(AURA, desk.last, seen[-1] if seen else 0, 100):
        assert len(page) <= 100
        seen += [one["line"] for one in page]
    assert seen == list(range(2, 1204))
    assert await desk.imports.report(AURA, desk.last, 2**70) == []
    assert [one["line"] for one in await desk.imports.report(AURA, desk.last, -5, 0)] == [2]
    table = "".join([piece async for piece in desk.imports.report_csv(AURA, desk.last)])
    assert table.startswith("\ufeffligne;resultat;cle;detail\r\n2;créé;u0;\r\n")
    assert table.count("\r\n") == 1203
    assert "\n=" not in table
    assert ";=" not in table


async def test_r102_one_at_a_time_however_many_are_begun_at_once(desk: Importing, tmp_path: Path) -> None:
    """Of eight begun at the same moment one runs; the others are told so, and keep their files. A mark that an earlier
    version left behind keeps nobody from the next one."""
    long = csv_of(PEOPLE, ALICE, *((f"personne{number}", "Nom", "Eve", "690780010") for number in range(2000)))
    paths = [tmp_path / f"{number}.csv" for number in range(8)]
    for path in paths:
        path.write_text(long)

    def start(path: Path) -> Awaitable[str]:
        return desk.imports.start(AURA, "accounts", path, dry_run=False, options={}, now=desk.world.now)

    found = await asyncio.gather(*(start(path) for path in paths), return_exceptions=True)
    (begun,) = [one for one in found if isinstance(one, str)]
    assert [str(one.faults[""][0]) for one in found if isinstance(one, Faulty)] == [
        "Un import que vous avez lancé est encore en cours."
    ] * 7
    assert await desk.imports.wait(begun, 60)
    assert len([path for path in paths if path.exists()]) == 7
    assert len(await desk.world.records.find("imports", {})) == 1
    await desk.world.records.write(Insert("revisions", {"name": "import:accounts:acc_aura", "value": 7}))
    assert (await desk.load("accounts", csv_of(PEOPLE, ALICE), AURA))[0] == {"unchanged": 1}
    assert await desk.world.records.find("revisions", {"name": "import:accounts:acc_aura"}) == ()


async def test_r102_stopped_half_way(desk: Importing, tmp_path: Path) -> None:
    """An import whose process died is marked when the next begins; the same file again ends as one run would."""
    world = desk.world
    await world.records.write(
        Insert(
            "imports",
            {
                "id": "imp_dead", "kind": "accounts", "author": "acc_aura", "dry_run": False, "state": "running",
                "total": 10, "done": 3, "counts": "{}", "created_at": world.now, "updated_at": world.now,
            },
        )
    )  # fmt: skip
    path = tmp_path / "second.csv"
    path.write_text(csv_of(PEOPLE, ALICE))
    with pytest.raises(Faulty):  # perhaps it still runs, in another worker
        await desk.imports.start(AURA, "accounts", path, dry_run=False, options={}, now=world.now)
    assert not await desk.imports.wait("imp_dead", 0)
    world.ambient.advance(timedelta(minutes=6).total_seconds())
    await desk.load("accounts", csv_of(PEOPLE, ALICE), AURA)
    dead = await desk.imports.status(AURA, "imp_dead")
    assert (dead["state"], dead["fault"]) == (
        "failed",
        "L'import a été interrompu. Relancez-le avec le même fichier : ce qui est fait ne sera pas refait.",
    )
    # Half of a file, then all of it.
    counts, _, _ = await desk.load("accounts", csv_of(PEOPLE, ALICE, BOB), AURA)
    assert counts == {"unchanged": 1, "created": 1}


async def test_r102_closing_says_so(desk: Importing, tmp_path: Path) -> None:
    """An import stopped with the process is marked at once, its report kept, its file removed."""
    path = tmp_path / "long.csv"
    path.write_text(csv_of(PEOPLE, *[(f"u{n}", "Martin", "Alice", "690780010") for n in range(4000)]))
    started = await desk.imports.start(AURA, "accounts", path, dry_run=False, options={}, now=desk.world.now)
    while not await desk.world.records.count("accounts", {}):
        await asyncio.sleep(0)
    await desk.imports.close()
    row = await desk.imports.status(AURA, started)
    assert row["state"] == "failed"
    assert "interrompu" in str(row["fault"])
    assert not path.exists()
    made = await desk.world.records.count("accounts", {})
    assert 0 < made < 4000
    counts, _, _ = await desk.load(
        "accounts", csv_of(PEOPLE, *[(f"u{n}", "Martin", "Alice", "690780010") for n in range(4000)]), AURA
    )
    assert counts == {"unchanged": made, "created": 4000 - made}


async def test_r102_database_away(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer for a moment costs a moment; nothing is written twice."""
    write, failing = desk.world.records.write, 2

    async def shaky(*changes: Insert) -> None:
        nonlocal failing
        if failing and any(change.table == "accounts" for change in changes):
            failing -= 1
            raise RecordsUnavailable("gone")
        await write(*changes)

    monkeypatch.setattr(desk.world.records, "write", shaky)
    counts, _, fault = await desk.load("accounts", csv_of(PEOPLE, ALICE, BOB), AURA)
    assert (counts, fault, failing) == ({"created": 2}, "", 0)


def packed() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return made.getvalue()


HEAD = ";".join(PEOPLE)
GOOD = f"{HEAD}\nalice;Martin;Alice;690780010\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "vide"),
        (b"\n \r\n\n", "vide"),
        (packed(), "Enregistrez le tableau au format CSV"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 100, "Enregistrez le tableau au format CSV"),
        (f"{GOOD}bob;Pe\0tit;Bob;1\n".encode(), "octets nuls"),
        (GOOD.encode("utf-16-le"), "octets nuls"),
        (GOOD.encode() + b"bob;P\x81\x8d;B;1\n", "encodage"),
        (b"\xef\xbb\xbf" + GOOD.encode() + b"bob;P\xe9;B;1\n", "encodage"),
        (f"{GOOD}zoe;Hél;Zoé;1\n".encode() + b"bob;P\xe9;B;1\n", "mélange deux encodages"),
        (b"\xff\xfe" + GOOD.encode("utf-16-le") + b"\x00\xd8", "encodage"),
        (f'{GOOD}bob;"Petit;Bob;1\n'.encode() + b"x;y;z;1\n" * 10, "guillemet"),
        (f'{GOOD}bob;"Petit;Bob;1\n'.encode() + b"x;y;z;1\n" * 100_000, "guillemet"),
        (f'{GOOD}bob;"Pe"tit;Bob;1\n'.encode(), "guillemets mal placés"),
        (b";".join([b"c%d" % number for number in range(10_000)]) + b"\n", "colonnes"),
        (GOOD.encode() + b"x;" * 10_000 + b"x\n", "colonnes"),
        (f"{HEAD};Nom\n".encode(), "deux fois"),
        (f"{HEAD};Last name\n".encode(), "deux fois"),
        (b"identifiant;finess\na;1\n", "Il manque des colonnes : nom, prenom"),
        (b"nom;prenom\nMartin;Alice\n", "Il manque des colonnes : identifiant"),
        (b"bonjour\n", "La première ligne doit nommer les colonnes"),
        (b"x" * (LONGEST_RECORD + 1), "trop longue"),
        (GOOD.encode() + b"y;" + b"x" * LONGEST_RECORD, "trop longue"),
    ],
)
async def test_r102_hostile_files_change_nothing(desk: Importing, content: bytes, expected: str) -> None:
    """What cannot be read whole is refused whole, with a sentence, though its first lines be good."""
    for kind in ("accounts", "scopes"):
        counts, report, fault = await desk.load(kind, content)
        assert (expected if kind == "accounts" else "") in fault
        assert fault
        assert counts == {}
        assert report == []
    assert await desk.world.records.count("accounts", {}) == 0
    _, end = await desk.world.audited("accounts:import")
    assert end["facts"]["state"] == "failed"


async def test_r102_fifty_megabytes_in_one_line(desk: Importing) -> None:
    """A line without end is refused when it is too long, in no time and in no memory."""
    async with asyncio.timeout(20):
        _, _, fault = await desk.load("accounts", GOOD.encode() + b"a" * 50_000_000)
    assert fault == "Ligne 3 : la ligne est trop longue."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
async def test_r102_any_ordinary_table(desk: Importing, encoding: str, ending: str, delimiter: str) -> None:
    """Every way in which a spreadsheet saves a table is read, with its accents."""
    rows = [("Identifiant", "NOM", "Prénom", "N° FINESS"), ("zoe", "Lœwenbrück", "Zoé", "690780010")]
    content = ending.join([delimiter.join(f'"{cell}"' for cell in row) for row in rows]) + ending
    counts, _, fault = await desk.load("accounts", content.encode(encoding))
    assert (counts, fault) == ({"created": 1}, "")
    (row,) = await desk.world.records.find("accounts", {})
    assert (row["family_name"], row["given_name"], row["search"]) == ("Lœwenbrück", "Zoé", "L WENBRUCK ZOE")


async def test_r102_header_only_and_more_cells(desk: Importing) -> None:
    """Nothing to import is no fault; a line with more than the header names is refused alone; unknown columns are named."""
    assert await desk.load("accounts", HEAD + "\n") == ({}, [], "")
    content = f"{HEAD};couleur\nalice;Martin;Alice;690780010;bleu\nbob;P;B;690780010;bleu;ciel\n\n;;;;\n"
    counts, report, _ = await desk.load("accounts", content)
    assert counts == {"created": 1, "refused": 1}
    assert report[0]["detail"] == "Colonnes ignorées : couleur"
    assert "plus de cellules" in report[2]["detail"]


async def test_r102_file_that_is_not_there(desk: Importing, tmp_path: Path) -> None:
    """A file that vanished before the beginning is the caller's accident."""
    with pytest.raises(FileNotFoundError):
        await desk.imports.start(NATIONAL, "accounts", tmp_path / "none", dry_run=False, options={}, now=desk.world.now)


async def test_r102_faults_of_ours_end_the_import(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks inside, the row does not say « running » for ever."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.administration.import_accounts._Accounts._settle", broken)
    _, _, fault = await desk.load("accounts", GOOD)
    assert "erreur interne" in fault


async def test_r102_two_authors_at_once(desk: Importing, tmp_path: Path) -> None:
    """Two people import at the same time, the same persons among others: each person once."""
    other = Actor("acc_other", "Autre", (Grant(Role.REGION, "aura"),))
    rows = [(f"u{number}", "Martin", "Alice", "690780010") for number in range(600)]
    ids = []
    for actor in (AURA, other):
        path = tmp_path / f"{actor.id}.csv"
        path.write_text(csv_of(PEOPLE, *rows))
        ids.append(await desk.imports.start(actor, "accounts", path, dry_run=False, options={}, now=desk.world.now))
    assert all([await desk.imports.wait(one, 60) for one in ids])
    rows_of = [await desk.imports.status(NATIONAL, one) for one in ids]
    assert [row["state"] for row in rows_of] == ["done", "done"]
    totals = [json.loads(str(row["counts"])) for row in rows_of]
    assert sum(one.get("created", 0) for one in totals) == 600
    assert sum(one.get("unchanged", 0) for one in totals) == 600
    assert await desk.world.records.count("accounts", {}) == 600


async def test_r102_taken_for_dead(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that another worker declared dead stops at its next word, and does not say it is done."""
    world = desk.world

    async def slow(*_: object) -> list[object]:
        await world.records.write(Update("imports", {"state": "failed", "fault": "mort"}, {"id": desk.last}))
        world.ambient.advance(400)
        return []

    monkeypatch.setattr("gateway.administration.import_accounts._Accounts._settle", slow)
    path = desk.folder / "dead.csv"
    path.write_text(GOOD)
    desk.last = await desk.imports.start(AURA, "accounts", path, dry_run=False, options={}, now=world.now)
    assert await desk.imports.wait(desk.last, 30)
    row = await desk.imports.status(AURA, desk.last)
    assert (row["state"], row["fault"]) == ("failed", "mort")


def test_numbers_of_the_tests_are_right() -> None:
    """The helper that ends a number agrees with the numbers of the small world."""
    assert numbered("69078001") == "690780010"
