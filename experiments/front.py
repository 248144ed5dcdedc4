"""HAProxy in front of the gateways: no sticky routing, ``/readyz`` decides who is asked.

When no gateway is ready, all that live are asked: a gateway whose store is away still serves public pages, and says itself
why the others wait. A balancer that answers in its place would close those too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.ports import port as free_port
from experiments.serving import Serving
from tests.servers import program, wait_for_port

_CONFIG = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 2s
  retries 2
  option redispatch
  retry-on conn-failure empty-response
frontend people
  bind 127.0.0.1:{port}
  http-request disable-l7-retry unless {{ method GET HEAD }}
  use_backend living unless {{ nbsrv(ready) gt 0 }}
  default_backend ready
backend ready
  option httpchk GET /readyz
{ready}
backend living
  option httpchk GET /healthz
{living}
"""


@contextmanager
def front(folder: Path, gateways: Sequence[Serving]) -> Iterator[str]:
    """The base address, in clear, behind which these gateways stand."""
    port = free_port()
    lines = [
        f"  server {one.name} 127.0.0.1:{one.plain} check port {one.port} inter 500ms fastinter 250ms fall 2 rise 1"
        for one in gateways
    ]
    path = folder / "haproxy.cfg"
    path.write_text(_CONFIG.format(port=port, ready="\n".join(lines), living="\n".join(lines)))
    line = [program("haproxy", "haproxy", Path("/usr/sbin")), "-db", "-f", str(path)]
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()
