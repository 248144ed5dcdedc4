"""A Redis that comes back with yesterday's file while gateways run: whoever signed out stays out, in every worker."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis as redis_client

from tests.deploy.running import until
from tests.servers import RedisServer, redis_server
from tests.site import Site
from tests.stories.test_main_job import DEEP, by_password
from tests.visitor import Demo, Visitor

WORKERS = 2
ASKED = 6  # questions in one look, each on a connection of its own that any worker takes


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def site(world: Demo, tmp_path: Path, redis: RedisServer) -> Site:
    made = Site(Demo(world.folder), tmp_path, f"sqlite:///{tmp_path / 'records.db'}", store=redis.url, workers=WORKERS)
    world.forget()
    return made


def statuses(visitor: Visitor) -> set[int]:
    address = visitor.demo.about["gateway"] + DEEP
    return {visitor.raw("GET", address, None, {}).status for _ in range(ASKED)}


@pytest.mark.timeout(240)
def test_r7_yesterdays_redis_signs_nobody_in(site: Site, redis: RedisServer, tmp_path: Path) -> None:
    """The promise: a lost mark never revives a sign-out. Not one answer is the page; a new epoch is in force in every
    worker within seconds of the store's return, without a restart; whoever signs in again is served."""
    file = tmp_path / "dump.rdb"
    with site.serving():
        leaver = Visitor(site.demo)
        by_password(leaver, "dr-petit")
        assert statuses(leaver) == {200}
        with closing(redis_client.from_url(redis.url)) as client:
            client.save()
            shutil.copy(file, tmp_path / "yesterday.rdb")

            def beats() -> int:
                return int(client.get("vtgw:pulse")[8:].split()[1])  # type: ignore[index]

            saved, tickets = beats(), dict(leaver.cookies)
            leaver.get("/_gateway/account")
            leaver.submit("/sign-out")
            until(lambda: beats() > saved)
        leaver.cookies = tickets
        assert 200 not in statuses(leaver)
        until(lambda: site.metric("vtgw_epoch") == [1] * WORKERS)

        redis.stop()
        shutil.copy(tmp_path / "yesterday.rdb", file)
        redis.start()
        with closing(redis_client.from_url(redis.url)) as client:
            assert any(key.startswith(b"vtgw:session:") for key in client.keys("vtgw:*"))  # there it is, alive
        begun = time.monotonic()
        seen: set[int] = set()
        while site.metric("vtgw_epoch") != [2] * WORKERS:
            seen |= statuses(leaver)
            assert time.monotonic() - begun < 15, site.log.read_text()
        took = time.monotonic() - begun
        seen |= statuses(leaver)
        assert seen <= {302, 303, 503}
        until(lambda: statuses(leaver) <= {302, 303})
        site.demo.forget()
        again = Visitor(site.demo)
        by_password(again, "dr-petit")
        assert statuses(again) == {200}
    print(json.dumps({"seconds_from_its_return_to_a_new_epoch": round(took, 3)}))
    lines = [json.loads(line) for line in site.log.read_text().splitlines() if '"a new epoch begins' in line]
    assert [(line["epoch"], line["why"]) for line in lines] == [("2", "store-back")]
    assert site.shell("audit list --act epoch:begin --json").count("epoch:begin") == 1
