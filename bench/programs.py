"""The programs that are measured, each on loopback in front of the same origin, on the core under test."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.process import Program, cores, free_port, wait_for

SMALL, LARGE, HUGE = 1024, 65_536, 200 << 20  # bytes

_NGINX = """
worker_processes {workers}; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 30000; }}
http {{
  access_log {access}; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000; client_max_body_size 0;
  keepalive_timeout 600; client_body_buffer_size 128k; ssl_protocols TLSv1.2 TLSv1.3;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  {body}
}}
"""
_PROXY = """proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"""
_GATEWAY = """
[gateway]
public_url = "https://localhost"
card_url = ["https://localhost:{card}"]
hosts = ["127.0.0.1", "localhost"]
state_dir = "state"
workers = {workers}
[listen.public]
address = "127.0.0.1:{tls}"
certificate = "server.pem"
key = "server.key"
[listen.plain]
address = "127.0.0.1:{clear}"
[listen.card]
address = "127.0.0.1:{card}"
certificate = "server.pem"
key = "server.key"
[listen.management]
address = "127.0.0.1:{management}"
[forwarded]
trusted = ["127.0.0.0/8"]
[limits]
{limits}
[backends.vt]
url = "http://127.0.0.1:{origin}"
audience = "vt"
[[routes]]
path = "/"
class = "protected"
backend = "vt"
[card]
environment = "test"
trust = ["pki/fort.pem", "pki/standard.pem"]
crl = ["file:pki/fort.crl", "file:pki/standard.crl"]
[smtp]
host = "127.0.0.1"
security = "none"
from = "a@b.test"
"""
_LIMITS = {"connections": 30000, "connections_per_address": 30000, "keep_alive": 600}


@dataclass
class Peer:
    """One measured program: where it listens (0: not), and what its CPU is made of."""

    name: str
    program: Program
    clear: int = 0
    tls: int = 0
    card: int = 0
    management: int = 0
    also: list[Program] = field(default_factory=list)  # counted with it
    cookie: str = ""  # of a session of its own

    def cpu(self) -> float:
        return sum(one.cpu() for one in (self.program, *self.also))

    def rss(self) -> int:
        return sum(one.rss() for one in (self.program, *self.also))


class Yard:
    """Starts programs in a folder, and stops them all."""

    def __init__(self, folder: Path, log: IO[bytes]) -> None:
        self.folder = folder
        self.log = log
        self.programs: list[Program] = []
        self.tested, self.other = cores()
        self.origin = 0
        self.echo = 0

    def start(self, line: list[str], core: int | None, *ports: int) -> Program:
        program = Program(line, core, self.log)
        self.programs.append(program)
        for port in ports:
            wait_for(port, program)
        return program

    def stop(self) -> None:
        for program in reversed(self.programs):
            program.stop()

    def nginx(
        self, name: str, body: str, core: int | None, *ports: int, access: bool = True, workers: int = 1
    ) -> Program:
        """nginx with this http block; the access log, when on, goes to a file like ours does."""
        path = self.folder / f"{name}.conf"
        log = f"{self.folder}/{name}.access" if access else "off"
        path.write_text(_NGINX.format(folder=self.folder, name=name, body=body, access=log, workers=workers))
        return self.start(["nginx", "-p", str(self.folder), "-c", str(path)], core, *ports)

    def open_origin(self) -> None:
        """nginx with answers of 1 KiB, 64 KiB and 200 MB, a place that swallows bodies, and a WebSocket echo beside."""
        for name, size in (("small", SMALL), ("large", LARGE), ("huge", HUGE)):
            with (self.folder / name).open("wb") as file:
                file.write(b"x" * size)
        self.origin, swallow, self.echo = free_port(), free_port(), free_port()
        body = (
            f"server {{ listen 127.0.0.1:{swallow}; location / {{ return 200 'swallowed'; }} }}"
            f"server {{ listen 127.0.0.1:{self.origin} backlog=4096; root {self.folder}; open_file_cache max=10;"
            " location /small { } location /large { } location /huge { } location / { return 200 'ok'; }"
            " location /many/ { try_files /small =404; }"
            f" location /sink {{ proxy_pass http://127.0.0.1:{swallow}; }}"
            f" location /ws {{ {_PROXY} proxy_pass http://127.0.0.1:{self.echo}; }} }}"
        )
        self.start([sys.executable, "-m", "bench.echo", str(self.echo)], self.other, self.echo)
        self.nginx("origin", body, self.other, self.origin, access=False)

    # Peers

    def nginx_proxy(self, workers: int = 1, core: int | None = -1) -> Peer:
        clear, tls, card = free_port(), free_port(), free_port()
        shared = (
            f"ssl_certificate {self.folder}/server.pem; ssl_certificate_key {self.folder}/server.key;"
            " ssl_session_cache shared:s:10m;"
            f" location / {{ {_PROXY} proxy_pass http://o; }} location /challenge {{ return 302 /sign-in; }}"
        )
        body = (
            f"upstream o {{ server 127.0.0.1:{self.origin}; keepalive 64; }}"
            f"server {{ listen 127.0.0.1:{clear} backlog=4096; listen 127.0.0.1:{tls} ssl backlog=4096; {shared} }}"
            f"server {{ listen 127.0.0.1:{card} ssl; ssl_protocols TLSv1.2; ssl_verify_client optional_no_ca; {shared} }}"
        )
        where = self.tested if core == -1 else core
        program = self.nginx(f"proxy{workers}", body, where, clear, tls, workers=workers)
        return Peer("nginx", program, clear, tls, card)

    def gateway(
        self, workers: int = 1, core: int | None = -1, *, before: tuple[str, ...] = (), **values: float
    ) -> Peer:
        """Our gateway with everything on: session check, header rewriting, metrics, access log. ``before``: words before
        its command; ``values``: over those of the section limits."""
        clear, tls, card, management = free_port(), free_port(), free_port(), free_port()
        path = self.folder / f"gateway{workers}.toml"
        path.write_text(
            _GATEWAY.format(
                limits="\n".join(f"{name} = {value}" for name, value in {**_LIMITS, **values}.items()),
                clear=clear,
                tls=tls,
                card=card,
                management=management,
                origin=self.origin,
                workers=workers,
            )
        )
        where = self.tested if core == -1 else core
        line = [*before, sys.executable, "-m", "gateway", "serve", "--config", str(path)]
        peer = Peer("gateway", self.start(line, where, clear, tls), clear, tls, card, management)
        urllib.request.urlopen(f"http://127.0.0.1:{clear}/_gateway/help", timeout=30).read()  # until it answers
        return peer

    def auth_request(self, gateway: Peer) -> Peer:
        """nginx asking our ``auth`` address about every request; both programs count."""
        clear = free_port()
        body = (
            f"upstream o {{ server 127.0.0.1:{self.origin}; keepalive 64; }}"
            f"upstream g {{ server 127.0.0.1:{gateway.clear}; keepalive 64; }}"
            f"server {{ listen 127.0.0.1:{clear} backlog=4096; location / {{ auth_request /auth;"
            " auth_request_set $rpps $upstream_http_x_vt_rpps; auth_request_set $said $upstream_http_x_vt_assertion;"
            f" {_PROXY} proxy_set_header X-VT-RPPS $rpps; proxy_set_header X-VT-Assertion $said; proxy_pass http://o; }}"
            " location = /auth { internal; proxy_pass_request_body off; proxy_set_header Content-Length '';"
            f" {_PROXY} proxy_set_header X-Forwarded-Uri $request_uri; proxy_set_header X-Forwarded-Method $request_method;"
            " proxy_set_header X-Forwarded-Host $http_host; proxy_pass http://g/_gateway/auth; } }"
        )
        return Peer("nginx+auth", self.nginx("auth", body, self.tested, clear), clear, also=[gateway.program])

    def haproxy(self) -> Peer:
        clear = free_port()
        path = self.folder / "haproxy.cfg"
        path.write_text(
            "global\n  nbthread 1\n  maxconn 9000\n  log stdout format raw local0 info\ndefaults\n  mode http\n  log global\n"
            "  option httplog\n  timeout connect 5s\n  timeout client 600s\n  timeout server 60s\n"
            "  option forwardfor\n"
            f"frontend f\n  bind 127.0.0.1:{clear} backlog 4096\n  default_backend b\n"
            f"backend b\n  http-reuse always\n  server o 127.0.0.1:{self.origin}\n"
        )
        return Peer("haproxy", self.start(["haproxy", "-f", str(path)], self.tested, clear), clear)

    def naive(self) -> Peer:
        """A proxy written as an aiohttp handler."""
        clear = free_port()
        line = [sys.executable, "-m", "bench.naive", str(clear), str(self.origin)]
        return Peer("naive aiohttp", self.start(line, self.tested, clear), clear)

    def go(self) -> Peer:
        """Go's httputil.ReverseProxy, built from bench/go."""
        clear, made = free_port(), self.folder / "goproxy"
        source = Path(__file__).parent / "go" / "main.go"
        subprocess.run(["go", "build", "-o", str(made), str(source)], check=True, stdout=self.log, stderr=self.log)
        line = ["env", "GOMAXPROCS=1", str(made), f"127.0.0.1:{clear}", f"http://127.0.0.1:{self.origin}"]
        return Peer("go reverseproxy", self.start(line, self.tested, clear), clear)


def missing(program: str) -> bool:
    return shutil.which(program) is None
