"""An estate on this machine: gateways of several workers on shared memory and records, a balancer in front, the demo around.

Everything that is started here is stopped here, however the experiment ended.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.disk import memory_disk
from experiments.front import front as balancer
from experiments.network import Line, can_cut, certify, line
from experiments.people import populate
from experiments.ports import port as free_port
from experiments.serving import Serving
from tests.postgres_servers import one_server, postgres_pair
from tests.redis_servers import cluster_group, sentinel_group
from tests.servers import redis_server
from tests.stories.conftest import running
from tests.visitor import Demo

_DISK, _FILES = 256, 64  # MiB: enough for an empty PostgreSQL and its journal; for SQLite


@dataclass
class Estate:
    """What runs. ``front`` is where people come in: in clear, with ``X-Forwarded-Proto: https``.

    ``redis`` and ``postgres`` are the servers as ``tests.servers``, ``tests.redis_servers`` and ``tests.postgres_servers``
    give them; ``None`` with SQLite.
    """

    folder: Path
    demo: Demo
    front: str
    gateways: list[Serving]
    store_url: str
    records_url: str
    redis: Any = None
    postgres: Any = None
    to_store: Line | None = None  # the ways to the two, when they can be cut or made slow
    to_records: Line | None = None

    @property
    def living(self) -> list[Serving]:
        return [one for one in self.gateways if one.process is not None]


@contextmanager
def estate(
    folder: Path,
    *,
    gateways: int = 2,
    workers: int = 3,
    store: str = "sentinel",
    records: str = "pair",
    front: bool = True,
    wired: bool = False,
    clocked: bool = False,
    demo: Demo | None = None,
) -> Iterator[Estate]:
    """Start it all and wait until every gateway is ready.

    ``store``: sentinel (primary, two replicas, three Sentinels), cluster, redis (one), sqlite. ``records``: pair (primary and
    synchronous standby), postgres (one), sqlite. ``wired``: with redis and postgres, the gateways reach both over lines that
    can be cut. ``clocked``: gateways of one worker whose clocks can be moved. ``demo``: a world that runs already; without it
    one is started here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        world = demo or stack.enter_context(running(_made(folder / "world")))
        place, kept = _made(folder / "records"), _made(folder / "store")
        if records == store == "sqlite":
            place = kept = _made(folder / "disk")
        if (wired or place == kept) and can_cut():
            stack.enter_context(memory_disk(place, _DISK if wired else _FILES))
        redis, store_url = stack.enter_context(_store(store, kept))
        postgres, records_url = stack.enter_context(_records(records, place))
        populate(records_url, world.folder / "gateway.toml")
        to_store = to_records = None
        if wired:
            known = folder / "store.pem"
            to_store = stack.enter_context(line(redis.port, known))
            to_records = stack.enter_context(line(postgres.port))
            store_url = f"rediss://{to_store.host}:{to_store.port}/0?ssl_ca_certs={known}"
            records_url = _over_tls(folder, to_records, postgres)
        serving = [
            stack.enter_context(
                _gateway(world, folder, number, 1 if clocked else workers, store_url, records_url, clocked)
            )
            for number in range(gateways)
        ]
        for one in serving:
            one.start(wait=False)
        for one in serving:
            one.wait()
        base = stack.enter_context(balancer(folder, serving)) if front else serving[0].url
        yield Estate(folder, world, base, serving, store_url, records_url, redis, postgres, to_store, to_records)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[tuple[Any, str]]:
    if kind == "sqlite":
        yield None, f"sqlite:///{folder / 'store.db'}"
    elif kind == "sentinel":
        with sentinel_group(folder) as group:
            yield group, group.url
    elif kind == "cluster":
        with cluster_group(folder) as cluster:
            yield cluster, cluster.url
    else:
        with redis_server(folder) as server:
            yield server, server.url


@contextmanager
def _records(kind: str, folder: Path) -> Iterator[tuple[Any, str]]:
    if kind == "sqlite":
        yield None, f"sqlite:///{folder / 'records.db'}"
    elif kind == "pair":
        with postgres_pair(folder) as pair:
            pair.synchronous()
            yield pair, pair.url
    else:
        with one_server(folder) as server:
            yield server, server.url


def _over_tls(folder: Path, way: Line, server: Any) -> str:
    """The address of this PostgreSQL at the far end of the line: over a network the gateways ask for its certificate."""
    both, held = folder / "records.pem", folder / "records" / "server.pem"
    certify(both, way.host)
    shutil.copyfile(both, held)
    if os.geteuid() == 0:
        shutil.chown(held, "postgres")
    held.chmod(0o600)
    server.configure(ssl_cert_file=str(held), ssl_key_file=str(held), ssl="on")
    return (
        f"postgresql+psycopg://postgres@{way.host}:{way.port}/postgres?sslmode=verify-full&sslrootcert={both}"
        if way.host != "127.0.0.1"
        else server.url.replace(str(server.port), str(way.port))
    )


@contextmanager
def _gateway(
    world: Demo, folder: Path, number: int, workers: int, store: str, records: str, clocked: bool
) -> Iterator[Serving]:
    """A gateway with the demo's configuration and keys, on ports and in a state folder of its own."""
    name = "abcdefgh"[number]
    config, state = folder / f"gateway-{name}.toml", _made(folder / f"state-{name}")
    plain, management = free_port(), free_port()
    config.write_text(
        configuration(
            world, workers=workers, store=store, records=records, state=state, plain=plain, management=management
        )
    )
    one = Serving(
        name, config, plain, management, count=workers, module="experiments.clocked" if clocked else "gateway"
    )
    try:
        yield one
    finally:
        one.kill()


def configuration(
    world: Demo, *, workers: int, store: str, records: str, state: Path, plain: int, management: int
) -> str:
    """The demo's own configuration, for a gateway beside it: same keys, same simulators, other ports and memory."""
    text = (world.folder / "gateway.toml").read_text()
    own = int(world.about["gateway"].rsplit(":", 1)[1])
    places = {0: free_port(), 1: free_port(), 3: management, 9: plain}
    for place, port in places.items():
        text = text.replace(f'address = "127.0.0.1:{own + place}"', f'address = "127.0.0.1:{port}"')
    for key in ("certificate", "key", "ca", "client_secret_file", "api_key_file", "key_file"):
        text = text.replace(f'\n{key} = "', f'\n{key} = "{world.folder}/')
    text = text.replace(f'"{world.folder}/file:', f'"file:{world.folder}/')
    text = text.replace('"pki/', f'"{world.folder}/pki/').replace('"file:pki/', f'"file:{world.folder}/pki/')
    text = text.replace('state_dir = "state"\n', f'state_dir = "{state}"\ndrain = 5\nworkers = {workers}\n')
    return f'{text}[store]\nurl = "{store}"\n[records]\nurl = "{records}"\n'
