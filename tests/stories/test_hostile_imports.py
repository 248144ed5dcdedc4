"""Tables that nobody should have sent (R102, R147): by the API and from the shell, of people and of places.

After each of them the gateway serves, no file is left behind, and nothing half-written is in the database.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bearer import Bearer
from tests.stories.conftest import running
from tests.stories.tables import HEAD, LINE, ended, held, query, send, shell, unharmed
from tests.stories.test_switches import soon
from tests.visitor import Demo

LARGEST = 61 * 2**20


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo"), GATEWAY_ADMIN__IMPORT_MAX_BYTES=str(LARGEST)) as demo:
        yield demo


@pytest.fixture
def region(demo: Demo) -> Bearer:
    return Bearer(demo, "region")


@pytest.fixture(autouse=True)
def looked_after(demo: Demo) -> Iterator[None]:
    yield
    unharmed(demo)


HOSTILE = {
    "a line of 60 MB": lambda kind: HEAD[kind] + b"a" * 60_000_000,
    "60 MB without a line": lambda kind: b"a;" * 30_000_000,
    "noughts": lambda kind: HEAD[kind] + LINE[kind] + b"eve\x00;Un;Eve;;\n",
    "UTF-16 without its mark": lambda kind: (HEAD[kind] + LINE[kind]).decode().encode("utf-16-le"),
    "bytes of no alphabet": lambda kind: HEAD[kind] + b"\x81\x8d\x90;Un;Eve;;\n" + LINE[kind],
    "a UTF-8 mark, then none": lambda kind: b"\xef\xbb\xbf" + HEAD[kind] + LINE[kind] + b"\xe9;\xe9;\xe9;;\n",
    "a quote without end": lambda kind: HEAD[kind] + LINE[kind] + b'"eve;Un;Eve;;\n' * 2000,
    "a quote within": lambda kind: HEAD[kind] + LINE[kind] + b'"eve" x;Un;Eve;;\n',
    "10 000 columns": lambda kind: HEAD[kind] + LINE[kind] + b"x;" * 10_000 + b"\n",
    "10 000 columns by name": lambda kind: b"".join(b"c%d;" % n for n in range(10_000)) + b"\n",
    "a column twice": lambda kind: HEAD[kind][:-1] + b";" + HEAD[kind] + LINE[kind],
    "a column twice by another name": lambda kind: HEAD[kind][:-1] + b";NOM;LIBELLE;FAMILY_NAME\n" + LINE[kind],
    "no heading": lambda kind: LINE[kind] * 3,
    "blanks": lambda kind: b"\n \n;;;\r\n\r\n",
    "an archive": lambda kind: b"PK\x03\x04" + bytes(range(256)) * 40,
    "a packed file": lambda kind: b"\x1f\x8b\x08" + os.urandom(2000),
    "a workbook": lambda kind: b"\xd0\xcf\x11\xe0" + bytes(2000),
    "a document": lambda kind: b'{"accounts": [{"nom": "Un"}]}',
    "a page": lambda kind: b"<!DOCTYPE html><table><tr><td>nom;prenom</table>",
}


@pytest.mark.parametrize("kind", ["accounts", "scopes"])
@pytest.mark.parametrize("name", HOSTILE)
def test_r102_a_file_that_cannot_be_read_whole_changes_nothing(
    demo: Demo, region: Bearer, tmp_path: Path, kind: str, name: str
) -> None:
    """It fails with a sentence, by the API and (the smaller ones) from the shell; good lines before it are not taken."""
    data, before = HOSTILE[name](kind), held(demo)
    status = ended(region, send(region, kind, data))
    assert status["state"] == "failed", status
    assert len(status["fault"]) > 15
    assert held(demo) == before
    if len(data) < 100_000 and name in ("noughts", "a quote without end", "a column twice", "an archive"):
        ran = shell(demo, tmp_path, kind, data)
        assert ran.returncode == 1
        assert status["fault"] in ran.stderr
        assert held(demo) == before


def form(*parts: tuple[str, bytes], boundary: bytes = b"xx", end: bytes = b"--xx--\r\n") -> bytes:
    lines = [
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (boundary, head.encode(), body)
        for head, body in parts
    ]
    return b"".join(lines) + end


MULTI = "multipart/form-data; boundary=xx"
BODIES: dict[str, tuple[str, bytes, int]] = {
    "nothing": ("text/csv", b"", 422),
    "another kind": ("application/zip", b"PK\x03\x04", 415),
    "no kind": ("application/octet-stream", b"a;b\n", 415),
    "another alphabet": ("text/csv; charset=utf-16", b"a;b\n", 415),
    "a form without file": (MULTI, form(('name="other"', b"a;b\n")), 422),
    "an empty file": (MULTI, form(('name="file"; filename="a.csv"', b"")), 422),
    "a form without boundary": ("multipart/form-data", b"--xx\r\n", 400),
    "a form that is none": (MULTI, b"identifiant;nom;prenom\n", 400),
    "a form that breaks off": (MULTI, form(('name="file"; filename="a"', b"a;b\n"), end=b"")[:-2], 400),
    "no JSON": ("application/json", b'{"csv": "a', 400),
    "JSON of another sort": ("application/json", b'["a;b"]', 422),
    "a number for a table": ("application/json", b'{"csv": 5}', 422),
    "an empty table": ("application/json", b'{"csv": ""}', 422),
    "a table and more": ("application/json", b'{"csv": "a;b", "path": "/etc/passwd"}', 422),
    "noughts in JSON": ("application/json", b'{"csv": "a;b\\u0000"}', 422),
    "half a character": ("application/json", b'{"csv": "\\ud800"}', 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_r102_bodies_that_are_no_table(demo: Demo, region: Bearer, name: str) -> None:
    """Refused before an import begins, in the API's own words."""
    said, body, expected = BODIES[name]
    imports = query(demo, "SELECT count(*) FROM imports")
    for kind in ("accounts", "scopes"):
        answer = send(region, kind, body, said=said)
        assert answer.status == expected, (name, answer.body)
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert query(demo, "SELECT count(*) FROM imports") == imports


def test_r102_what_is_too_large(demo: Demo, region: Bearer) -> None:
    """More than ``admin.import_max_bytes`` is refused: at once when it is announced, on the way when it is not; a référent's
    is refused whatever its size."""
    for announced in (True, False):
        answer = stream(demo, region, LARGEST + 5_000_000, LARGEST + 5_000_000, announced=announced)
        assert b" 413 " in answer.split(b"\r\n")[0], answer[:200]
    assert send(Bearer(demo, "referent"), "accounts", b"x" * 3_000_000).status == 403


def stream(demo: Demo, to: Bearer, size: int, sent: int, *, announced: bool = True) -> bytes:
    """Send so many bytes of a table of this size, piece by piece; the beginning of the answer when there is one."""
    parts = urlsplit(demo.about["gateway"])
    context = ssl.create_default_context(cafile=str(demo.folder / demo.about["ca"]))
    length = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
    head = (
        f"POST /_gateway/api/v1/accounts/import HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: text/csv\r\n"
        f"Authorization: Bearer {to._token}\r\n{length}\r\n\r\n"
    )
    piece = b"a;b;c;d\n" * 8192
    plain = socket.create_connection((parts.hostname, parts.port), timeout=20)
    with context.wrap_socket(plain, server_hostname=parts.hostname) as line:
        with contextlib.suppress(OSError):  # it listens no more: what it said is there to be read
            line.sendall(head.encode())
            for _ in range(sent // len(piece)):
                line.sendall(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
            if sent < size:
                return b""  # gone, without a word
        return line.recv(4096)


def test_r102_a_line_that_is_cut_half_way(demo: Demo, region: Bearer) -> None:
    """Whoever goes away in the middle leaves neither a file nor an import."""
    imports, before = query(demo, "SELECT count(*) FROM imports"), held(demo)
    for announced in (True, False):
        assert stream(demo, region, 20_000_000, 5_000_000, announced=announced) == b""
    soon(lambda: not list((demo.folder / "state/imports").iterdir()))
    assert query(demo, "SELECT count(*) FROM imports") == imports
    assert held(demo) == before


def test_r102_formulas_are_text_wherever_they_come_out(demo: Demo, region: Bearer, tmp_path: Path) -> None:
    """Names, keys and reasons that a spreadsheet would compute have an apostrophe before them in every table."""
    evil = ('=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "-2+3+a", "@SUM(a1)")
    rows = [["identifiant", "nom", "prenom", "mail", "scope", "telephone"]]
    rows += [[f"evil{n}", text, text, f"evil{n}@example.test", "ssr-lac", text] for n, text in enumerate(evil)]
    rows += [[text, "Un", "Eve", text, text, ""] for text in evil]
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows(rows)
    status = ended(region, send(region, "accounts", out.getvalue().encode()))
    assert status["state"] == "done"
    place = {"parent": "exemple-sante", "kind": "etablissement", "name": "=1+1|a", "reason": "=1+1 motif"}
    region.call("POST", "scopes", place)
    assert region.edit("ssr-lac", banner="=1+1", reason="@SUM(1+1)").status == 200
    tables = [
        region.get("scopes/ssr-lac/readiness?format=csv").body,
        region.get(f"imports/{status['id']}/report?format=csv").body,
        region.get("audit?format=csv").body,
    ]
    ran = shell(demo, tmp_path, "accounts", out.getvalue().encode(), "--dry-run", "--report", str(tmp_path / "r.csv"))
    assert ran.returncode in (0, 1), ran.stderr
    tables.append((tmp_path / "r.csv").read_bytes())
    for table in tables:
        text = table.decode("utf-8")
        assert text.startswith("\ufeff")
        cells = [cell for row in csv.reader(io.StringIO(text[1:]), delimiter=";") for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert region.edit("ssr-lac", banner=None).status == 200


def test_r102_repeated_and_contradicting_lines(demo: Demo, region: Bearer) -> None:
    """A person named twice in a file is made once; two people of one mailbox both lose it as a key; a report says so by
    line; the same file again, by the API and from the shell, changes nothing."""
    lines = [b"jean.deux;Deux;Jean;jean.deux@example.test;ssr-lac\n"] * 3
    lines += [b"a.trois;Trois;Anne;trois@example.test;ssr-lac\n", b"b.trois;Trois;Bea;Trois@Example.test;ssr-lac\n"]
    lines += [b"c.trois;Trois;Luc;;ehpad-vanille\n", b"d.trois;;;;\n", b"e.trois;Quatre;Luc;;ssr-lac;too;many\n"]
    data = HEAD["accounts"] + b"".join(lines)
    first = ended(region, send(region, "accounts", data))
    assert first["state"] == "done"
    assert first["counts"]["created"] == 3
    assert first["counts"]["refused"] >= 3
    found = query(demo, "SELECT mail_key FROM accounts WHERE family_name = 'Trois'")
    assert found == [(None,), (None,)]
    report = region.get(f"imports/{first['id']}/report").json()["lines"]
    assert {7, 8, 9} <= {one["line"] for one in report if one["outcome"] == "refused"}
    assert all(one["detail"] for one in report if one["outcome"] == "refused")
    before = held(demo)
    second = ended(region, send(region, "accounts", data))
    assert "created" not in second["counts"]
    assert "updated" not in second["counts"]
    assert held(demo) == before


def test_r87_r102_a_user_name_attaches_no_stranger(demo: Demo, region: Bearer) -> None:
    """A line with the user name of somebody of another region and another name is refused; with their name they are
    attached, and the file says nothing else of them."""
    ((account,),) = query(demo, "SELECT account_id FROM logins WHERE key = 'u:agent114'")
    before = held(demo)
    for name in ("Autre;Personne", "Autre;Ursula"):
        line = f"agent114;{name};autre@example.test;ssr-lac\n".encode()
        assert ended(region, send(region, "accounts", HEAD["accounts"] + line))["counts"] == {"refused": 1}
    assert held(demo) == before
    assert region.get(f"accounts/{account}").status == 404
    right = b"agent114;Riviere;Ursula;autre@example.test;ssr-lac\n"
    assert ended(region, send(region, "accounts", HEAD["accounts"] + right))["counts"] == {"updated": 1}
    seen = region.get(f"accounts/{account}").json()
    assert seen["scopes"] == ["ssr-lac"]
    assert seen["mail"] != "autre@example.test"


@pytest.mark.parametrize("kind", ["accounts", "scopes"])
def test_r102_two_at_once_and_twice(demo: Demo, region: Bearer, tmp_path: Path, kind: str) -> None:
    """Two of one author: one goes first, the other is told or comes after; two authors with one file make everything
    once. From the shell it is the same file, and there is nothing left to do."""
    number = 1500
    if kind == "accounts":
        rows = b"".join(b"personne%d;Agent %s;Zoe;z%d@etang.test;ssr-lac\n" % (n, letters(n), n) for n in range(number))
    else:
        rows = b"".join(b"svc%d;ssr-lac;service;Service %d;;\n" % (n, n) for n in range(number))
    data, before = HEAD[kind] + rows, len(query(demo, f"SELECT id FROM {kind}"))  # noqa: S608
    national = Bearer(demo, "national")
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(lambda to: send(to, kind, data), (region, region, national)))
    assert [one.status for one in said if one.status not in (200, 202)] in ([], [422])
    started = [(to, one) for to, one in zip((region, region, national), said, strict=True) if one.status != 422]
    states = [ended(to, one) for to, one in started]
    assert [one["state"] for one in states] == ["done"] * len(states)
    assert len(query(demo, f"SELECT id FROM {kind}")) == before + number  # noqa: S608
    assert sum(one["counts"].get("created", 0) for one in states) == number
    ran = shell(demo, tmp_path, kind, data, "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["counts"] == {"unchanged": number}


def letters(number: int) -> bytes:
    return bytes(ord("a") + int(figure) for figure in str(number))
