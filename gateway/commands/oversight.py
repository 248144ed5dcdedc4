"""``delegations.oversight`` for one command, over an open ``Office``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from gateway.accounts.delegations import Delegations
from gateway.audit import Record
from gateway.commands.office import Office
from gateway.delegations.oversight import Oversight
from gateway.deployment import delegation_rules
from gateway.edges.overview import SqlOverview


class _Audit:
    """Opened when something is to be written: reading needs no key."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def record(self, record: Record) -> None:
        await self._office.audit.record(record)


class _Silence:
    """The bus where no store is within reach: workers look again within seconds."""

    async def publish(self, message: str) -> None:
        """Nobody hears it."""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Nothing is ever said."""


def oversight_of(office: Office) -> Oversight:
    """For whoever sits at the shell, who sees everything: no policy is read for it."""
    return Oversight(
        delegations=Delegations(office.records, office.ambient),
        register=office.register,
        records=office.records,
        overview=SqlOverview(office.records),
        audit=_Audit(office),
        bus=office.store or _Silence(),
        post=office.outbox.post,
        desk=office.desk,
        rules=delegation_rules(office.settings),
        retention=timedelta(days=office.settings.log.retention_days),
    )
