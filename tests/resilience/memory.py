"""One Redis and one PostgreSQL for all worlds of a test run, and an empty part of each for one more world."""

from __future__ import annotations

import atexit
import tempfile
from contextlib import ExitStack
from functools import lru_cache
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from redis import Redis

from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server

_DATABASES = 16  # that a Redis has
_worlds = count(1)


@lru_cache
def _servers() -> tuple[RedisServer, PostgresServer]:
    """Started when somebody needs them, ended with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vtgw-worlds-"))) for _ in range(2)]
    return stack.enter_context(redis_server(folders[0])), stack.enter_context(postgres_server(folders[1]))


def fresh_memory() -> tuple[str, str]:
    """The addresses of an empty store and of an empty database. What is published is heard in all stores of this Redis."""
    redis, postgres = _servers()
    number = next(_worlds)
    store = f"{redis.url.rsplit('/', 1)[0]}/{number % _DATABASES}"
    with Redis.from_url(store) as client:
        client.flushdb()
    engine = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE world{number}"))
    finally:
        engine.dispose()
    return store, f"{postgres.url.rsplit('/', 1)[0]}/world{number}"
