"""``vt-gateway directory``, as somebody who looks after the gateway types it beside the gateway's own files."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway.commands import directory as command
from gateway.commands.directory import directory
from gateway.demo.cards import write_server_certificates
from gateway.demo.directory import KEY, Directory
from gateway.demo.physicians import practitioners
from gateway.edges import directory_fhir, directory_line, directory_load, logs
from tests.edges.national import NAME, line, lines_of, serving, write
from tests.smallest import SMALLEST

GARNIER = "99700100060"


class Place:
    """A gateway's configuration and files, without the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "gateway.toml"
        self.file = folder / "state" / "directory.db"
        self.configure('source = "file"')

    def configure(self, section: str) -> None:
        self.config.write_text(f"{SMALLEST}[directory]\n{section}\n")

    def run(self, name: str, *arguments: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "configure", lambda level: None)  # the log belongs to the test run
            for room in (directory_fhir, directory_line, directory_load):
                patch.setattr(room, "_log", structlog.wrap_logger(structlog.ReturnLogger()))
            found = CliRunner().invoke(directory, [name, "--config", str(self.config), *arguments])
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    def read(self, name: str, *arguments: str) -> Any:
        done = self.run(name, *arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def extraction(tmp_path: Path) -> Path:
    return write(tmp_path, *lines_of(practitioners()), line(rpps="1"))


def archived(text: Path) -> bytes:
    path = text.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(text, NAME)
    return path.read_bytes()


class Office:
    """The server of the extraction: the answers it is told to give, then the file."""

    def __init__(self, file: bytes, folder: Path | None) -> None:
        self.answers: list[int] = []
        office = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = office.answers.pop(0) if office.answers else 200
                body = file if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if folder is not None:
            scheme = "https"
            write_server_certificates(folder, datetime.now(UTC))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem", folder / "server.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{scheme}://localhost:{self.server.server_address[1]}/extraction/PS_LibreAcces"


@contextmanager
def office(file: bytes, folder: Path | None = None) -> Iterator[Office]:
    made = Office(file, folder)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def interface() -> Iterator[tuple[str, Directory]]:
    """The demo's directory in a thread with a loop of its own, since commands have theirs."""
    national, started, loop = Directory(), threading.Event(), asyncio.new_event_loop()
    told: list[str] = []
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(national.app()) as url:
            told.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield told[0], national
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_help_has_examples() -> None:
    for name in ([], ["refresh"], ["search"], ["show"]):
        done = CliRunner().invoke(directory, [*name, "--help"])
        assert done.exit_code == 0
        assert "Example" in done.stdout


def test_r118_refresh_then_search_and_show(place: Place, extraction: Path) -> None:
    """From the file to an answer; what was read is reported, and how far it is is said on stderr."""
    report = place.read("refresh", "--file", str(extraction))
    assert {name: report[name] for name in ("lines", "physicians", "skipped", "wrong_keys", "before", "file")} == {
        "lines": 357, "physicians": 307, "skipped": 1, "wrong_keys": 0, "before": None, "file": str(place.file),
    }  # fmt: skip
    assert report["seconds"] >= 0
    done = place.run("refresh", "--file", str(extraction))
    assert "307 physicians (before: 307) out of 357 lines" in done.stdout
    assert "1 lines of bad shape skipped" in done.stdout
    assert "357 lines" in done.stderr

    found = place.read("search", "garnier", "--postal-code", "69003")
    assert [one["rpps"] for one in found["people"]] == [GARNIER]
    assert found["people"][0]["places"] == [{"postal_code": "69003", "town": "LYON"}]
    assert found["more"] is False
    done = place.run("search", "martin", "--limit", "2")
    assert len(done.stdout.splitlines()) == 2
    assert "more than 2" in done.stderr
    done = place.run("show", GARNIER)
    assert done.stdout == f"{GARNIER}\tGARNIER\tÉlodie\tSM15\tactive\t69003 LYON\n"
    assert place.read("show", GARNIER)["family_name"] == "GARNIER"
    done = place.run("show", "99700100037")
    assert (done.exit_code, done.stdout) == (1, "")


def test_r123_without_a_directory_the_exit_code_says_so(place: Place) -> None:
    """Not there yet: 75. None configured: 78."""
    for question in (("search", "martin"), ("show", GARNIER)):
        place.configure('source = "file"')
        assert place.run(*question).exit_code == 75
        place.configure('source = "none"')
        done = place.run(*question)
        assert (done.exit_code, done.stdout) == (78, "")
        assert "directory.source" in done.stderr


def test_refresh_refuses_a_part_unless_it_is_forced(place: Place, extraction: Path) -> None:
    place.read("refresh", "--file", str(extraction))
    part = place.folder / "part.txt"
    part.write_text("".join(extraction.read_text().splitlines(keepends=True)[:100]))
    done = place.run("refresh", "--file", str(part))
    assert done.exit_code == 1
    assert "this looks like a part" in done.stderr
    assert place.read("search", "garnier elodie")["people"]
    assert place.read("refresh", "--file", str(part), "--force")["before"] == 307
    assert place.run("refresh", "--file", str(place.folder / "missing")).exit_code == 2


def test_refresh_fetches_the_archive_with_its_own_authority(place: Place, extraction: Path) -> None:
    """The pinned authority is enough, and without it nothing is fetched; nothing of the download is left."""
    with office(archived(extraction), place.folder) as server:
        place.configure(f'source = "file"\nextraction_url = "{server.url}"\nca = "ca.pem"')
        assert place.read("refresh")["physicians"] == 307
        before = place.file.read_bytes()
        place.configure(f'source = "file"\nextraction_url = "{server.url}"')
        waits: list[float] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(command, "_wait", _at_once(waits))
            done = place.run("refresh")
        assert (done.exit_code, waits) == (75, [])
        assert "certificate" in done.stderr.lower()
        assert place.file.read_bytes() == before
    assert sorted(one.name for one in place.file.parent.iterdir()) == [".directory.db.lock", "directory.db"]


def test_refresh_waits_when_it_was_asked_too_often(place: Place, extraction: Path) -> None:
    waits: list[float] = []
    with office(archived(extraction)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_wait", _at_once(waits))
        place.configure(f'source = "file"\nextraction_url = "{server.url}"')
        server.answers = [429, 429]
        assert place.read("refresh")["physicians"] == 307
        server.answers = [404]
        done = place.run("refresh")
        assert (done.exit_code, "answer 404" in done.stderr) == (75, True)
        server.answers = [429] * 9
        assert place.run("refresh").exit_code == 75
    assert waits == [60, 120, 60, 120, 240, 480]


def test_an_authority_that_is_none_is_said(place: Place) -> None:
    (place.folder / "ca.pem").write_text("nothing")
    place.configure('source = "file"\nca = "ca.pem"')
    done = place.run("refresh")
    assert (done.exit_code, "directory.ca" in done.stderr) == (75, True)
    (place.folder / "key").write_text(KEY)
    place.configure('source = "fhir"\napi_key_file = "key"\nca = "ca.pem"')
    assert place.run("search", "martin").exit_code == 78


def test_r118_the_interface_is_asked_in_the_same_way(place: Place) -> None:
    (place.folder / "key").write_text(KEY)
    with interface() as (url, national):
        place.configure(f'source = "fhir"\nurl = "{url}"\napi_key_file = "key"')
        assert [one["rpps"] for one in place.read("search", "garnier", "--postal-code", "69003")["people"]] == [GARNIER]
        assert place.read("show", GARNIER)["places"] == [{"postal_code": "69003", "town": "LYON"}]
        national.mode = "error"
        done = place.run("show", GARNIER)
        assert (done.exit_code, done.stdout) == (75, "")
        assert KEY not in done.stderr


def _at_once(waits: list[float]) -> Any:
    async def wait(seconds: float) -> None:
        waits.append(seconds)

    return wait
