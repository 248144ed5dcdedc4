"""What administrators, programs and the shell are told of a delegation and of who acted; and the same as JSON (R149).

Codes of rights, days and states are said as they are kept: pages put them into words. Instants are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, Kind, State
from gateway.accounts.delegations import Happening, Use
from gateway.delegations.signs import Sign
from gateway.policy.delegation import DelegationRules, days, rights_of


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who has a part in it. ``account`` is nothing for somebody who has none yet; names are empty once an account
    is erased; ``seen``: whether whoever asks may open that account."""

    account: str | None
    national_id: str | None
    family_name: str
    given_name: str
    seen: bool

    @property
    def name(self) -> str:
        """For people; empty of somebody erased."""
        return f"{self.given_name} {self.family_name}".strip()

    def as_json(self) -> dict[str, object]:
        return {
            "account": self.account,
            "national_id": self.national_id,
            "family_name": self.family_name,
            "given_name": self.given_name,
        }


@dataclass(frozen=True, slots=True)
class DelegationFacts:
    """A delegation at an instant, and its two people. ``rights``: those in force; ``first`` and ``last``: its days, both
    included, in the zone of the deployment."""

    delegation: Delegation
    state: State
    doctor: Party
    delegate: Party
    rights: frozenset[str]
    first: date
    last: date

    def as_json(self) -> dict[str, object]:
        one = self.delegation
        return {
            "id": one.id,
            "kind": one.kind.value,
            "state": self.state.value,
            "doctor": self.doctor.as_json(),
            "delegate": self.delegate.as_json(),
            "mail": one.mail,
            "profession": one.profession,
            "place": one.place,
            "all_rights": one.kind is Kind.COLLEAGUE,
            "rights": sorted(self.rights),
            "first_day": self.first.isoformat(),
            "last_day": self.last.isoformat(),
            "created_at": _iso(one.created_at),
            "finalised_at": _iso(one.finalised_at),
            "proposed": one.proposed_name,
            "revoked_at": _iso(one.revoked_at),
            "revoked_by": one.revoked_by,
        }


@dataclass(frozen=True, slots=True)
class DelegationFile:
    """A delegation with all that is remembered of it: ``history`` the oldest first, ``uses`` the newest first, with the
    person of each by account id. ``endable``: whether whoever asks may end it, and it is not over."""

    facts: DelegationFacts
    history: Sequence[Happening]
    uses: Sequence[Use]
    users: Mapping[str, Party]
    endable: bool

    def as_json(self) -> dict[str, object]:
        history = [
            {"at": _iso(one.at), "what": one.what, "author": one.author, "detail": dict(one.detail)}
            for one in self.history
        ]
        uses = [
            {
                "person": self.users[one.user].as_json(),
                "session": one.session,
                "means": one.method,
                "began_at": _iso(one.began_at),
                "ended_at": _iso(one.ended_at),
            }
            for one in self.uses
        ]
        return {**self.facts.as_json(), "history": history, "uses": uses}


@dataclass(frozen=True, slots=True)
class ActedFor:
    """Under which delegation a session acted. ``then`` is the delegation as it was at the instant asked about; nothing
    when the delegation itself is no longer kept."""

    id: str
    doctor: Party | None
    then: DelegationFacts | None
    now: State | None

    def as_json(self) -> dict[str, object]:
        then = self.then
        return {
            "delegation": self.id,
            "doctor": self.doctor.as_json() if self.doctor else None,
            "kind": then.delegation.kind.value if then else None,
            "all_rights": then.delegation.kind is Kind.COLLEAGUE if then else None,
            "rights": sorted(then.rights) if then else [],
            "first_day": then.first.isoformat() if then else None,
            "last_day": then.last.isoformat() if then else None,
            "state_then": then.state.value if then else None,
            "state_now": self.now.value if self.now else None,
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """Who was behind a session of the access journal, and for whom, at an instant: that of the line, or the beginning of
    the session. ``acted_for`` is nothing for who acted in their own name."""

    sign: Sign
    at: datetime
    person: Party
    acted_for: ActedFor | None

    def as_json(self) -> dict[str, object]:
        sign = self.sign
        return {
            "session": sign.session,
            "at": _iso(self.at),
            "person": self.person.as_json(),
            "means": sign.means,
            "assurance": sign.assurance or None,
            "space": sign.space or None,
            "since": _iso(sign.since),
            "signed_in_at": _iso(sign.signed_in_at),
            "address": sign.address or None,
            "acted_for": self.acted_for.as_json() if self.acted_for else None,
        }


def party_of(account: Account | None, account_id: str | None, *, seen: bool) -> Party:
    """An account as a party; of one that is gone only its pseudonym is left (R104)."""
    if account is None:
        return Party(account_id, None, "", "", seen)
    national = account.national_id.text if account.national_id else None
    return Party(account.id, national, account.family_name, account.given_name, seen)


def facts_of(
    delegation: Delegation, doctor: Party, delegate: Party, rules: DelegationRules, at: datetime
) -> DelegationFacts:
    """The delegation as it stands at this instant."""
    first, last = days(delegation, rules.zone)
    return DelegationFacts(
        delegation, delegation.state(at), doctor, delegate, rights_of(delegation, rules), first, last
    )


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()
