"""The policy of establishments: inheritance, dates, derogations, strictest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.identity import Method
from gateway.policy.establishments import Defaults, Fields, PolicyBook, Scope, State, Switch, strictest
from gateway.session.model import Lifetimes

CUT_OFF = datetime(2025, 12, 31, 23, tzinfo=UTC)
BEFORE = CUT_OFF - timedelta(seconds=1)
AFTER = CUT_OFF + timedelta(days=30)
ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)
LAST_YEAR = datetime(2025, 6, 1, tzinfo=UTC)


def book(*scopes: Scope) -> PolicyBook:
    return PolicyBook(Defaults(CUT_OFF), scopes)


def tree(**fields_by_scope: Fields) -> PolicyBook:
    chain = ["nation", "region", "departement", "entite", "etablissement", "service"]
    return book(
        *(
            Scope(one, chain[place - 1] if place else None, one, one, fields_by_scope.get(one, Fields()))
            for place, one in enumerate(chain)
        )
    )


@pytest.mark.parametrize("level", ["nation", "region", "departement", "entite", "etablissement", "service"])
def test_r82_each_level_gives_its_field_to_those_below(level: str) -> None:
    """A value set at any level reaches the service when nothing nearer sets it."""
    policy = tree(**{level: Fields(code_validity=timedelta(seconds=120))}).policy(["service"], AFTER)
    assert policy.code_validity == timedelta(seconds=120)


def test_r82_the_nearest_value_wins_field_by_field() -> None:
    """Two fields of one person may come from two levels."""
    found = tree(
        region=Fields(code_validity=timedelta(hours=8), channels=("mail", "sms")),
        service=Fields(code_validity=timedelta(minutes=10)),
    ).policy(["service"], AFTER)
    assert (found.code_validity, found.channels) == (timedelta(minutes=10), ("mail", "sms"))


def test_r82_zero_is_a_value_and_not_an_absence() -> None:
    """A service that sets its memory to nothing is not given the region's memory."""
    found = tree(
        region=Fields(second_factor_memory=timedelta(hours=1)), service=Fields(second_factor_memory=timedelta(0))
    ).policy(["service"], AFTER)
    assert found.second_factor_memory == timedelta(0)


SWITCHES = [
    # (switches of the establishment, instant, strong?)
    ((), BEFORE, False),
    ((), CUT_OFF, True),
    ((Switch(State.STRONG, LAST_YEAR),), LAST_YEAR - timedelta(seconds=1), False),
    ((Switch(State.STRONG, LAST_YEAR),), LAST_YEAR, True),
    ((Switch(State.PASSWORD_ONLY, ALWAYS),), AFTER, True),
    ((Switch(State.PASSWORD_ONLY, ALWAYS, AFTER + timedelta(days=1)),), AFTER, False),
    ((Switch(State.PASSWORD_ONLY, ALWAYS, AFTER),), AFTER, True),
    ((Switch(State.PASSWORD_ONLY, ALWAYS, AFTER + timedelta(days=9)), Switch(State.STRONG, LAST_YEAR)), AFTER, True),
    ((Switch(State.STRONG, LAST_YEAR), Switch(State.PASSWORD_ONLY, ALWAYS)), BEFORE, True),
]


@pytest.mark.parametrize(("switches", "now", "strong"), SWITCHES)
def test_r83_r84_state_at_an_instant(switches: tuple[Switch, ...], now: datetime, strong: bool) -> None:
    """The last switch whose date has come decides; after the cut-off only a running derogation is weaker."""
    assert book(Scope("e", None, "etablissement", "E", switches=switches)).strong("e", now) is strong


def test_r83_a_service_may_be_ahead_of_its_establishment() -> None:
    """The nearest switch wins: one service strong in an establishment under derogation."""
    derogation = Switch(State.PASSWORD_ONLY, ALWAYS, AFTER + timedelta(days=9))
    found = book(
        Scope("e", None, "etablissement", "E", switches=(derogation,)),
        Scope("s", "e", "service", "S", switches=(Switch(State.STRONG, LAST_YEAR),)),
    )
    assert (found.strong("e", AFTER), found.strong("s", AFTER)) == (False, True)


@pytest.mark.parametrize(("switches", "now", "strong"), SWITCHES)
def test_r85_the_quick_question_and_the_whole_policy_agree(
    switches: tuple[Switch, ...], now: datetime, strong: bool
) -> None:
    """What is asked on every request is what the resolved policy says, for one scope, several and none."""
    found = book(Scope("e", None, "etablissement", "E", switches=switches), Scope("o", None, "etablissement", "O"))
    for scopes in ((), ("e",), ("o",), ("e", "o"), ("nowhere",)):
        assert found.asks_more(scopes, now) is found.policy(scopes, now).strong
    assert found.asks_more(("e",), now) is strong


def test_r84_unknown_scope_is_strong_after_the_cut_off() -> None:
    """A scope nobody described gets the national default, not an exception."""
    assert book().strong("nowhere", AFTER)


def test_r85_several_scopes_give_the_strictest_of_each_field() -> None:
    """One strong and one weak scope: a code is asked, and each number is the smaller one."""
    weak = Switch(State.PASSWORD_ONLY, ALWAYS, AFTER + timedelta(days=9))
    found = book(
        Scope("a", None, "etablissement", "A", Fields(code_validity=timedelta(hours=8), channels=("mail", "sms"))),
        Scope(
            "b",
            None,
            "etablissement",
            "B",
            Fields(
                code_validity=timedelta(minutes=10),
                channels=("mail",),
                session_idle=timedelta(minutes=5),
                methods=frozenset({Method.CPS}),
            ),
            (weak,),
        ),
    ).policy(["a", "b"], AFTER)
    assert found.strong
    assert found.code_validity == timedelta(minutes=10)
    assert found.channels == ("mail",)
    assert found.methods == frozenset({Method.CPS})
    assert found.lifetimes == Lifetimes(idle=timedelta(minutes=5))


def test_r85_the_strictest_of_nothing_is_an_error() -> None:
    """An empty list of policies proves nothing and is refused."""
    with pytest.raises(ValueError, match="no policy"):
        strictest([])


def test_r82_a_circle_in_the_data_ends_the_walk() -> None:
    """Two scopes that name each other as parent do not hang the gateway."""
    found = book(Scope("a", "b", "service", "A"), Scope("b", "a", "service", "B"))
    assert [scope.id for scope in found.chain("a")] == ["a", "b"]
