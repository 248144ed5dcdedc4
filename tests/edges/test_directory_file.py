"""R118, R123: the embedded directory: searched while it is replaced, and never "nobody" when it cannot be read."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.directory import lines
from gateway.edges.directory_file import FileDirectory
from gateway.edges.directory_load import load_extraction
from gateway.edges.directory_names import Names, fits, order_of, readings
from gateway.ports import Listed
from gateway.reasons import DirectoryUnavailable, Reason
from tests.ambient import TestAmbient
from tests.edges.national import line, write

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
RPPS = "10001234567"


def load(folder: Path, target: Path, *made: str, force: bool = True) -> None:
    load_extraction(write(folder, *made), target, NOW, lambda _: None, force=force)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "directory.db"


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


@pytest.fixture
async def directory(path: Path, ambient: TestAmbient) -> AsyncIterator[FileDirectory]:
    found = FileDirectory(path, ambient)
    yield found
    await found.close()


async def families(directory: FileDirectory, name: str, code: str = "", limit: int = 50) -> list[str]:
    return [one.family_name for one in (await directory.search(name, code, limit=limit))[0]]


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Listed]]:
    """A few thousand lines as the bench makes them, loaded; and the people of them, read with as little code as can be."""
    folder = tmp_path_factory.mktemp("country")
    _, *made = lines(6000, 0.8)
    target = folder / "directory.db"
    load(folder, target, *made)
    known: dict[str, Listed] = {}
    for cells in (one.split("|") for one in made):
        if cells[9] != "10":
            continue
        place = (cells[35], cells[37])
        one = known.get(cells[1])
        places = dict.fromkeys((*(one.places if one else ()), place))
        known[cells[1]] = Listed(cells[1], cells[7], cells[8], "10", cells[15], cells[16], tuple(sorted(places)))
    return target, sorted(known.values(), key=lambda one: order_of(one.family_name, one.given_name, one.rpps))


@pytest.mark.parametrize("code", ["", "69", "75", "7501", "2A"])
async def test_r118_searches_find_exactly_whom_the_rule_names(
    country: tuple[Path, list[Listed]], ambient: TestAmbient, code: str
) -> None:
    """Against everybody, looked through one by one."""
    target, everybody = country
    directory = FileDirectory(target, ambient)
    typed = ["martin", "Mar", "le", "jean martin", "martin pierre", "de la", "d'", "leroy", "le roy", "be", "ma cl", "m p",
             "martin-durand", "durand anne sophie", "ke", "nguyen linh", "petit", "x"]  # fmt: skip
    typed += [f"{one.given_name} {one.family_name}" for one in everybody[:: len(everybody) // 60]]
    starts = {"2A": ("200", "201")}.get(code, (code,))
    there = [
        (one, Names.of(one.family_name, one.given_name))
        for one in everybody
        if not code or any(postal.startswith(starts) for postal, _ in one.places)
    ]
    seen = 0
    for name in typed:
        asked = readings(name)
        wanted = [one for one, names in there if fits(asked, names)]
        found, more = await directory.search(name, code, limit=40)
        assert [one.rpps for one in found] == [one.rpps for one in wanted[:40]], name
        assert more is (len(wanted) > 40)
        seen += len(found)
    assert seen > 1
    await directory.close()


async def test_r118_what_is_said_of_somebody(country: tuple[Path, list[Listed]], ambient: TestAmbient) -> None:
    target, everybody = country
    directory = FileDirectory(target, ambient)
    for one in everybody[::50]:
        assert await directory.by_rpps(one.rpps) == one
    several = next(one for one in everybody if len(one.places) > 1 and one.places[0][0] != one.places[1][0])
    found, _ = await directory.search(f"{several.family_name} {several.given_name}", several.places[1][0])
    (same,) = [one for one in found if one.rpps == several.rpps]
    assert same.places[0] == several.places[1]
    assert set(same.places) == set(several.places)
    for nobody in ("19999999998", "", "1", "abc", "1000000000x", "9" * 12, "١٠٠٠٠٠٠٠٠٠٧"):
        assert await directory.by_rpps(nobody) is None
    await directory.close()


async def test_r118_more_homonyms_than_are_shown(tmp_path: Path, path: Path, directory: FileDirectory) -> None:
    """Somebody with many places, and with several words that fit, still counts once."""
    many = [
        line(rpps=f"1{number:010d}", family="MARTIN-MARTINEZ MARTINON", postal=f"69{place:03d}", town="LYON")
        for number in range(60)
        for place in range(30)
    ]
    load(tmp_path, path, *many)
    for code, limit in (("", 50), ("69", 50), ("69", 59)):
        found, more = await directory.search("mart", code, limit=limit)
        assert [one.rpps for one in found] == [f"1{number:010d}" for number in range(limit)]
        assert more
    found, more = await directory.search("mart", "69", limit=60)
    assert (len(found), more) == (60, False)


@pytest.mark.parametrize("name", ["martin", "x", ""])
async def test_r123_without_a_file_there_is_no_answer(directory: FileDirectory, name: str) -> None:
    with pytest.raises(DirectoryUnavailable) as caught:
        await directory.search(name)
    assert caught.value.reason is Reason.DIRECTORY_DOWN
    with pytest.raises(DirectoryUnavailable):
        await directory.by_rpps(RPPS)


async def test_r118_the_first_file_is_taken_as_soon_as_it_is_there(
    tmp_path: Path, path: Path, directory: FileDirectory
) -> None:
    with pytest.raises(DirectoryUnavailable):
        await directory.search("martin")
    load(tmp_path, path, line(rpps=RPPS))
    assert await families(directory, "martin") == ["MARTIN"]


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "scribbled", "other", "version", "folder"])
async def test_r123_a_file_that_cannot_be_read_is_no_answer(
    tmp_path: Path, path: Path, directory: FileDirectory, ambient: TestAmbient, damage: str
) -> None:
    """And when a good one takes its place, there are answers again."""
    load(tmp_path, path, *[line(rpps=f"1{number:010d}", family=f"MARTIN{number}") for number in range(3000)])
    good = tmp_path / "good.db"
    shutil.copy(path, good)
    data = path.read_bytes()
    if damage == "text":
        path.write_bytes(b"no database\n" * 5000)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 3])
    elif damage == "scribbled":
        path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DROP TABLE meta" if damage == "other" else "UPDATE meta SET value = '0' WHERE key = 'format'")
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable):
            await directory.search("martin")
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps("10000000007")
    if damage == "folder":
        path.rmdir()
    good.replace(path)
    ambient.advance(1)
    assert len(await families(directory, "martin", limit=200)) == 200


async def test_r118_a_new_file_is_noticed_at_the_next_search_once_a_second(
    tmp_path: Path, path: Path, directory: FileDirectory, ambient: TestAmbient
) -> None:
    load(tmp_path, path, line(rpps=RPPS, family="BEFORE"))
    assert await families(directory, "before") == ["BEFORE"]
    load(tmp_path, path, line(rpps=RPPS, family="AFTER"))
    ambient.advance(0.9)
    assert await families(directory, "before") == ["BEFORE"]
    ambient.advance(0.2)
    assert await families(directory, "before") == []
    assert await families(directory, "after") == ["AFTER"]
    path.unlink()
    ambient.advance(1)
    with pytest.raises(DirectoryUnavailable):
        await directory.search("after")


async def test_r118_replaced_again_and_again_under_a_reader(
    tmp_path: Path, path: Path, directory: FileDirectory, ambient: TestAmbient
) -> None:
    """Every answer is whole, of one file or of the next: its own count of homonyms, all with its own town."""
    sizes = {f"TOWN{turn}": 20 + turn for turn in range(8)}

    def replace(turn: int) -> None:
        town = f"TOWN{turn}"
        people = [line(rpps=f"1{number:010d}", postal="69003", town=town) for number in range(sizes[town])]
        load(tmp_path, path, *people)

    replace(0)
    done = threading.Event()

    def refresh() -> None:
        for turn in range(1, len(sizes)):
            replace(turn)
        done.set()

    worker = asyncio.get_running_loop().run_in_executor(None, refresh)
    seen = set()
    finished = False
    while not finished:
        finished = done.is_set()
        ambient.advance(1)
        found, more = await directory.search("martin", "69003")
        (town,) = {one.places[0][1] for one in found}
        assert (len(found), more) == (sizes[town], False)
        seen.add(town)
    await worker
    assert f"TOWN{len(sizes) - 1}" in seen


async def test_the_file_is_opened_to_read_only(tmp_path: Path, path: Path, directory: FileDirectory) -> None:
    """It may belong to somebody else and lie where nothing can be written; and nothing appears beside it."""
    load(tmp_path, path, line(rpps=RPPS))
    before = (path.read_bytes(), sorted(path.parent.iterdir()))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert await families(directory, "martin") == ["MARTIN"]
    finally:
        path.parent.chmod(0o755)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


async def test_a_closed_directory_gives_no_answer(tmp_path: Path, path: Path, ambient: TestAmbient) -> None:
    load(tmp_path, path, line(rpps=RPPS))
    directory = FileDirectory(path, ambient)
    assert await families(directory, "martin") == ["MARTIN"]
    await directory.close()
    with pytest.raises(DirectoryUnavailable):
        await directory.search("martin")


async def test_the_loop_does_not_wait_for_the_disk(
    tmp_path: Path, path: Path, directory: FileDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a search is stuck, the loop goes on; the search itself is given up after its time."""
    load(tmp_path, path, line(rpps=RPPS))
    release = threading.Event()
    whole = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **options: (release.wait(10), whole(self, **options))[1])
    monkeypatch.setattr("gateway.edges.directory_file._WAIT", 0.05)
    with pytest.raises(DirectoryUnavailable):
        await directory.search("martin")
    release.set()
    monkeypatch.setattr("gateway.edges.directory_file._WAIT", 5)
    assert await families(directory, "martin") == ["MARTIN"]
