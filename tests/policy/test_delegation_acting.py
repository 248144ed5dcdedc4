"""Who may give rights, and who may act under them: every reason once (R106, R115, R120, R122, R130–R132)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gateway.accounts.account import Account
from gateway.identity import Assurance, Method, Proof, Space
from gateway.policy.delegation import DelegationRules, keys_of, may_act, may_delegate, stands_until
from gateway.reasons import Reason
from gateway.session.model import Lifetimes, Session
from tests.policy.test_decision import NOW
from tests.policy.test_delegation import COLLEAGUE, DAY, DOCTOR, GIVEN, RULES, STAFF, TICK


def session(
    method: Method = Method.CPE,
    assurance: Assurance = Assurance.SUBSTANTIAL,
    space: Space = Space.PROFESSIONNEL,
    **more: Any,
) -> Session:
    proof = Proof(STAFF.identity, method, assurance, NOW)
    return replace(Session("d", STAFF.id, space, (proof,), NOW, NOW, Lifetimes(), "ses_1"), **more)


# Who may give (R106, R120)


@pytest.mark.parametrize(
    ("changes", "account", "reason"),
    [
        ({}, {}, None),
        ({"assurance": Assurance.TRANSITION, "method": Method.OTP_MAIL}, {}, None),
        ({"assurance": Assurance.PASSWORD, "method": Method.PASSWORD}, {}, Reason.LEVEL_TOO_LOW),
        ({"space": Space.PROFESSIONNEL}, {}, Reason.NOT_A_DELEGATOR),
        ({}, {"profession": "40"}, Reason.NOT_A_DELEGATOR),
        ({}, {"profession": None}, Reason.NOT_A_DELEGATOR),
        ({}, {"suspended_at": NOW}, Reason.NOT_A_DELEGATOR),
        ({}, {"closed_at": NOW}, Reason.NOT_A_DELEGATOR),
        ({}, {"last_sign_in_at": NOW - 366 * DAY, "created_at": NOW - 400 * DAY}, Reason.NOT_A_DELEGATOR),
        ({"acting_under": "dlg_9"}, {}, Reason.ACTING_FOR_ANOTHER),  # A to B, not B to C
        ({"acting_under": "dlg_9", "space": Space.PROFESSIONNEL}, {}, Reason.ACTING_FOR_ANOTHER),
    ],
)
def test_r106_r120_who_may_give(changes: Mapping[str, Any], account: Mapping[str, Any], reason: Reason | None) -> None:
    here = session(**{"method": Method.CPS, "space": Space.LIBERAL, **changes})
    assert may_delegate(here, replace(DOCTOR, **account), RULES, NOW) is reason


# Who may act (R115, R120, R130–R132)

ASLEEP: dict[str, Any] = {"last_sign_in_at": NOW - 366 * DAY, "created_at": NOW - 400 * DAY}
PHYSICIAN = replace(DOCTOR, id="acc_petit", logins=("899700100029",), first_strong_at=NOW - 9 * DAY)
TO_PETIT: dict[str, Any] = {**COLLEAGUE, "delegate": None, "delegate_key": "899700100029"}


def judged(
    given_: Mapping[str, Any] | None = None,
    *,
    doctor: Mapping[str, Any] | None = None,
    account: Account = STAFF,
    here: Mapping[str, Any] | None = None,
    rules: DelegationRules = RULES,
    at: datetime = NOW,
) -> Reason | None:
    one = replace(GIVEN, **(given_ or {}))
    return may_act(one, replace(DOCTOR, **(doctor or {})), session(**(here or {})), account, rules, at)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({}, None),
        # Whose it is
        ({"given_": {"delegate": "acc_x"}}, Reason.DELEGATION_UNKNOWN),
        ({"given_": {"delegate": "acc_x", "revoked_at": NOW}}, Reason.DELEGATION_UNKNOWN),  # of others nothing is told
        ({"given_": {"delegate": None}}, None),  # by number
        ({"given_": {"delegate": None, "delegate_key": "3690780028/000000099"}}, Reason.DELEGATION_UNKNOWN),
        ({"given_": {"delegate": None, "delegate_key": "u:lea.moreau"}}, Reason.DELEGATION_UNKNOWN),
        # What it is now
        ({"given_": {"begins": NOW + TICK}}, Reason.DELEGATION_NOT_YET),
        ({"given_": {"begins": NOW}}, None),
        ({"given_": {"ends": NOW}}, Reason.DELEGATION_ENDED),
        ({"given_": {"ends": NOW + TICK}}, None),
        ({"given_": {"revoked_at": NOW}}, Reason.DELEGATION_ENDED),
        ({"given_": {"revoked_at": NOW + DAY}}, Reason.DELEGATION_ENDED),  # the clock was set back
        ({"given_": {"finalised_at": None, "invite_until": NOW + DAY}}, Reason.DELEGATION_NOT_YET),  # R110
        ({"given_": {"finalised_at": None}}, Reason.DELEGATION_NOT_YET),
        ({"given_": {"finalised_at": None, "proposed": "acc_lea"}}, Reason.DELEGATION_NOT_YET),
        # The doctor (R131)
        ({"doctor": {"id": "acc_x"}}, Reason.DELEGATION_UNKNOWN),
        ({"doctor": {"suspended_at": NOW}}, Reason.DELEGATOR_UNAVAILABLE),
        ({"doctor": {"closed_at": NOW}}, Reason.DELEGATOR_UNAVAILABLE),
        ({"doctor": ASLEEP}, Reason.DELEGATOR_UNAVAILABLE),
        ({"doctor": {"profession": "40"}}, Reason.DELEGATOR_UNAVAILABLE),
        ({"given_": {"delegator": "acc_lea"}, "doctor": {"id": "acc_lea"}}, Reason.DELEGATION_UNKNOWN),  # oneself
        # The delegate (R132)
        ({"account": replace(STAFF, suspended_at=NOW)}, Reason.ACCOUNT_DORMANT),
        ({"account": replace(STAFF, **ASLEEP)}, Reason.ACCOUNT_DORMANT),
        ({"account": replace(STAFF, closed_at=NOW)}, Reason.ACCOUNT_DORMANT),
        # The means (R115)
        ({"here": {"assurance": Assurance.PASSWORD, "method": Method.PASSWORD}}, Reason.LEVEL_TOO_LOW),
        ({"here": {"assurance": Assurance.TRANSITION, "method": Method.OTP_SMS}}, None),
        ({"here": {"assurance": Assurance.TRANSITION, "method": Method.PASSKEY}}, Reason.METHOD_DISABLED),
        ({"here": {"method": Method.PSC_ECPS}}, None),
        ({"here": {"method": Method.CPF}}, Reason.METHOD_DISABLED),
        (
            {"here": {"assurance": Assurance.TRANSITION, "method": Method.OTP_MAIL},
             "rules": replace(RULES, staff_methods=frozenset({"card"}))},
            Reason.METHOD_DISABLED,
        ),
        ({"rules": replace(RULES, staff_methods=frozenset({"card"}))}, None),
        ({"rules": replace(RULES, staff_methods=frozenset({"psc"}))}, Reason.METHOD_DISABLED),
        # Nothing left to do
        ({"rules": replace(RULES, modules={"sanitaire": "S"})}, Reason.DELEGATION_ENDED),
        # A colleague (R120, R122)
        ({"given_": TO_PETIT, "account": PHYSICIAN}, None),
        ({"given_": {**TO_PETIT, "delegate": "acc_petit"}, "account": PHYSICIAN}, None),
        ({"given_": TO_PETIT, "account": replace(PHYSICIAN, profession="40")}, Reason.DELEGATION_UNKNOWN),
        ({"given_": TO_PETIT, "account": replace(PHYSICIAN, profession=None)}, Reason.DELEGATION_UNKNOWN),
        # A number that somebody typed or imported, which no card has proved
        ({"given_": TO_PETIT, "account": replace(PHYSICIAN, first_strong_at=None)}, Reason.LEVEL_TOO_LOW),
        (
            {"given_": {**TO_PETIT, "delegate": "acc_petit"}, "account": replace(PHYSICIAN, first_strong_at=None)},
            Reason.LEVEL_TOO_LOW,
        ),
        ({"given_": TO_PETIT, "account": STAFF}, Reason.DELEGATION_UNKNOWN),
        (
            {"given_": TO_PETIT, "account": PHYSICIAN,
             "here": {"method": Method.PASSKEY, "assurance": Assurance.TRANSITION}},
            None,  # the means of staff are staff's
        ),
    ],
)  # fmt: skip
def test_who_may_act(case: dict[str, Any], reason: Reason | None) -> None:
    """R110, R112, R115, R120, R122, R131, R132: every reason, and what stands beside it."""
    assert judged(**case) is reason


def test_who_may_act_when_something_is_not_to_be_found() -> None:
    """Neither a delegation nor a doctor: nobody acts."""
    assert may_act(None, DOCTOR, session(), STAFF, RULES, NOW) is Reason.DELEGATION_UNKNOWN
    assert may_act(GIVEN, None, session(), STAFF, RULES, NOW) is Reason.DELEGATION_UNKNOWN


def test_r131_it_stands_until_its_end_or_the_doctors_sleep() -> None:
    """Whichever comes first, to the instant."""
    assert stands_until(GIVEN, DOCTOR, RULES) == GIVEN.ends
    sleepy = replace(DOCTOR, created_at=NOW - 400 * DAY, last_sign_in_at=NOW - 364 * DAY)
    falls = stands_until(GIVEN, sleepy, RULES)
    assert falls == NOW + DAY
    assert may_act(GIVEN, sleepy, session(), STAFF, RULES, falls) is None
    assert may_act(GIVEN, sleepy, session(), STAFF, RULES, falls + TICK) is Reason.DELEGATOR_UNAVAILABLE


def test_r122_the_numbers_of_an_account() -> None:
    """All that were proved, user names apart."""
    assert keys_of(STAFF) == {"3690780028/000000042"}
    both = replace(DOCTOR, logins=("0691000009", "899700100011", "u:luc"))
    assert keys_of(both) == {"0691000009", "899700100011"}
    assert keys_of(replace(DOCTOR, national_id=None, logins=())) == frozenset()


def test_r112_r115_means_by_their_names() -> None:
    """The words of the configuration, each a set of means."""
    assert RULES.finalising == {Method.CPS, Method.CPE, Method.CPA}
    assert replace(RULES, finalise_with=frozenset({"ecps"})).finalising == {Method.PSC_CPS, Method.PSC_ECPS}
    assert Method.PASSWORD not in RULES.staff and Method.OTP_TOTP in RULES.staff and Method.CPA in RULES.staff
