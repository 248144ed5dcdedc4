"""What sessions take in Redis: opened by the gateway's own keeper through its own store, in a Redis started for it.

\b
python -m bench.store_memory --sessions 100000
python -m bench.store_memory --sessions 10000 --psc 1.0 --token 1400

Each session is of an account of its own: its record and the index of the account's sessions, with the keys and ends that the
gateway writes. ``--psc``: the share that came through Pro Santé Connect, whose record also keeps the sealed ID token
(``--token`` characters before sealing) that the provider's sign-out asks for. ``used_memory`` is what Redis counts for data,
RSS what the system gave it; both are told as growth over the empty server.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import cast

import redis

from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.redis_store import RedisStore
from gateway.edges.system import SystemAmbient
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.reasons import StoreUnavailable
from gateway.session.keeper import Keeper, encode
from gateway.session.model import Lifetimes
from tests.servers import redis_server

_AT_ONCE = 16
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def proof_of(number: int, psc: bool, now: datetime) -> Proof:
    who = Identity(
        NationalId("8", f"{10_000_000_000 + number}"),
        "DUPONT-MARTIN",
        "Marie-Amélie",
        profession="10",
        specialty="SM54",
    )
    method = Method.PSC_ECPS if psc else Method.OTP_MAIL
    return Proof(who, method, Assurance.SUBSTANTIAL, now)


async def fill(url: str, sessions: int, share: float, token: int, secrets: Secrets) -> tuple[float, float]:
    """Open so many sessions; returns the seconds it took and the bytes of a record on average."""
    ambient = SystemAmbient()
    store = RedisStore(url, ambient)
    keeper = Keeper(store, store, ambient)
    chance = Random(7)  # noqa: S311 - the same figures each time
    hints = [secrets.seal("".join(chance.choices(_LETTERS, k=token))) for _ in range(50)]  # Redis keeps each copy
    numbers = iter(range(sessions))
    size = 0

    async def worker() -> None:
        nonlocal size
        for number in numbers:
            psc, now = chance.random() < share, ambient.now()
            hint = chance.choice(hints) if psc else None
            account, ticket = "acc_" + ambient.token(15), ambient.token(32)
            while True:
                try:
                    _, session = await keeper.open(
                        account,
                        Space.PROFESSIONNEL,
                        (proof_of(number, psc, now),),
                        Lifetimes(),
                        now,
                        logout_hint=hint,
                        agent="Firefox, Windows",
                        address="192.0.2.17",
                        ticket=ticket,
                    )
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.2)  # a machine that has much else to do: the same once more
            size += len(encode(session))

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
    took = time.perf_counter() - began
    await store.close()
    return took, size / sessions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--psc", type=float, default=0.5, help="share of sessions that keep a sealed ID token")
    parser.add_argument("--token", type=int, default=1200, help="characters of an ID token")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        secrets = Secrets(ensure_secret(Path(folder) / "gateway.key"))
        with redis_server(Path(folder)) as server, redis.Redis("127.0.0.1", server.port) as console:
            before = _memory(console)
            took, size = asyncio.run(fill(server.url, asked.sessions, asked.psc, asked.token, secrets))
            used, rss = (now - then for now, then in zip(_memory(console), before, strict=True))
            keys = cast(int, console.dbsize())
            version = cast(dict[str, str], console.info("server"))["redis_version"]
    print(
        f"{datetime.now(UTC):%Y-%m-%d}  Redis {version}, {asked.sessions} sessions, {asked.psc:.0%} with a token of {asked.token}"
    )
    print(f"keys                      {keys}")
    print(f"record of a session       {size:.0f} bytes on average")
    print(f"used_memory               {used / 1e6:.1f} MB, {used / asked.sessions:.0f} bytes a session")
    print(f"RSS                       {rss / 1e6:.1f} MB, {rss / asked.sessions:.0f} bytes a session")
    print(f"opened in                 {took:.1f} s, {asked.sessions / took:.0f} a second")


def _memory(console: redis.Redis) -> tuple[int, int]:
    found = cast(dict[str, int], console.info("memory"))
    return found["used_memory"], found["used_memory_rss"]


if __name__ == "__main__":
    main()
