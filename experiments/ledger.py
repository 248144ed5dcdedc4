"""What the records hold of acknowledged sign-ins, and whether the audit chain is whole."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

import sqlalchemy as sa

from experiments.people import PEOPLE
from gateway.edges.database import Database
from gateway.edges.schema import metadata


async def sign_ins(url: str) -> Counter[str]:
    """By person's login: how many sign-ins the records hold of each marked person."""
    table = metadata.tables["sign_ins"]
    names = {f"acc_{one.login}": one.login for one in PEOPLE}
    records = Database(url)
    try:
        query = sa.select(table.c.account_id, sa.func.count().label("held")).group_by(table.c.account_id)
        held = {str(row["account_id"]): int(str(row["held"])) for row in await records.read(query)}
        return Counter({names[account]: count for account, count in held.items() if account in names})
    finally:
        await records.close()


async def audit_faults(config: str) -> str:
    """What ``vt-gateway audit verify`` says against the chain; nothing when it is whole."""
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "audit", "verify", "--config", config]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*line, stdout=pipe, stderr=pipe)
    said, wrong = await process.communicate()
    if process.returncode == 0:
        return ""
    return (said + wrong).decode("utf-8", "replace").strip()[-300:] or f"exit code {process.returncode}"
