"""Rows to put into a database of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.accounts.register import mail_key
from gateway.edges.database import Database
from gateway.ports import Insert, Row
from tests.ambient import START
from tests.blank import opened

DAY = timedelta(days=1)


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Database]:
    made = await opened(f"sqlite:///{folder / 'records.db'}")
    yield made
    await made.close()


def account(name: str, **changes: Any) -> Insert:
    """An account with an address of its own, that signed in at ``START``."""
    mail = changes.pop("mail", f"{name}@example.test")
    key = mail_key(mail) if mail else None
    values: dict[str, Any] = {
        "id": f"acc_{name}",
        "family_name": "MARTIN",
        "given_name": "ANNE",
        "mail": mail,
        "mail_key": key,
        "mail_canonical": key,
        "password_must_change": False,
        "origin": "strong",
        "space_default": "liberal",
        "created_at": START - 900 * DAY,
        "last_sign_in_at": START,
        "updated_at": START,
        "version": 1,
    }
    return Insert("accounts", values | changes)


def sign_in(name: str, number: int, **changes: Any) -> Insert:
    values = {"id": f"sgn_{name}_{number}", "account_id": f"acc_{name}", "at": START, "method": "cps"}
    return Insert(
        "sign_ins", values | {"assurance": "substantial", "space": "liberal", "address": "192.0.2.7"} | changes
    )


async def row(records: Database, name: str) -> Row:
    (found,) = await records.find("accounts", {"id": f"acc_{name}"})
    return found
