"""A doctor looks for a colleague in the national directory (R118): bounded, written down, and never for anybody else.

The audit says that somebody searched and how much was found; whom they looked for is nobody's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.administration.actor import Faulty
from gateway.audit import Act, Record
from gateway.delegations.author import By
from gateway.delegations.judging import TooOften, require_doctor
from gateway.identity import NationalId
from gateway.policy.delegation import DelegationRules, keys_of
from gateway.policy.throttle import Ledger, failed
from gateway.ports import Audit, Directory, Listed, Store
from gateway.reasons import DirectoryUnavailable, Reason, StoreUnavailable

_HOUR = timedelta(hours=1)
_TURNS = 50
_LETTERS = 2
_LONGEST = 100
_POSTAL_CODE = re.compile(r"(?:[0-9]{0,5}|2[AB][0-9]{0,3})\Z")
_RPPS = re.compile(r"[0-9]{11}\Z")


class DirectorySearch:
    """``per_hour``: questions of one doctor, numbers and names together. Methods raise ``Barred`` for whoever gives no
    rights, ``TooOften``, ``DirectoryUnavailable`` (R123), ``StoreUnavailable`` and ``RecordsUnavailable``."""

    def __init__(
        self, store: Store, audit: Audit, directory: Directory | None, rules: DelegationRules, per_hour: int
    ) -> None:
        self._store = store
        self._audit = audit
        self._directory = directory
        self._rules = rules
        self._per_hour = per_hour

    async def find(self, by: By, name: str, postal_code: str, now: datetime) -> tuple[Sequence[Listed], bool]:
        """Physicians whose names begin so, in places whose postal code begins so, without the doctor; and whether there
        are more than are told. Raises also ``Faulty``."""
        require_doctor(by, self._rules, now)
        name, postal_code = " ".join(name.split()), postal_code.replace(" ", "").upper()
        faults: dict[str, Sequence[str]] = {}
        if sum(one.isalpha() for one in name) < _LETTERS or len(name) > _LONGEST or not name.isprintable():
            faults["name"] = [f"Indiquez un nom, d'au moins {_LETTERS} lettres."]
        if not _POSTAL_CODE.match(postal_code):
            faults["postal_code"] = ["Indiquez un code postal, ou ses premiers chiffres."]
        if faults:
            raise Faulty(faults)
        await self._count(by, now)
        found, more = await self._open().search(name, postal_code)
        own = keys_of(by.account)
        others = tuple(one for one in found if NationalId("8", one.rpps).text not in own)
        await self._record(by, len(others), more, now)
        return others, more

    async def one(self, by: By, rpps: str, now: datetime) -> Listed | None:
        """The active physician of this number; ``None`` also for the doctor's own."""
        require_doctor(by, self._rules, now)
        if not _RPPS.match(rpps) or NationalId("8", rpps).text in keys_of(by.account):
            return None
        await self._count(by, now)
        found = await self._open().by_rpps(rpps)
        if found is not None and not (found.active and found.profession in self._rules.physicians):
            found = None
        await self._record(by, 1 if found else 0, False, now)
        return found

    def _open(self) -> Directory:
        if self._directory is None:
            raise DirectoryUnavailable("no directory is configured")
        return self._directory

    async def _count(self, by: By, now: datetime) -> None:
        """One more question in this hour, by one swap: forty at once are forty."""
        key, edge = f"directory-searches:{by.account.id}", (now - _HOUR).timestamp()
        for _ in range(_TURNS):
            (raw,) = await self._store.read(key)
            ledger = Ledger.read(raw)
            if sum(one > edge for one in ledger.failures) >= self._per_hour:
                raise TooOften(
                    Reason.SEARCH_TOO_OFTEN, "Vous avez fait beaucoup de recherches. Réessayez dans une heure."
                )
            if await self._store.swap(key, raw, failed(ledger, now).encode(), 2 * _HOUR):
                return
        raise StoreUnavailable("a counter changes too often")

    async def _record(self, by: By, found: int, more: bool, now: datetime) -> None:
        await self._audit.record(
            Record(
                Act.DIRECTORY_SEARCHED,
                now,
                by.account.id,
                address=by.address or None,
                correlation=by.correlation or None,
                facts={"found": str(found), "more": "1" if more else "0"},
            )
        )
