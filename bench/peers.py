"""The programs that are measured, each on loopback in front of the same origin, each on one core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A started program and all its children, with their CPU time and memory from /proc."""

    def __init__(self, line: list[str], core: int, log: IO[bytes], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *line], stdout=log, stderr=log, env={**os.environ, **(env or {})}
        )

    def pids(self) -> list[int]:
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self) -> float:
        """Seconds of CPU, user and system, so far."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss(self) -> int:
        """Resident bytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_for(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


_NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err warn;
events {{ worker_connections 20000; }}
http {{
  access_log {access}; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000; client_max_body_size 0;
  {body}
}}
"""


def nginx(folder: Path, name: str, core: int, body: str, log: IO[bytes], *, access: bool) -> Program:
    """nginx with this http block; the access log, when on, goes to a file like ours does."""
    path = folder / f"{name}.conf"
    path.write_text(
        _NGINX.format(folder=folder, name=name, body=body, access=f"{folder}/{name}.access" if access else "off")
    )
    return Program(["nginx", "-p", str(folder), "-c", str(path)], core, log)


def origin(folder: Path, port: int, core: int, log: IO[bytes]) -> Program:
    """nginx answering 1 KiB and 64 KiB from memory."""
    small, large = "x" * 1024, "y" * 65536
    (folder / "small").write_text(small)
    (folder / "large").write_text(large)
    body = (
        f"server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; open_file_cache max=10;"
        " location /small { } location /large { } location / { return 200 'ok'; } }"
    )
    return nginx(folder, "origin", core, body, log, access=False)


def nginx_proxy(folder: Path, port: int, to: int, core: int, log: IO[bytes]) -> Program:
    body = (
        f"upstream o {{ server 127.0.0.1:{to}; keepalive 64; }} server {{ listen 127.0.0.1:{port} backlog=4096;"
        ' location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";'
        " proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } }"
    )
    return nginx(folder, "proxy", core, body, log, access=True)


def naive(port: int, to: int, core: int, log: IO[bytes]) -> Program:
    """A proxy written as an aiohttp handler."""
    return Program([sys.executable, "-m", "bench.naive", str(port), str(to)], core, log)


def gateway(folder: Path, ports: dict[str, int], core: int, log: IO[bytes]) -> Program:
    """Our gateway with everything on: session check, header rewriting, metrics, access log."""
    (folder / "gateway.toml").write_text(
        f"""
[gateway]
public_url = "https://localhost"
hosts = ["127.0.0.1"]
state_dir = "state"
[listen.public]
address = "127.0.0.1:{ports["gateway"]}"
[listen.management]
address = "127.0.0.1:{ports["management"]}"
[limits]
connections_per_address = 20000
[backends.vt]
url = "http://127.0.0.1:{ports["origin"]}"
audience = "vt"
[[routes]]
path = "/"
class = "protected"
backend = "vt"
[smtp]
host = "127.0.0.1"
security = "none"
from = "a@b.test"
"""
    )
    return Program([sys.executable, "-m", "gateway", "serve", "--config", str(folder / "gateway.toml")], core, log)
