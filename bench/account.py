"""A signed-in person in the gateway's own store and records, and the cookie of the session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.edges.database import Database
from gateway.edges.stores import open_store
from gateway.edges.system import SystemAmbient
from gateway.epoch.dated_store import DatedStore
from gateway.epoch.epochs import Epochs


@asynccontextmanager
async def store_in_use(store_url: str, records: Database) -> AsyncIterator[DatedStore]:
    """The store as the gateways that run on these records see it: in their epoch."""
    ambient = SystemAmbient()
    raw = open_store(store_url, ambient)
    await raw.start()
    try:
        yield DatedStore(raw, raw, Epochs(raw, raw, records, ambient))
    finally:
        await raw.close()


async def cookie(folder: Path) -> str:
    """The Cookie header value of a new session."""
    from gateway.deployment import charter
    from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
    from gateway.ports import Insert
    from gateway.reasons import Taken
    from gateway.session.keeper import Keeper
    from gateway.session.model import Lifetimes
    from gateway.settings import load

    ambient = SystemAmbient()
    now = ambient.now()
    settings = load(folder / "gateway1.toml")
    records = Database(f"sqlite:///{folder / 'state/records.db'}")
    row = {
        "id": "acc_bench", "national_id": "899700000005", "family_name": "MARTIN", "given_name": "Claire", "profession": "10",
        "password_must_change": False, "origin": "strong", "space_default": "liberal", "created_at": now, "updated_at": now,
        "last_sign_in_at": now, "charter_version": charter(settings).stamp, "version": 1,
    }  # fmt: skip
    with suppress(Taken):  # a second gateway on the same state
        await records.write(Insert("accounts", row))
    who = Identity(NationalId("8", "99700000005"), "MARTIN", "Claire", "10")
    proof = Proof(who, Method.CPS, Assurance.SUBSTANTIAL, now)
    async with store_in_use(f"sqlite:///{folder / 'state/store.db'}", records) as store:
        ticket, _ = await Keeper(store, store, ambient).open("acc_bench", Space.LIBERAL, (proof,), Lifetimes(), now)
    await records.close()
    return f"__Host-vtgw={ticket}; ASP.NET_SessionId=abcdef0123456789"
