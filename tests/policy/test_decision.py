"""decide(): one table of people and doors, one answer each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.accounts.account import Account, Origin
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.policy.decision import Challenge, Decision, Facts, Forward, Refuse, Rules, decide
from gateway.policy.establishments import Defaults, PolicyBook, Scope, State, Switch, SwitchKind
from gateway.policy.routes import Route, RouteClass
from gateway.reasons import Reason
from gateway.session.model import Lifetimes, Session

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOOK = PolicyBook(
    Defaults(datetime(2025, 12, 31, 23, tzinfo=UTC)),
    [
        Scope("strong", None, "etablissement", "S", switches=(Switch(State.STRONG, NOW - timedelta(days=90)),)),
        Scope(
            "weak",
            None,
            "etablissement",
            "W",
            switches=(Switch(State.PASSWORD_ONLY, NOW - timedelta(days=90), NOW + timedelta(days=90)),),
        ),
    ],
)
RULES = Rules(charter="7")
WHO = Identity(NationalId("8", "99700000007"), "MARTIN", "Claire", "10")
ACCOUNT = Account(
    id="acc_1",
    national_id=WHO.id,
    logins=("899700000007",),
    family_name="MARTIN",
    given_name="Claire",
    profession="10",
    specialty=None,
    mail="c@example.test",
    phone=None,
    origin=Origin.STRONG,
    space=Space.LIBERAL,
    created_at=NOW - timedelta(days=400),
    last_sign_in_at=NOW - timedelta(minutes=10),
    charter_version="7",
    scopes=("strong",),
)


def session(assurance: Assurance = Assurance.SUBSTANTIAL, age: timedelta = timedelta(minutes=5)) -> Session:
    proof = Proof(WHO, Method.CPS, assurance, NOW - age)
    return Session("d", "acc_1", Space.LIBERAL, (proof,), NOW - age, NOW - timedelta(minutes=1), Lifetimes(), "ses_1")


def judge(kind: RouteClass, facts: Facts | None) -> Decision:
    return decide(Route("/", kind, "vt", Space.PROFESSIONNEL), facts, BOOK, RULES, NOW)


GOOD = Facts(session(), ACCOUNT)
PEOPLE = [
    ("nobody", None, Challenge(Reason.NO_SESSION, Space.PROFESSIONNEL)),
    ("good", GOOD, Forward("vt", "d", until=NOW - timedelta(minutes=5) + timedelta(hours=4))),
    (
        "r143 absolute end",
        Facts(session(age=timedelta(hours=4)), ACCOUNT),
        Challenge(Reason.SESSION_ENDED, Space.LIBERAL),
    ),
    (
        "r143 idle",
        Facts(replace(session(age=timedelta(hours=1)), seen_at=NOW - timedelta(minutes=30)), ACCOUNT),
        Challenge(Reason.SESSION_IDLE, Space.LIBERAL),
    ),
    (
        "r97 dormant",
        Facts(session(), replace(ACCOUNT, last_sign_in_at=NOW - timedelta(days=365, seconds=1))),
        Challenge(Reason.ACCOUNT_DORMANT, Space.LIBERAL),
    ),
    (
        "r97 day 365 still works",
        Facts(session(), replace(ACCOUNT, last_sign_in_at=NOW - timedelta(days=365))),
        Forward("vt", "d", until=NOW - timedelta(minutes=5) + timedelta(hours=4)),
    ),
    ("suspended", Facts(session(), replace(ACCOUNT, suspended_at=NOW)), Refuse(Reason.ACCOUNT_SUSPENDED)),
    (
        "r89 password session in a strong scope",
        Facts(session(Assurance.PASSWORD), ACCOUNT),
        Challenge(Reason.LEVEL_TOO_LOW, Space.LIBERAL),
    ),
    (
        "password session under derogation",
        Facts(session(Assurance.PASSWORD), replace(ACCOUNT, scopes=("weak",))),
        Forward("vt", "d", until=NOW - timedelta(minutes=5) + timedelta(hours=4)),
    ),
    (
        "r85 both scopes",
        Facts(session(Assurance.PASSWORD), replace(ACCOUNT, scopes=("weak", "strong"))),
        Challenge(Reason.LEVEL_TOO_LOW, Space.LIBERAL),
    ),
    (
        "r25 charter",
        Facts(session(), replace(ACCOUNT, charter_version="6")),
        Challenge(Reason.CHARTER_MISSING, Space.LIBERAL, "charter"),
    ),
]


@pytest.mark.parametrize(("facts", "expected"), [row[1:] for row in PEOPLE], ids=[row[0] for row in PEOPLE])
def test_protected_route(facts: Facts | None, expected: Decision) -> None:
    """On a protected route only a live, strong enough, chartered session goes on."""
    assert judge(RouteClass.PROTECTED, facts) == expected


@pytest.mark.parametrize(("name", "facts"), [(row[0], row[1]) for row in PEOPLE])
def test_r6_public_route_is_open_to_all_and_names_only_the_good(name: str, facts: Facts | None) -> None:
    """A public route never challenges; it carries a name only when a protected route would."""
    protected = judge(RouteClass.PROTECTED, facts)
    expected = protected if isinstance(protected, Forward) else Forward("vt")
    assert judge(RouteClass.PUBLIC, facts) == expected


@pytest.mark.parametrize("facts", [None, GOOD])
def test_r6_usager_route_never_carries_a_name(facts: Facts | None) -> None:
    """The usager area is VT's own: no session of ours is looked at or told."""
    assert judge(RouteClass.USAGER, facts) == Forward("vt")


def test_r43_session_ends_with_the_providers_proof() -> None:
    """A proof that ends earlier than the session ends the session."""
    proof = Proof(WHO, Method.PSC_ECPS, Assurance.SUBSTANTIAL, NOW - timedelta(hours=1), until=NOW)
    facts = Facts(replace(session(age=timedelta(hours=1)), proofs=(proof,)), ACCOUNT)
    assert judge(RouteClass.PROTECTED, facts) == Challenge(Reason.SESSION_ENDED, Space.LIBERAL)


OTP = Proof(WHO, Method.OTP_MAIL, Assurance.TRANSITION, NOW - timedelta(minutes=5))
BY_CODE = replace(session(), proofs=(OTP,))
OLD = replace(ACCOUNT, password_set_at=NOW - timedelta(days=181))


@pytest.mark.parametrize(
    ("facts", "age", "expected"),
    [
        (Facts(BY_CODE, OLD), timedelta(days=180), Reason.PASSWORD_TOO_OLD),
        (Facts(BY_CODE, OLD), timedelta(days=182), None),
        (Facts(BY_CODE, OLD), None, None),
        (Facts(session(), OLD), timedelta(days=180), None),
        (Facts(BY_CODE, replace(ACCOUNT, password_must_change=True)), None, Reason.PASSWORD_TOO_OLD),
        (Facts(session(), replace(ACCOUNT, closed_at=NOW)), None, Reason.ACCOUNT_CLOSED),
    ],
)
def test_r60_r104_old_passwords_and_closed_accounts(
    facts: Facts, age: timedelta | None, expected: Reason | None
) -> None:
    """A session by password waits for a new one when the old is too old; one by card does not care; an erased account
    opens nothing."""
    route = Route("/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL)
    found = decide(route, facts, BOOK, Rules("7", password_age=age), NOW)
    assert (found.reason if isinstance(found, Challenge) else None) is expected
    if expected is Reason.PASSWORD_TOO_OLD:
        assert isinstance(found, Challenge)
        assert found.to == "password/renew"


def opened(age: timedelta, assurance: Assurance = Assurance.PASSWORD) -> Facts:
    """Somebody at work in « place » since so long, by a password."""
    proof = Proof(WHO, Method.PASSWORD, assurance, NOW - age)
    since = Session("d", "acc_1", Space.LIBERAL, (proof,), NOW - age, NOW - timedelta(minutes=1), Lifetimes(), "ses_1")
    return Facts(since, replace(ACCOUNT, scopes=("place",)))


HOUR = timedelta(hours=1)
DEROGATION = Switch(State.PASSWORD_ONLY, NOW - timedelta(days=9), NOW + timedelta(days=9))
EMERGENCY = Switch(State.PASSWORD_ONLY, NOW - HOUR, NOW + HOUR, SwitchKind.BREAKGLASS)
OVER = Switch(State.PASSWORD_ONLY, NOW - HOUR, NOW - timedelta(minutes=1), SwitchKind.BREAKGLASS)
AN_HOUR_AGO = Switch(State.STRONG, NOW - HOUR)
OPEN_SESSIONS: list[tuple[str, tuple[Switch, ...], timedelta, bool, bool]] = [
    # switches of the place, age of the session, does it go on with revoke, and with next_login?
    ("opened before the switch", (DEROGATION, AN_HOUR_AGO), 2 * HOUR, False, True),
    ("opened at the very instant", (DEROGATION, AN_HOUR_AGO), HOUR, False, False),
    ("opened after the switch", (DEROGATION, AN_HOUR_AGO), HOUR / 2, False, False),
    ("derogation running", (DEROGATION,), HOUR / 2, True, True),
    ("derogation over", (replace(DEROGATION, derogation_until=NOW - HOUR),), 2 * HOUR, False, True),
    ("emergency running", (EMERGENCY,), HOUR / 2, True, True),
    ("emergency running, opened before it under the derogation", (DEROGATION, EMERGENCY), 2 * HOUR, True, True),
    ("emergency over", (OVER,), HOUR / 2, False, False),
    ("emergency over, a derogation runs", (DEROGATION, OVER), HOUR / 2, True, True),
    ("emergency over, opened before the switch", (DEROGATION, AN_HOUR_AGO, OVER), 2 * HOUR, False, True),
]


@pytest.mark.parametrize(
    ("switches", "age", "revoke", "next_login"),
    [row[1:] for row in OPEN_SESSIONS],
    ids=[row[0] for row in OPEN_SESSIONS],
)
def test_r89_g26_open_sessions_when_more_is_asked(
    switches: tuple[Switch, ...], age: timedelta, revoke: bool, next_login: bool
) -> None:
    """``revoke``: a password alone ends with its right. ``next_login``: it goes on under what was asked when it began;
    what an emergency opened ends with it in both."""
    book = PolicyBook(BOOK.defaults, [Scope("place", None, "etablissement", "P", switches=switches)])
    route = Route("/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL)
    for rules, goes_on in ((RULES, revoke), (replace(RULES, revoke_on_enable=False), next_login)):
        found = decide(route, opened(age), book, rules, NOW)
        assert isinstance(found, Forward) is goes_on
        if not goes_on:
            assert found == Challenge(Reason.LEVEL_TOO_LOW, Space.LIBERAL)


@pytest.mark.parametrize("on_enable", [True, False])
def test_r89_whoever_proved_more_is_left_alone(on_enable: bool) -> None:
    """A code, a card: a switch asks nothing new of these sessions."""
    book = PolicyBook(BOOK.defaults, [Scope("place", None, "etablissement", "P", switches=(AN_HOUR_AGO,))])
    route = Route("/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL)
    rules = replace(RULES, revoke_on_enable=on_enable)
    assert isinstance(decide(route, opened(HOUR / 2, Assurance.TRANSITION), book, rules, NOW), Forward)
