"""From the extraction to the embedded directory: who is in it, and what replaces what."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.edges import directory_load
from gateway.edges.directory_load import LoadRefused, Report, load_extraction, physicians_of
from gateway.edges.system import SystemAmbient
from tests.edges.national import HEADER, line, write

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CHRIS = {"rpps": "10000000009", "family": "ZOLA", "given": "Chris"}


def load(source: Path, target: Path, *, force: bool = False) -> Report:
    return load_extraction(source, target, NOW, lambda _: None, force=force)


def people(count: int) -> list[str]:
    return [
        line(rpps=f"1{number:010d}", family=f"NAME{number:05d}", postal="69003", town="LYON") for number in range(count)
    ]


def rows(target: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(target)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "state" / "directory.db"


def test_r118_one_person_of_all_their_lines(tmp_path: Path, target: Path) -> None:
    """Each once, in the order of names; places once each; a speciality before a capacity, whatever comes first."""
    source = write(
        tmp_path,
        line(**CHRIS, skill="CAPA1", skill_kind="CAPA", skill_name="Capacité", postal="69003", town="LYON"),
        line(rpps="10000000015", family="ÉLIE", given="Anne", skill="SM54", skill_name="Médecine Générale"),
        line(**CHRIS, skill="SM26", skill_kind="CEX", skill_name="Qualifié", postal="38000", town="GRENOBLE"),
        line(**CHRIS, skill="SM04", skill_name="Cardiologie", postal="69003", town="LYON"),
        line(rpps="10000000023", family="DE LA TOUR", given="Luc", postal="69003", town="LYON"),
    )
    report = load(source, target)
    assert report == Report(lines=5, physicians=3, skipped=0, wrong_keys=2, before=None)
    assert rows(target, "SELECT id, family, speciality, places FROM people ORDER BY id") == [
        (1, "DE LA TOUR", "", "69003 LYON"),
        (2, "ÉLIE", "SM54", ""),
        (3, "ZOLA", "SM04", "69003 LYON\n38000 GRENOBLE"),
    ]
    assert rows(target, "SELECT word, postal, id, main FROM words") == [
        ("DELATOUR", "69003", 1, 1),
        ("ELIE", "", 2, 1),
        ("TOUR", "69003", 1, 1),
        ("ZOLA", "38000", 3, 0),
        ("ZOLA", "69003", 3, 1),
    ]
    assert ("SM04", "Cardiologie") in rows(target, "SELECT code, name FROM specialities")
    assert dict(rows(target, "SELECT key, value FROM meta"))["made_at"] == NOW.isoformat()


def test_nothing_else_is_left_beside_the_file(tmp_path: Path, target: Path) -> None:
    """No draft; what a killed refresh left behind is removed; others may read the file."""
    target.parent.mkdir()
    for name in (".directory.db.draft", ".directory.db.staging"):
        (target.parent / name).write_bytes(b"old")
    load(write(tmp_path, *people(3)), target)
    assert sorted(one.name for one in target.parent.iterdir()) == [".directory.db.lock", "directory.db"]
    assert target.stat().st_mode & 0o777 == 0o644
    assert physicians_of(target) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "columns are missing"),
        ("|".join(HEADER) + "|\n", "no physician among 0 lines"),
        ("|".join(HEADER) + "|\n" + line(rpps="10000000007", profession="60"), "no physician among 1 lines"),
        ("|".join(HEADER) + "|\n" + "".join(people(40)), "40 physicians, where there were 100"),
        ("|".join(HEADER) + "|\n" + "".join(people(90)) + "8|1000", "in the middle of a line"),
    ],
)
def test_a_file_that_cannot_be_right_replaces_nothing(tmp_path: Path, target: Path, text: str, message: str) -> None:
    load(write(tmp_path, *people(100)), target)
    before = target.read_bytes()
    source = tmp_path / "new.txt"
    source.write_text(text)
    with pytest.raises(LoadRefused, match=message):
        load(source, target)
    assert target.read_bytes() == before
    assert sorted(one.name for one in target.parent.iterdir()) == [".directory.db.lock", "directory.db"]


def test_force_takes_a_part_but_never_nothing(tmp_path: Path, target: Path) -> None:
    load(write(tmp_path, *people(100)), target)
    report = load(write(tmp_path, *people(40), "8|1000"), target, force=True)
    assert (report.before, report.physicians, physicians_of(target)) == (100, 40, 40)
    with pytest.raises(LoadRefused):
        load(write(tmp_path), target, force=True)
    assert physicians_of(target) == 40


def test_half_of_them_is_enough(tmp_path: Path, target: Path) -> None:
    load(write(tmp_path, *people(100)), target)
    assert load(write(tmp_path, *people(50)), target).physicians == 50


def test_a_present_file_that_cannot_be_read_is_replaced(tmp_path: Path, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"not a database" * 100)
    assert load(write(tmp_path, *people(3)), target).before is None
    assert physicians_of(target) == 3


def test_one_refresh_at_a_time(tmp_path: Path, target: Path) -> None:
    source = write(tmp_path, *people(3))
    load(source, target)
    lock = os.open(target.parent / ".directory.db.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(LoadRefused, match="another refresh"):
        load(source, target)
    os.close(lock)
    assert load(source, target).physicians == 3


def test_a_full_disk_replaces_nothing(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong before the renaming, the present file is what it was."""
    load(write(tmp_path, *people(3)), target)
    before = target.read_bytes()

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(directory_load, "_flush", full)
    with pytest.raises(LoadRefused, match="No space left"):
        load(write(tmp_path, *people(5)), target)
    assert target.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoadRefused, match="file"):
        load(write(tmp_path, *people(1)), tmp_path / "file" / "directory.db")


def test_the_new_file_is_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bool]] = []
    monkeypatch.setattr(directory_load, "_flush", lambda path: flushed.append((path.name, target.exists())))
    load(write(tmp_path, *people(3)), target)
    assert flushed == [(".directory.db.draft", False), ("state", True)]
    assert SystemAmbient().now() > NOW
