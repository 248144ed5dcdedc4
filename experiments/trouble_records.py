"""Trouble with the database: silent, slow, cut off, read-only, its disk full."""

from __future__ import annotations

import asyncio

import psycopg

from experiments.bearing import bear, filled, severed, slowed
from experiments.crowd import Crowd
from experiments.table import experiment

_CLOSED = (
    "protected pages refuse (503) at the latest when facts are 5 s old; nobody is signed out; served again within 5 s"
)


@experiment("records-paused", "every process of PostgreSQL is stopped (SIGSTOP), then goes on", _CLOSED, on="wired")
async def paused(crowd: Crowd, seconds: float) -> None:
    crowd.estate.postgres.pause()
    await bear(crowd, seconds, crowd.estate.postgres.resume)


@experiment(
    "records-slow",
    "every answer of PostgreSQL takes 100 ms longer",
    "everybody is served, later; no time-out is met",
    on="wired",
)
async def slow(crowd: Crowd, seconds: float) -> None:
    await slowed(crowd, crowd.estate.to_records, 0.05, seconds)


@experiment("records-cut", "the network to PostgreSQL is cut: packets vanish, nothing is closed", _CLOSED, on="wired")
async def cut(crowd: Crowd, seconds: float) -> None:
    await severed(crowd, crowd.estate.to_records, seconds)


@experiment(
    "records-read-only",
    "PostgreSQL takes reads only",
    "who is signed in works on; sign-ins are refused, because what cannot be audited is not done; nobody is signed out",
    on="wired",
)
async def read_only(crowd: Crowd, seconds: float) -> None:
    server = crowd.estate.postgres
    await asyncio.to_thread(server.ask, "ALTER SYSTEM SET default_transaction_read_only = on")
    await asyncio.to_thread(server.ask, "SELECT pg_reload_conf()")
    try:
        await crowd.lasting(seconds)
    finally:
        await asyncio.to_thread(_writable, server.url.replace("+psycopg", ""))
        crowd.over()


def _writable(url: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = off")
        connection.execute("SELECT pg_reload_conf()")


@experiment(
    "records-disk-full",
    "the disk of PostgreSQL (a small memory disk) is full to the last block",
    "who is signed in works on as long as it reads; sign-ins are refused; nobody is signed out; served again within 5 s of room",
    on="wired",
)
async def disk_full(crowd: Crowd, seconds: float) -> None:
    await filled(crowd, crowd.estate.folder / "records", seconds)
