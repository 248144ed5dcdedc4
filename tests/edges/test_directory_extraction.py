"""The public extraction as it comes: in an archive or not, in either encoding, with its columns in any order."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from gateway.edges import directory_extraction
from gateway.edges.directory_extraction import BadExtraction, Counts, Practice, read_extraction
from tests.edges.national import HEADER, NAME, line, write

RPPS = "10001234565"  # its key is right
ONE = line(
    rpps=RPPS, family="LEFÈVRE", given="Zoé", skill="SM54", skill_name="Médecine Générale", postal="69003", town="Lyon"
)
READ = Practice(RPPS, "LEFÈVRE", "Zoé", "S", "SM54", "Médecine Générale", "69003", "Lyon")


def read(path: Path) -> tuple[list[Practice], Counts]:
    counts = Counts()
    return list(read_extraction(path, counts, lambda _: None)), counts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["|\n", "|\r\n", "\n"])
def test_either_encoding_and_any_end_of_line(tmp_path: Path, encoding: str, end: str) -> None:
    found, counts = read(write(tmp_path, ONE.replace("|\n", end), encoding=encoding))
    assert found == [READ]
    assert (counts.lines, counts.skipped, counts.cut) == (1, 0, False)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_header_without_accents_leaves_the_encoding_to_the_lines(tmp_path: Path, encoding: str) -> None:
    plain = [name.replace("é", "e").replace("É", "E").replace("’", "'") for name in HEADER]
    lines = [line(rpps=RPPS, family="MARTIN", postal="69003", town="Lyon"), ONE] * 3
    found, _ = read(write(tmp_path, *lines, header=plain, encoding=encoding))
    assert found[1] == READ


def test_columns_are_found_by_name_in_any_order_and_spelling(tmp_path: Path) -> None:
    columns = list(HEADER)
    random.Random(3).shuffle(columns)
    shouted = [name.upper().replace("É", "E").replace("'", "’") for name in columns]
    named = {"family": "LEFÈVRE", "given": "Zoé", "skill": "SM54", "skill_name": "Médecine Générale"}
    found, _ = read(write(tmp_path, line(columns, rpps=RPPS, postal="69003", town="Lyon", **named), header=shouted))
    assert found == [READ]


def test_the_archive_as_it_is_downloaded(tmp_path: Path) -> None:
    """Only the one file in it is read; nothing is unpacked."""
    text = write(tmp_path, ONE)
    archive = tmp_path / "PS_LibreAcces.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("PS_LibreAcces_SavoirFaire_202603020600.txt", "x|y|\n")
        made.write(text, f"folder/{NAME}")
        made.writestr("PS_LibreAcces_Dipl_AutExerc_202603020600.txt", "x|y|\n")
    text.unlink()
    assert read(archive)[0] == [READ]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["PS_LibreAcces.zip"]


def test_archives_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    text = write(tmp_path, *[line(rpps=RPPS, family=f"NAME{number:06d}") for number in range(3000)])
    empty, twice, broken = (tmp_path / f"{name}.zip" for name in ("empty", "twice", "broken"))
    with zipfile.ZipFile(empty, "w") as made:
        made.writestr("other.txt", "x")
    with zipfile.ZipFile(twice, "w") as made:
        made.write(text, NAME)
        made.write(text, "a/" + NAME)
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(text, NAME)
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken.write_bytes(data)
    unknown = tmp_path / "unknown.zip"  # packed by a method that nobody here knows
    packed = bytearray(broken.read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        packed[packed.index(mark) + place : packed.index(mark) + place + 2] = (99).to_bytes(2, "little")
    unknown.write_bytes(packed)
    for path in (empty, twice, broken, unknown):
        with pytest.raises(BadExtraction):
            read(path)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(BadExtraction):
        read(cut)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "columns are missing"),
        (b"a|b|c|\n1|2|3|\n", "columns are missing: IDENTIFIANT PP, NOM D EXERCICE"),
        ("|".join(HEADER).replace("Code profession|", "").encode(), "CODE PROFESSION"),
        (("|".join(HEADER) + "|Identifiant PP|\n").encode(), "stands twice"),
        ("|".join(HEADER).encode("utf-16"), "no text"),
        (b"\x00\x01\x02", "no text"),
    ],
)
def test_what_is_no_extraction_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(text)
    with pytest.raises(BadExtraction, match=message):
        read(path)


def test_only_the_needed_columns_are_needed(tmp_path: Path) -> None:
    needed = ["Identifiant PP", "Nom d'exercice", "Prénom d'exercice", "Code profession"]
    needed += ["Code postal (coord. structure)", "Libellé commune (coord. structure)"]
    found, _ = read(write(tmp_path, line(needed, rpps=RPPS, postal="69003", town="Lyon"), header=needed))
    assert found == [Practice(RPPS, "MARTIN", "Claire", "", "", "", "69003", "Lyon")]


def test_r118_only_physicians_are_kept(tmp_path: Path) -> None:
    """Other professions, students, and who has no RPPS are counted and forgotten."""
    others = [
        line(rpps=RPPS, profession="60"),
        line(rpps=RPPS, profession=""),
        line(rpps=RPPS, profession="100"),
        line(rpps=RPPS, category="E"),
        line(rpps="533100558", kind="0"),
    ]
    found, counts = read(write(tmp_path, *others, ONE))
    assert found == [READ]
    assert (counts.lines, counts.others, counts.skipped) == (6, 5, 0)


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense\n",
        "\n",
        ONE.replace("|\n", "|x|\n"),
        ONE.replace("LEFÈVRE", "LE|FÈVRE"),
        line(rpps="1000123456"),
        line(rpps="1000123456x"),
        line(rpps=""),
        line(rpps="١٠٠٠١٢٣٤٥٦٢"),
        line(rpps=RPPS, family=""),
        line(rpps=RPPS, family="—"),
        line(rpps=RPPS, family="X" * 300),
        line(rpps=RPPS, given="A\tB"),
        line(rpps=RPPS, given="A\u202eB"),
        "x" * 200_000 + "\n",
    ],
)
def test_a_line_of_bad_shape_is_counted_and_skipped(tmp_path: Path, bad: str) -> None:
    found, counts = read(write(tmp_path, ONE, bad, ONE))
    assert found == [READ, READ]
    assert (counts.lines, counts.skipped, counts.cut) == (3, 1, False)


def test_a_line_in_another_encoding_is_skipped(tmp_path: Path) -> None:
    """The header says what the file is; one odd byte does not turn all names into something else."""
    path = write(tmp_path, ONE)
    path.write_bytes(path.read_bytes() + ONE.encode("cp1252") + ONE.encode())
    found, counts = read(path)
    assert found == [READ, READ]
    assert counts.skipped == 1


def test_a_wrong_key_is_counted_and_kept(tmp_path: Path) -> None:
    found, counts = read(write(tmp_path, line(rpps="10001234567"), line(rpps="10001234567"), ONE))
    assert len(found) == 3
    assert counts.wrong_keys == {"10001234567"}


@pytest.mark.parametrize(("end", "cut"), [("LEFÈVRE|Zo", True), ("", False)])
def test_a_file_that_ends_in_a_line_is_noticed(tmp_path: Path, end: str, cut: bool) -> None:
    whole = ONE.removesuffix("\n")  # the last line may lack its end
    found, counts = read(write(tmp_path, ONE, "8|" + end if end else whole))
    assert len(found) == (1 if cut else 2)
    assert counts.cut is cut


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ({"postal": "69003", "town": "Lyon"}, ("69003", "Lyon")),
        ({"postal": "69003", "cedex": "69003 LYON CEDEX 03"}, ("69003", "LYON CEDEX 03")),
        ({"postal": " 69003 ", "town": " Lyon "}, ("69003", "Lyon")),
        ({"postal": "1204", "town": "Genève"}, ("", "")),
        ({"postal": "", "town": "Lyon"}, ("", "")),
    ],
)
def test_r118_a_place_is_a_postal_code_with_its_town(
    tmp_path: Path, cells: dict[str, str], place: tuple[str, str]
) -> None:
    ((*_, postal, town),), _ = read(write(tmp_path, line(rpps=RPPS, **cells)))
    assert (postal, town) == place


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_extraction, "_LARGEST", 5000)
    with pytest.raises(BadExtraction, match="too large"):
        read(write(tmp_path, *[ONE] * 100))
    with pytest.raises(BadExtraction, match="too large"):
        read(write(tmp_path, "x" * 300_000))


def test_how_far_it_is_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_extraction, "_TELL_EVERY", 2)
    told: list[int] = []
    list(read_extraction(write(tmp_path, *[ONE] * 5), Counts(), told.append))
    assert told == [2, 4, 5]
