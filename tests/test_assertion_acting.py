"""The delegation as backends receive it: exact rights, exact end, and the person in the first place (R136, R139, R140)."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.delegation import Delegation, Kind
from gateway.assertion import Audience, claims_of, delegation_claims
from gateway.identity import NationalId
from gateway.policy.decision import Facts
from gateway.policy.delegation import PARIS, Acting, DelegationRules, period
from tests.policy.test_decision import ACCOUNT, NOW, session
from tests.test_assertion import lines, minter

RULES = DelegationRules()
DOCTOR = replace(ACCOUNT, id="acc_doctor", national_id=NationalId("8", "99700100011"), last_sign_in_at=NOW)
BEGINS, ENDS = period(date(2026, 1, 1), date(2026, 3, 31), PARIS)  # the summer time lies between the two


def facts(*rights: str, kind: Kind = Kind.ASSISTANT, **more: Any) -> Facts:
    given = Delegation("dlg_1", 1, DOCTOR.id, kind, "MARTIN", "Claire", frozenset(rights), BEGINS, ENDS, BEGINS, **more)
    return Facts(replace(session(), acting_under="dlg_1"), ACCOUNT, Acting(given, DOCTOR))


def claims(stamp: bytes) -> dict[str, Any]:
    body = lines(stamp)["X-VT-Assertion"].split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_product_is_one_object_with_the_dates_of_paris() -> None:
    """Winter time at the beginning and summer time at the end, as clocks in Paris show them."""
    told = delegation_claims(facts("grandage:consulter", "sanitaire:consulter"), RULES)
    assert told["authorization_details"] == [
        {
            "type": "fr.viatrajectoire.delegation",
            "identifier": "dlg_1",
            "on_behalf_of": "899700100011",
            "kind": "assistant",
            "actions": ["consulter"],
            "datatypes": ["grandage", "sanitaire"],
            "valid_from": "2026-01-01T00:00:00+01:00",
            "valid_until": "2026-03-31T23:59:59+02:00",
        }
    ]
    assert told["delegation"] == "id=dlg_1;rights=grandage:consulter,sanitaire:consulter;until=2026-03-31T21:59:59Z"


def test_rights_that_are_no_product_are_never_made_one() -> None:
    """Whatever the choice, the products of all objects together are the rights, and not one more."""
    catalogue = sorted(RULES.catalogue)
    for size in (1, 2, 3, 11):
        for chosen in itertools.islice(itertools.combinations(catalogue, size), 0, None, 7):
            objects = delegation_claims(facts(*chosen), RULES)["authorization_details"]
            told = [f"{m}:{a}" for one in objects for a in one["actions"] for m in one["datatypes"]]
            assert sorted(told) == list(chosen)


def test_r120_a_colleague_has_every_right_of_the_catalogue_and_no_other() -> None:
    (told,) = delegation_claims(facts(kind=Kind.COLLEAGUE), RULES)["authorization_details"]
    assert told["kind"] == "colleague"
    assert (set(told["actions"]), set(told["datatypes"])) == (set(RULES.actions), set(RULES.modules))


@pytest.mark.parametrize("missing", ["session", "acting", "delegation", "delegator"])
def test_r137_without_a_delegation_nothing_is_said_of_one(missing: str) -> None:
    known = facts("grandage:consulter")
    assert known.acting is not None
    without = {
        "session": replace(known, session=replace(known.session, acting_under=None)),
        "acting": replace(known, acting=None),
        "delegation": replace(known, acting=replace(known.acting, delegation=None)),
        "delegator": replace(known, acting=replace(known.acting, delegator=None)),
    }[missing]
    assert delegation_claims(without, RULES) == {}


async def test_r139_the_person_is_the_subject(tmp_path: Path) -> None:
    mint, _ = minter(tmp_path)
    stamp = (await mint.mint(facts("grandage:consulter"), "vt", None, NOW)).stamp
    assert claims(stamp)["sub"] == claims(stamp)["idnat_ps"] == "899700000007"
    assert "act" not in claims(stamp)
    assert not {"on_behalf_of", "delegation"} & claims(stamp).keys()  # said once, in authorization_details
    assert lines(stamp)["X-VT-On-Behalf-Of"] == "899700100011"
    assert lines(stamp)["X-VT-Delegation"].startswith("id=dlg_1;")


async def test_rfc8693_only_where_it_was_asked_for(tmp_path: Path) -> None:
    """The doctor is the subject and ``act`` the person; without a delegation the person is, as everywhere."""
    mint, _ = minter(tmp_path, Audience("vt", "vt", by_actor=True))
    told = claims((await mint.mint(facts("grandage:consulter"), "vt", None, NOW)).stamp)
    assert (told["sub"], told["act"], told["idnat_ps"]) == (
        "899700100011",
        {"sub": "899700000007"},
        "899700000007",
    )
    alone = claims((await mint.mint(Facts(session(), ACCOUNT), "vt", None, NOW)).stamp)
    assert alone["sub"] == "899700000007"
    assert "act" not in alone


async def test_r140_a_short_list_of_claims_never_hides_for_whom(tmp_path: Path) -> None:
    """A backend that is told little is still told that the act is not the person's own."""
    mint, _ = minter(tmp_path, Audience("vt", "vt", frozenset({"rpps"})))
    stamp = (await mint.mint(facts("grandage:consulter"), "vt", None, NOW)).stamp
    assert "authorization_details" in claims(stamp)
    assert "X-VT-On-Behalf-Of" in lines(stamp)
    assert "family_name" not in claims(stamp)


async def test_an_assertion_never_outlives_the_delegation(tmp_path: Path) -> None:
    """Twenty seconds before the end it lives twenty seconds, and is not sent a second longer."""
    mint, _ = minter(tmp_path)
    now = ENDS - timedelta(seconds=20)
    known = facts("grandage:consulter")
    fresh = replace(known.session, opened_at=now, seen_at=now)
    awake = Acting(known.acting.delegation if known.acting else None, replace(DOCTOR, last_sign_in_at=now))
    minted = await mint.mint(replace(known, session=fresh, acting=awake), "vt", None, now)
    assert claims(minted.stamp)["exp"] == int(ENDS.timestamp())
    assert minted.usable(ENDS - timedelta(seconds=1))
    assert not minted.usable(ENDS)


def test_claims_of_the_person_are_the_same_while_acting() -> None:
    acting, alone = facts("grandage:consulter"), Facts(session(), ACCOUNT)
    assert claims_of(acting, None) == claims_of(alone, None)
    assert datetime(2026, 3, 31, 22, tzinfo=UTC) == ENDS
