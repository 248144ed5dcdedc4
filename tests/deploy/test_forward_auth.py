"""The forward-auth snippets of deploy/, run by the programs they are for, in front of a recorded application."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from bench import account
from bench.__main__ import prepare
from bench.process import free_port
from bench.programs import Peer, Yard
from tests.servers import program

SNIPPETS = Path(__file__).parents[2] / "deploy" / "forward-auth"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the pair of RFC 6455
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@dataclass
class Application:
    """What stands behind: keeps every request it got."""

    port: int = 0
    seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    made = Application()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.seen.append((self.command, self.path, list(self.headers.items()), body))
            if self.headers.get("Upgrade"):
                self.send_response_only(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header("Sec-WebSocket-Accept", ACCEPT)
                self.end_headers()
                self.close_connection = True
                return
            self.send_response_only(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"app")

        do_GET = do_POST = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yard, Peer, str]]:
    program("nginx", "nginx-light", Path("/usr/sbin/nginx"))
    folder = tmp_path_factory.mktemp("forward")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    with (folder / "log").open("wb") as log:
        made = Yard(folder, log)
        try:
            prepare(folder)
            made.open_origin()
            gateway = made.gateway()
            yield made, gateway, asyncio.run(account.cookie(folder))
        finally:
            made.stop()


def snippet(name: str, folder: Path, listen: int, gateway: int, application: int) -> Path:
    """The very file of deploy/, with this test's ports."""
    made = folder / f"{listen}-{name}"
    text = (SNIPPETS / name).read_text()
    for old, new in (("127.0.0.1:8000", listen), ("127.0.0.1:8080", gateway), ("127.0.0.1:9000", application)):
        text = text.replace(old, f"127.0.0.1:{new}")
    made.write_text(text)
    return made


def start(kind: str, yard: Yard, gateway: int, application: int) -> int:
    """One front proxy; the port it listens on."""
    port, folder = free_port(), yard.folder
    if kind == "nginx":
        path = snippet("nginx.conf", folder, port, gateway, application)
        text = path.read_text().replace(
            "worker_processes 1;", f"worker_processes 1; daemon off; pid {folder}/{port}.pid;"
        )
        places = " ".join(f"{one}_temp_path {folder}/t{port};" for one in ("proxy", "fastcgi", "uwsgi", "scgi"))
        path.write_text(
            text.replace("access_log off;", f"access_log off; client_body_temp_path {folder}/t{port}; {places}")
        )
        yard.start(
            [program("nginx", "nginx-light", Path("/usr/sbin/nginx")), "-p", str(folder), "-c", str(path)], None, port
        )
    elif kind == "haproxy":
        path = snippet("haproxy.cfg", folder, port, gateway, application)
        (folder / "vt-auth.lua").write_text((SNIPPETS / "vt-auth.lua").read_text())
        yard.start(
            [program("haproxy", "haproxy", Path("/usr/sbin/haproxy")), "-C", str(folder), "-f", str(path)], None, port
        )
    else:
        binary = program("apache2", "apache2", Path("/usr/sbin/apache2"))
        if not Path("/usr/share/lua/5.3/socket/http.lua").exists():
            if os.environ.get("CI"):
                pytest.fail("LuaSocket is missing (package lua-socket)")
            pytest.skip("LuaSocket is missing (package lua-socket)")
        path = snippet("apache.conf", folder, port, gateway, application)
        lua = snippet("vt-auth-apache.lua", folder, port, gateway, application)
        head = (
            f"ServerRoot /usr/lib/apache2\nPidFile {folder}/{port}.pid\nErrorLog {folder}/{port}.err\n"
            f"DefaultRuntimeDir {folder}\nLoadModule mpm_event_module modules/mod_mpm_event.so\n"
        )
        if os.geteuid() == 0:
            head += "User www-data\nGroup www-data\n"
        path.write_text(head + path.read_text().replace("vt-auth-apache.lua vt_auth", f"{lua} vt_auth"))
        yard.start([binary, "-f", str(path), "-DFOREGROUND"], None, port)
    return port


@pytest.fixture(scope="module", params=["nginx", "haproxy", "apache"])
def front(request: pytest.FixtureRequest, yard: tuple[Yard, Peer, str], application: Application) -> int:
    return start(request.param, yard[0], yard[1].clear, application.port)


def ask(
    port: int, path: str, headers: dict[str, str], *, method: str = "GET", body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Host": "localhost", **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_signed_in_goes_on_with_the_identity_that_the_gateway_said(
    front: int, yard: tuple[Yard, Peer, str], application: Application
) -> None:
    """The identity is the gateway's; what the client says under such names, in any spelling, does not arrive, and neither
    do the gateway's cookies; the body goes to the application whole."""
    application.seen.clear()
    liar = {
        "X-VT-RPPS": "evil", "x-vt-Assertion": "evil", "X_VT_RPPS": "evil", "X-VT-Structure": "evil", "X-Forwarded-User": "evil",
        "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Uri": "/evil",
    }  # fmt: skip
    status, _, body = ask(
        front, "/dossier/1?x=%2F", {"Cookie": yard[2] + "; last=1", **liar}, method="POST", body=b"hello"
    )
    assert (status, body) == (200, b"app")
    ((method, path, headers, got),) = application.seen
    assert (method, path, got) == ("POST", "/dossier/1?x=%2F", b"hello")
    named = [(name.lower().replace("_", "-"), value) for name, value in headers]
    assert [value for name, value in named if name == "x-vt-rpps"] == ["99700000005"]
    (assertion,) = [value for name, value in named if name == "x-vt-assertion"]
    assert assertion.count(".") == 2
    assert [pair for pair in named if "evil" in pair[1] or "203.0.113.9" in pair[1]] == []
    (cookie,) = [value for name, value in named if name == "cookie"]
    assert "__Host-vtgw" not in cookie
    assert "ASP.NET_SessionId=abcdef0123456789" in cookie
    assert "last=1" in cookie


def test_a_page_is_sent_to_sign_in_and_a_script_is_told(front: int, application: Application) -> None:
    application.seen.clear()
    status, headers, _ = ask(front, "/dossier/1", PAGE)
    assert status == 302
    assert headers["location"].startswith("https://localhost/_gateway/sign-in?")
    assert "return=/dossier/1" in headers["location"]
    assert ask(front, "/dossier/1", {"Accept": "application/json", "Sec-Fetch-Mode": "cors"})[0] == 401
    assert ask(front, "/dossier/1", {"Cookie": "__Host-vtgw=" + "x" * 43, **PAGE})[0] == 302
    assert not application.seen


def test_an_address_with_two_readings_is_refused(
    front: int, yard: tuple[Yard, Peer, str], application: Application
) -> None:
    application.seen.clear()
    for path in ("/a/..%2fb", "/a%2f..%2fb", "/a/..;/b", "/%252e%252e/b"):
        assert ask(front, path, {"Cookie": yard[2]})[0] in (400, 403, 404)
    assert not application.seen


def test_own_pages_come_from_the_gateway_and_nobody_asks_by_hand(front: int, application: Application) -> None:
    application.seen.clear()
    status, _, body = ask(front, "/_gateway/sign-in?space=liberal", PAGE)
    assert status == 200
    assert "ViaTrajectoire" in body.decode()
    assert ask(front, "/_gateway/auth", {"X-Forwarded-Uri": "/"})[0] in (403, 404)
    assert not application.seen


def test_a_websocket_is_asked_about_too(front: int, yard: tuple[Yard, Peer, str], application: Application) -> None:
    lines = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    lines += f"Sec-WebSocket-Key: {KEY}"
    for cookie, code in ((yard[2], b"101"), ("a=b", b"401")):
        application.seen.clear()
        with socket.create_connection(("127.0.0.1", front), 10) as raw:
            raw.sendall(f"GET /ws HTTP/1.1\r\n{lines}\r\nAccept: */*\r\nCookie: {cookie}\r\n\r\n".encode())
            assert raw.recv(4096).split(b" ")[1] == code
        assert len(application.seen) == (1 if code == b"101" else 0)


@pytest.mark.parametrize("kind", ["nginx", "haproxy", "apache"])
def test_r7_without_the_gateway_nothing_passes(
    kind: str, yard: tuple[Yard, Peer, str], application: Application
) -> None:
    """The gateway does not answer: 503, and the application hears nothing."""
    application.seen.clear()
    port = start(kind, yard[0], free_port(), application.port)
    for headers in (PAGE, {"Cookie": yard[2], "Accept": "application/json"}):
        assert ask(port, "/dossier/1", headers)[0] == 503
    assert not application.seen


@pytest.mark.parametrize("name", ["traefik.yaml", "envoy.yaml"])
def test_the_other_snippets_are_sound_yaml(name: str) -> None:
    assert yaml.safe_load((SNIPPETS / name).read_text())


def test_the_other_snippets_name_what_they_need() -> None:
    """Programs that are not run here: the settings without which they would not be safe."""
    traefik, envoy, caddy = ((SNIPPETS / name).read_text() for name in ("traefik.yaml", "envoy.yaml", "Caddyfile"))
    for text in (traefik, caddy):
        assert "/_gateway/auth" in text
        assert "X-VT-Assertion" in text
    assert "trustForwardHeader: false" in traefik
    assert "failure_mode_allow: false" in envoy
    assert "path_prefix: /_gateway/auth" in envoy
