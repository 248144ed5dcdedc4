"""The kits of ``examples/backends`` as their users run them, and a key set as applications may meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.servers import free_port, program, wait_for_port

KITS = Path(__file__).parents[2] / "examples/backends"
VECTORS = KITS / "vectors.json"
ISSUER, AUDIENCE = "https://vt.example.test", "vt"


@dataclass(frozen=True)
class Kit:
    """``test`` and ``serve`` are the command lines before the document and the port; ``build`` comes before both.
    ``OUT`` stands for a folder of the test."""

    name: str
    program: str
    package: str
    test: tuple[str, ...]
    serve: tuple[str, ...]
    build: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return KITS / self.name

    def ready(self, out: Path) -> Ready:
        """Built, or skipped without its program; with CI=true that is a failure."""
        for name in {self.program, *self.build[:1]}:
            program(name, self.package)
        line = self.line(self.build, out)
        if line:
            sources = sorted(path.name for path in self.folder.glob("*.java"))
            done = subprocess.run([*line, *sources], cwd=self.folder, capture_output=True, text=True, timeout=100)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
        return Ready(self, self.line(self.test, out), self.line(self.serve, out))

    def line(self, words: tuple[str, ...], out: Path) -> list[str]:
        return [str(out) if word == "OUT" else word for word in words]


@dataclass(frozen=True)
class Ready:
    """A kit that can be run."""

    kit: Kit
    test: list[str]
    serve: list[str]

    def judge(
        self, source: object, *options: str, then: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The self-test on this document; ``options`` are the program's, ``then`` are the self-test's own."""
        line = [*self.test[:1], *options, *self.test[1:], str(source), *then]
        return subprocess.run(
            line, cwd=self.kit.folder, capture_output=True, text=True, timeout=100, env={**os.environ, **environment}
        )

    @contextmanager
    def serving(self, jwks: str, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> Iterator[int]:
        """The example server with this key set; its port."""
        port = free_port()
        settings = {"VT_JWKS": jwks, "VT_ISSUER": issuer, "VT_AUDIENCE": audience}
        line = [word.replace("PORT", str(port)) for word in self.serve]
        with TemporaryDirectory() as folder:  # PHP keeps the keys in a file
            settings["VT_JWKS_CACHE"] = f"{folder}/jwks.json"
            process = subprocess.Popen(
                line, cwd=self.kit.folder, env={**os.environ, **settings},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                wait_for_port(port, process)
                yield port
            finally:
                process.kill()
                process.wait()


KINDS = (
    Kit("python", sys.executable, "python3", (sys.executable, "self_test.py"), (sys.executable, "wsgi_app.py", "PORT")),
    Kit("node", "node", "nodejs", ("node", "selfTest.mjs"), ("node", "server.mjs", "PORT")),
    Kit(
        "java",
        "java",
        "default-jdk-headless",
        ("java", "-cp", "OUT", "SelfTest"),
        ("java", "-cp", "OUT", "Server", "PORT"),
        ("javac", "-Xlint:all", "-Werror", "-d", "OUT"),
    ),
    Kit("php", "php", "php-cli", ("php", "self_test.php"), ("php", "-S", "127.0.0.1:PORT", "server.php")),
)


def ask(port: int, *tokens: str) -> tuple[int, Any]:
    """Status and body of one request with these values of the header, each on a line of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", "/anything")
        for token in tokens:
            connection.putheader("X-VT-Assertion", token)
        connection.endheaders()
        with connection.getresponse() as answer:
            return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class Keys:
    """Addresses of a key set on loopback: ``/jwks.json`` is right, the others are what goes wrong on the way to it.

    ``asked`` counts the questions; ``held`` answers none of them until it is set.
    """

    WRONG = ("missing", "rubbish", "no-http", "list", "null", "strange", "empty")

    def __init__(self, jwks: dict[str, Any]) -> None:
        self.asked = 0
        self.held = threading.Event()
        self.held.set()
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.asked += 1
                keys.held.wait(60)
                self.wfile.write(keys.answer(self.path.strip("/"), jwks))

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def answer(self, path: str, jwks: dict[str, Any]) -> bytes:
        bodies = {
            "jwks.json": json.dumps(jwks),
            "rubbish": "<html>",
            "list": "[]",
            "null": '{"keys": null}',
            "strange": json.dumps({"keys": [1, {**jwks["keys"][0], "x": 1}, {"kid": jwks["keys"][0]["kid"]}]}),
            "empty": '{"keys": []}',
        }
        if path == "no-http":
            return b"SSH-2.0-server\r\n"
        body = bodies.get(path, "").encode()
        status = b"200 OK" if path in bodies else b"404 Not Found"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        return head % (status, len(body)) + body

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def __enter__(self) -> Keys:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
