"""Delegations that a doctor of the demo gave, in several states: written into its records, as if days had passed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.delegations import Delegations
from gateway.edges.database import Database
from gateway.edges.system import SystemAmbient
from gateway.policy.delegation import PARIS, period
from tests.visitor import Demo

DOCTOR, COLLEAGUE = "dr-petit", "dr-bernard"
PENDING, SHARED = "dlg_shown_pending", "dlg_shown_shared"


async def hand_out(demo: Demo) -> None:
    """Dr Petit: a card to confirm, an invitation, a colleague who has acted, one that is over. Once for each world."""
    records = Database(f"sqlite:///{demo.folder / 'state' / 'records.db'}")
    try:
        kept = Delegations(records, SystemAmbient())
        if await kept.by_id(PENDING) is None:
            await _write(kept, datetime.fromisoformat(demo.console("GET", "/clock")["now"]))
    finally:
        await records.close()


async def _write(kept: Delegations, now: datetime) -> None:
    giver, colleague = f"acc_{DOCTOR}", f"acc_{COLLEAGUE}"
    today = now.astimezone(PARIS).date()
    begins, ends = period(today, today + timedelta(days=60), PARIS)
    staff = Delegation(
        id=PENDING,
        number=len(await kept.given_by(giver)) + 1,
        delegator=giver,
        kind=Kind.ASSISTANT,
        family_name="ROCHE",
        given_name="Marie-Ève",
        rights=frozenset({"grandage:consulter", "grandage:completer", "sanitaire:consulter"}),
        begins=begins,
        ends=ends,
        created_at=now - timedelta(days=2),
        mail="marie-eve.roche@example.test",
        profession="Secrétaire médicale",
    )
    asked = replace(staff, proposed=colleague, proposed_name="Marie DUPONT", proposed_at=now)
    invited = replace(
        staff, id="dlg_shown_invited", number=staff.number + 1, family_name="MOREAU", given_name="Léa",
        mail="lea.moreau@example.test", invite_digest="shown", invite_until=now + timedelta(days=12),
    )  # fmt: skip
    shared = replace(
        staff, id=SHARED, number=staff.number + 2, kind=Kind.COLLEAGUE, family_name="BERNARD", given_name="Luc",
        rights=frozenset(), mail=None, profession="Médecine générale", place="69003 Lyon", delegate=colleague,
        delegate_key="899700100011", finalised_at=now - timedelta(days=2),
    )  # fmt: skip
    over = replace(
        staff, id="dlg_shown_over", number=staff.number + 3, family_name="HENRY", given_name="Tom",
        mail="tom.henry@example.test", revoked_at=now - timedelta(days=1), revoked_by="delegator",
    )  # fmt: skip
    for one in (asked, invited, shared, over):
        await kept.add(one, giver, {"kind": one.kind.value})
    detail = {"end": str(today + timedelta(days=60)), "end_before": str(today + timedelta(days=30))}
    await kept.change(shared, now, "changed", giver, detail)
    await kept.began(SHARED, colleague, "0123456789ab", "psc-ecps", now - timedelta(hours=5))
    await kept.ended("0123456789ab", now - timedelta(hours=3))


def forget_given(demo: Demo, key: str) -> None:
    """This doctor has never given anything: the same person can be invited anew, and their pages are as before."""
    giver = (f"acc_{key}",)
    given = "(SELECT id FROM delegations WHERE delegator_id = ?)"
    with closing(sqlite3.connect(demo.folder / "state" / "records.db", timeout=10)) as records, records:
        records.execute(f"DELETE FROM delegation_uses WHERE delegation_id IN {given}", giver)  # noqa: S608
        records.execute(f"DELETE FROM delegation_history WHERE delegation_id IN {given}", giver)  # noqa: S608
        records.execute("DELETE FROM delegations WHERE delegator_id = ?", giver)
