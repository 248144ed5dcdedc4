"""Forward, Challenge or Refuse: the three answers to one question, and ``decide``, which gives them.

Pure, and the same on the hot path and off it. Deny by default: what no rule mentions is locked (R6), what cannot be
known never gets here (R7: the gate answers 503 before asking).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.accounts.account import Account, Standing
from gateway.identity import Assurance, Method, Space
from gateway.policy.delegation import Acting, DelegationRules, may_act, stands_until
from gateway.policy.establishments import PolicyBook
from gateway.policy.routes import Route, RouteClass
from gateway.reasons import Reason
from gateway.session.model import Session

# Sessions whose speaking proof rests on the password: the others do not care how old it is.
_BY_PASSWORD = frozenset({Method.PASSWORD, Method.OTP_MAIL, Method.OTP_SMS, Method.OTP_TOTP, Method.OTP_RECOVERY})


@dataclass(frozen=True, slots=True)
class Forward:
    """The request may go to this backend. ``stamp`` is the header block that says who comes, each line with CRLF."""

    backend: str
    session: str | None = None  # digest, under which tunnels and downloads are cut
    stamp: bytes = b""
    until: datetime | None = None  # the right to a tunnel or a download ends here


@dataclass(frozen=True, slots=True)
class Challenge:
    """Somebody has to sign in, or to prove more, before this goes on. ``to``: the page under the reserved prefix."""

    reason: Reason
    space: Space
    to: str = "sign-in"


@dataclass(frozen=True, slots=True)
class Refuse:
    """No, and signing in would not change it."""

    reason: Reason


Decision = Forward | Challenge | Refuse


@dataclass(frozen=True, slots=True)
class Facts:
    """Who is here, as far as the store and the records know; at most a few seconds old. ``acting``: the delegation the
    session acts under, when it does (R130)."""

    session: Session
    account: Account
    acting: Acting | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The values of the configuration that ``decide`` needs."""

    charter: str  # version in force
    dormancy: timedelta = timedelta(days=365)
    password_age: timedelta | None = None  # None: passwords do not age (R60)
    revoke_on_enable: bool = True  # false: a session goes on under the level asked when it was opened (R89)
    delegation: DelegationRules = field(default_factory=DelegationRules)


def decide(route: Route, facts: Facts | None, book: PolicyBook, rules: Rules, now: datetime) -> Decision:
    """May this request go on?

    1. Whose door is this, and is it locked? Public and usager routes are not; everything else is (R6).
    2. Who is here? No session, an ended one, a closed account: sign in (R143, R97).
    3. Do we know it well enough? The strictest of this person's scopes at this instant (R85, R89).
    4. Has the charter in force been accepted (R25)?
    5. Does a password that opened this session have to be changed (R60)?
    6. When the session acts for somebody: does the delegation still stand (R127, R130–R132)? Nothing goes on as the
       person themselves until they have been told: what they send was meant for the doctor.

    A public route is stamped when somebody is known (R134) and goes on without a name otherwise.
    """
    # (1)
    if route.kind is RouteClass.USAGER:
        return Forward(route.backend)
    refusal = fault(facts, book, rules, now)
    if route.kind is RouteClass.PUBLIC:
        if facts is None or refusal is not None:
            return Forward(route.backend)
    elif refusal is not None:
        reason, to = refusal
        space = facts.session.space if facts else route.space
        return Refuse(reason) if reason is Reason.ACCOUNT_SUSPENDED else Challenge(reason, space, to)
    assert facts is not None  # noqa: S101 - fault answers NO_SESSION otherwise
    return Forward(route.backend, facts.session.digest, until=ends_at(facts, rules.delegation))


def ends_at(facts: Facts, rules: DelegationRules) -> datetime:
    """The instant at which this right to pass ends by itself: the session's end, or the delegation's."""
    own, acting = facts.session.ends_at, facts.acting
    if acting is None or acting.delegation is None or acting.delegator is None:
        return own
    return min(own, stands_until(acting.delegation, acting.delegator, rules))


def fault(facts: Facts | None, book: PolicyBook, rules: Rules, now: datetime) -> tuple[Reason, str] | None:
    """What stands between this person and a protected route, and the page that helps; ``None`` when nothing does."""
    # (2)
    if facts is None:
        return Reason.NO_SESSION, "sign-in"
    session, account = facts.session, facts.account
    if session.ended(now):
        return Reason.SESSION_ENDED, "sign-in"
    if session.idle(now):
        return Reason.SESSION_IDLE, "sign-in"
    standing = account.standing(now, rules.dormancy)
    if standing is Standing.CLOSED:
        return Reason.ACCOUNT_CLOSED, "sign-in"
    if standing is Standing.SUSPENDED:
        return Reason.ACCOUNT_SUSPENDED, "sign-in"
    if standing is Standing.DORMANT:
        return Reason.ACCOUNT_DORMANT, "sign-in"
    # (3)
    if session.assurance < Assurance.TRANSITION and _asks_more(session, account, book, rules, now):
        return Reason.LEVEL_TOO_LOW, "sign-in"
    # (4)
    if account.charter_version != rules.charter:
        return Reason.CHARTER_MISSING, "charter"
    # (5)
    if session.method in _BY_PASSWORD and password_is_old(account, rules.password_age, now):
        return Reason.PASSWORD_TOO_OLD, "password/renew"
    # (6)
    if session.acting_under is not None and not acts_rightly(facts, rules, now):
        return Reason.DELEGATION_ENDED, "delegations/ended"
    return None


def acts_rightly(facts: Facts, rules: Rules, now: datetime) -> bool:
    """Whether the delegation that this session acts under stands at this instant."""
    session, acting = facts.session, facts.acting
    if acting is None or acting.delegation is None or acting.delegation.id != session.acting_under:
        return False
    refusal = may_act(acting.delegation, acting.delegator, session, facts.account, rules.delegation, now)
    return refusal is None


def _asks_more(session: Session, account: Account, book: PolicyBook, rules: Rules, now: datetime) -> bool:
    """Whether a password alone no longer carries this session (R89). What an emergency opened ends with it (G26)."""
    if not book.asks_more(account.scopes, now):
        return False
    return rules.revoke_on_enable or book.asks_more(account.scopes, session.opened_at, emergencies=False)


def password_is_old(account: Account, age: timedelta | None, now: datetime) -> bool:
    """Whether a new password has to be chosen before anything else (R60, G57)."""
    if account.password_must_change:
        return True
    return age is not None and account.password_set_at is not None and now - account.password_set_at > age
