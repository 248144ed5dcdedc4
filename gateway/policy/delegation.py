"""Who may hand rights to whom, and who may act under them (R106, R108, R109, R112, R115, R120, R130–R132). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.accounts.account import Account, Standing
from gateway.accounts.delegation import Delegation, Kind, State
from gateway.identity import Assurance, Identity, Method, Space, searchable
from gateway.reasons import Reason
from gateway.session.model import Session

PARIS = ZoneInfo("Europe/Paris")
MODULES = {"grandage": "Grand âge", "sanitaire": "Sanitaire", "tnd": "Troubles du neurodéveloppement"}
ACTIONS = {"consulter": "Consulter", "creer": "Créer", "completer": "Compléter", "envoyer": "Envoyer"}
_WAYS = {
    "card": frozenset({Method.CPS, Method.CPE, Method.CPA}),
    "psc": frozenset({Method.PSC_CPS, Method.PSC_ECPS}),
    "otp": frozenset({Method.OTP_MAIL, Method.OTP_SMS, Method.OTP_TOTP, Method.OTP_RECOVERY}),
    "passkey": frozenset({Method.PASSKEY}),
}
_FINAL = {
    "cps": frozenset({Method.CPS}),
    "cpe": frozenset({Method.CPE}),
    "cpa": frozenset({Method.CPA}),
    "ecps": _WAYS["psc"],
}


@dataclass(frozen=True, slots=True)
class DelegationRules:
    """The values of the configuration that these rules need. ``modules`` and ``actions`` are the catalogue, code and
    label: a right is one pair of them. ``max_days``: the longest period, ``None`` for any."""

    physicians: frozenset[str] = frozenset({"10"})
    modules: Mapping[str, str] = field(default_factory=lambda: dict(MODULES))
    actions: Mapping[str, str] = field(default_factory=lambda: dict(ACTIONS))
    finalise_with: frozenset[str] = frozenset({"cps", "cpe", "cpa"})
    staff_methods: frozenset[str] = frozenset({"card", "psc", "otp"})
    max_days: int | None = None
    invite_life: timedelta = timedelta(days=14)
    freshness: timedelta = timedelta(hours=1)  # how old a proof may be to hand out or widen rights
    dormancy: timedelta = timedelta(days=365)
    zone: ZoneInfo = PARIS

    @property
    def catalogue(self) -> frozenset[str]:
        """Every right there is."""
        return frozenset(f"{module}:{action}" for module in self.modules for action in self.actions)

    @property
    def finalising(self) -> frozenset[Method]:
        """The means by which staff may accept an invitation (R112)."""
        return frozenset(method for name in self.finalise_with for method in _FINAL[name])

    @property
    def staff(self) -> frozenset[Method]:
        """The means under which staff may act (R115)."""
        return frozenset(method for name in self.staff_methods for method in _WAYS[name])


@dataclass(frozen=True, slots=True)
class Acting:
    """The delegation a session acts under, and the doctor; ``None`` for what is not to be found any more."""

    delegation: Delegation | None
    delegator: Account | None


# Periods


def period(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants of a period of whole days, both included (R109): from 00:00 of the first to before 00:00 after the
    last, as clocks of the zone show them, whatever they do that night."""
    return (
        datetime.combine(first, time(), zone),
        datetime.combine(last + timedelta(days=1), time(), zone),
    )


def days(delegation: Delegation, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last day of a period."""
    last = delegation.ends - timedelta(microseconds=1)
    return delegation.begins.astimezone(zone).date(), last.astimezone(zone).date()


def last_second(delegation: Delegation, zone: ZoneInfo) -> datetime:
    """23:59:59 of the last day: how the end is written for others."""
    first = delegation.ends.astimezone(zone)
    return datetime.combine(first.date() - timedelta(days=1), time(23, 59, 59), zone)


# Who may


def keys_of(account: Account) -> frozenset[str]:
    """The national identifiers of an account: what its card or Pro Santé Connect has proved."""
    own = {key for key in account.logins if not key.startswith("u:")}
    if account.national_id is not None:
        own.add(account.national_id.text)
    return frozenset(own)


def may_delegate(session: Session, account: Account, rules: DelegationRules, now: datetime) -> Reason | None:
    """Why this person cannot give rights now; ``None`` when they can (R106, R120)."""
    if session.acting_under is not None:
        return Reason.ACTING_FOR_ANOTHER
    if session.space is not Space.LIBERAL or account.profession not in rules.physicians:
        return Reason.NOT_A_DELEGATOR
    if account.standing(now, rules.dormancy) is not Standing.OPEN:
        return Reason.NOT_A_DELEGATOR
    if session.assurance < Assurance.TRANSITION:
        return Reason.LEVEL_TOO_LOW
    return None


def may_act(
    delegation: Delegation | None,
    delegator: Account | None,
    session: Session,
    account: Account,
    rules: DelegationRules,
    now: datetime,
) -> Reason | None:
    """Why this person cannot act under this delegation at this instant; ``None`` when they can.

    The same for the first step and for every request after it (R130).
    """
    if delegation is None or not delegation.belongs_to(account.id, keys_of(account)):
        return Reason.DELEGATION_UNKNOWN
    state = delegation.state(now)
    if state is not State.ACTIVE:
        return Reason.DELEGATION_ENDED if state.over else Reason.DELEGATION_NOT_YET
    if delegator is None or delegator.id != delegation.delegator or delegator.id == account.id:
        return Reason.DELEGATION_UNKNOWN
    if delegator.standing(now, rules.dormancy) is not Standing.OPEN or delegator.profession not in rules.physicians:
        return Reason.DELEGATOR_UNAVAILABLE
    if account.standing(now, rules.dormancy) is not Standing.OPEN:
        return Reason.ACCOUNT_DORMANT
    if session.assurance < Assurance.TRANSITION:
        return Reason.LEVEL_TOO_LOW
    if delegation.kind is Kind.ASSISTANT and session.method not in rules.staff:
        return Reason.METHOD_DISABLED
    if delegation.kind is Kind.COLLEAGUE and account.profession not in rules.physicians:
        return Reason.DELEGATION_UNKNOWN
    if delegation.kind is Kind.COLLEAGUE and account.first_strong_at is None:
        return Reason.LEVEL_TOO_LOW  # a number that somebody typed or imported: no card has proved it yet (R122)
    return None if rights_of(delegation, rules) else Reason.DELEGATION_ENDED


def stands_until(delegation: Delegation, delegator: Account, rules: DelegationRules) -> datetime:
    """The instant at which it ends by itself: its own end, or the day the doctor's account falls asleep (R131)."""
    return min(delegation.ends, delegator.awake_at + rules.dormancy)


def rights_of(delegation: Delegation, rules: DelegationRules) -> frozenset[str]:
    """What it allows now: the chosen rights that the catalogue still has; all of it for a colleague (R120)."""
    return rules.catalogue if delegation.kind is Kind.COLLEAGUE else delegation.rights & rules.catalogue


def by_actions(rights: Iterable[str]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Rights as products of actions and modules: each pair (actions, modules) grants exactly its product, and together
    they grant exactly these rights. One pair for rights that are a product themselves."""
    actions: dict[str, set[str]] = {}
    for right in rights:
        module, _, action = right.partition(":")
        actions.setdefault(module, set()).add(action)
    groups: dict[tuple[str, ...], list[str]] = {}
    for module in sorted(actions):
        groups.setdefault(tuple(sorted(actions[module])), []).append(module)
    return tuple((chosen, tuple(modules)) for chosen, modules in groups.items())


def same_person(delegation: Delegation, identity: Identity) -> bool:
    """Whether a card bears the invited name, accents, hyphens and case aside (R112). Of the given names one list must
    begin with the other: cards bear all of them, people type the first."""
    if searchable(delegation.family_name) != searchable(identity.family_name) or not searchable(identity.family_name):
        return False
    invited, proved = searchable(delegation.given_name).split(), searchable(identity.given_name).split()
    shorter = min(len(invited), len(proved))
    return shorter > 0 and invited[:shorter] == proved[:shorter]


def chosen_rights(typed: Collection[str], rules: DelegationRules) -> frozenset[str] | None:
    """The rights somebody chose; ``None`` when there are none, or one that the catalogue does not have (R108)."""
    rights = frozenset(typed)
    return rights if rights and rights <= rules.catalogue else None
