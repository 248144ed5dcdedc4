"""Delegations and traces of sessions put straight into a world of administration, and the office that oversees them.

``doctor`` practises alone, ``island`` is a doctor of the CHU of La Réunion; ``secretary`` works in the EHPAD (region
aura), ``clerk`` in the CHU (region reunion). Sessions are named by twelve digits, as the access journal does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.audit import Act, Record
from gateway.delegations.oversight import Oversight
from gateway.edges.memory_store import MemoryStore
from gateway.edges.overview import SqlOverview
from gateway.policy.delegation import DelegationRules
from gateway.ports import Insert
from tests.administration.world import World, person

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RETENTION = 365 * DAY
# Names of sessions: of the sign-in, and of what came of it.
FIRST, SECOND, THIRD = "0123456789ab", "cdef01234567", "89abcdef0123"
RULES = DelegationRules()
WHO: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "doctor": ((), {"profession": "10", "national_id": "810000000001", "space_default": "liberal", "origin": "strong"}),
    "island": (("chu",), {"profession": "10", "national_id": "810000000002"}),
    "secretary": (("ehpad",), {"national_id": "3690780010/17"}),
    "clerk": (("chu",), {}),
}


@dataclass
class Watch:
    """``posted``: addresses and subjects of mails; ``heard``: words on the bus."""

    world: World
    store: MemoryStore
    delegations: Delegations
    register: Register
    oversight: Oversight
    posted: list[tuple[str, str]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.world.now

    async def people(self) -> None:
        for who, (scopes, more) in WHO.items():
            rows = person(who, *scopes, **more)
            if key := more.get("national_id"):
                rows.append(Insert("logins", {"key": key, "account_id": who, "created_at": self.now}))
            await self.world.records.write(*rows)

    async def given(self, name: str = "dlg_1", doctor: str = "doctor", **more: Any) -> Delegation:
        """A delegation of this doctor to the secretary, active for a month unless something else is said."""
        number = len(await self.delegations.given_by(doctor)) + 1
        values: dict[str, Any] = {
            "id": name, "number": number, "delegator": doctor, "kind": Kind.ASSISTANT, "family_name": "SECRETARY",
            "given_name": "Dominique", "rights": frozenset({"grandage:consulter", "sanitaire:creer"}),
            "begins": datetime(2026, 2, 28, 23, tzinfo=self.now.tzinfo),
            "ends": datetime(2026, 3, 31, 22, tzinfo=self.now.tzinfo), "created_at": self.now - 2 * DAY,
            "delegate": "secretary", "mail": "secretary@example.test", "finalised_at": self.now - 2 * DAY,
        }  # fmt: skip
        made = Delegation(**{**values, **more})
        await self.delegations.add(made, doctor, {})
        return made

    async def sign(self, act: Act, session: str, at: datetime, account: str = "secretary", **facts: str) -> None:
        """An act of a session, as the pages write it."""
        address = "192.0.2.77" if act is Act.SIGN_IN else None
        await self.world.audit.record(Record(act, at, account, address=address, facts={"session": session, **facts}))

    async def signed_in(self, session: str = FIRST, at: datetime | None = None, account: str = "secretary") -> None:
        facts = {"method": "cpe", "assurance": "substantial", "space": "professionnel"}
        await self.sign(Act.SIGN_IN, session, at or self.now, account, **facts)

    async def acting(self, session: str = SECOND, before: str = FIRST, under: str = "dlg_1", **more: Any) -> None:
        """The secretary signed in and began to act, now."""
        await self.signed_in(before, self.now, **more)
        facts = {"delegation": under, "delegator": "doctor", "method": "cpe", "from": before}
        await self.sign(Act.ACTING_BEGUN, session, self.now, **facts, **more)
        await self.delegations.began(under, more.get("account", "secretary"), session, "cpe", self.now)


def watch_over(world: World, store: MemoryStore | None = None) -> Watch:
    store = store or MemoryStore(world.ambient)
    delegations, register = Delegations(world.records, world.ambient), Register(world.records, world.ambient)
    posted: list[tuple[str, str]] = []

    def post(account: Any, text: Any, kind: str, correlation: str, *, to: str | None = None) -> None:
        posted.append((to or account.mail, text.subject))

    oversight = Oversight(
        delegations=delegations,
        register=register,
        records=world.records,
        overview=SqlOverview(world.records),
        audit=world.audit,
        bus=store,
        post=post,
        desk=world.desk,
        rules=RULES,
        retention=RETENTION,
    )
    made = Watch(world, store, delegations, register, oversight, posted)
    store.listen(made.heard.append)
    return made
