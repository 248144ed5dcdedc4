"""The policy of establishments: inheritance, dates, derogations, strictest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.clocks import SKEW
from gateway.identity import Method
from gateway.policy.establishments import (
    Contact,
    Defaults,
    Fields,
    PolicyBook,
    Ruling,
    Scope,
    State,
    Switch,
    SwitchKind,
    Why,
    strictest,
)
from gateway.policy.legal import Legal, Status
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


LEVELS = ["nation", "region", "departement", "entite", "etablissement", "service"]
CONTACT = Contact("Équipe régionale", "mailto:aide@example.test", ("codes",))
LATER = AFTER + timedelta(days=9)
HOMOLOGUE = Legal(Status.HOMOLOGUE, "H-1", LATER)
# For each field of R91, the value a scope sets, and another one set above it.
FIELDS: list[tuple[str, Any, Any]] = [
    ("code_validity", timedelta(seconds=120), timedelta(hours=8)),
    ("second_factor_memory", timedelta(0), timedelta(hours=1)),
    ("channels", ("sms",), ("mail", "sms")),
    ("methods", frozenset({Method.CPS}), frozenset({Method.CPS, Method.OTP_MAIL})),
    ("session_absolute", timedelta(hours=1), timedelta(hours=2)),
    ("session_idle", timedelta(minutes=5), timedelta(minutes=10)),
    ("banner", "", "Bientôt"),
    ("contacts", (), (CONTACT,)),
]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "value", "other"), FIELDS, ids=[row[0] for row in FIELDS])
def test_r82_every_field_at_every_level_nearest_wins(level: str, name: str, value: Any, other: Any) -> None:
    """Whatever is set above, a level that sets a field, to nothing even, gives it to all below and to none above."""
    place = LEVELS.index(level)
    fields = {one: Fields(**{name: other}) for one in LEVELS[:place]} | {level: Fields(**{name: value})}
    found = tree(**fields)
    for below in LEVELS[place:]:
        one = found.sourced(below)[name]
        assert (one.value, one.scope) == (value, level)
    for number, above in enumerate(LEVELS[:place]):
        one = found.sourced(above)[name]
        assert (one.value, one.scope) == (other, LEVELS[number])


@pytest.mark.parametrize(("name", "value"), [(row[0], row[1]) for row in FIELDS])
def test_r82_the_policy_is_what_its_sources_say(name: str, value: Any) -> None:
    """The resolved policy has the values that the page of the scope shows with their origins."""
    policy = tree(region=Fields(**{name: value})).policy(["service"], AFTER)
    whole = {
        **{one: getattr(policy, one) for one in ("code_validity", "second_factor_memory", "channels", "methods")},
        "session_absolute": policy.lifetimes.absolute,
        "session_idle": policy.lifetimes.idle,
        "banner": policy.banner,
        "contacts": policy.contacts,
    }
    assert whole[name] == value


def test_r82_what_nobody_sets_is_the_nations() -> None:
    """The default of the configuration has no scope beside it; means, banner and contacts have none."""
    sourced = tree().sourced("service")
    assert {name for name, one in sourced.items() if one.scope is not None} == set()
    assert sourced["code_validity"].value == timedelta(seconds=600)
    assert sourced["channels"].value == ("mail",)
    assert (sourced["methods"].value, sourced["banner"].value, sourced["contacts"].value) == (None, None, None)
    assert tree().sourced(None)["session_idle"].value == timedelta(minutes=30)


def test_r92_the_date_of_a_banner_goes_with_its_words() -> None:
    """A date is never taken from another level than the banner; before it the banner is silent."""
    found = tree(region=Fields(banner="Région", banner_from=LATER), service=Fields(banner="Service"))
    assert found.sourced("service")["banner_from"].value is None
    assert found.policy(["service"], AFTER).banner == "Service"
    assert found.policy(["etablissement"], LATER - timedelta(seconds=1)).banner == ""
    assert found.policy(["etablissement"], LATER).banner == "Région"
    assert tree(service=Fields(banner_from=LATER)).sourced("service")["banner_from"].value is None


def test_g3_legal_status_is_inherited_means_by_means() -> None:
    """A service may have one means of its own standing and keep the region's and the nation's for the others."""
    barred = Legal(Status.INTERDIT)
    default = Legal(Status.TRANSITION)
    scopes = [
        Scope("region", None, "region", "R", Fields(legal={"otp_sms": barred})),
        Scope("e", "region", "etablissement", "E", Fields(legal={"otp_mail": HOMOLOGUE})),
    ]
    found = PolicyBook(Defaults(CUT_OFF, legal={"otp_mail": default, "otp_sms": default, "passkey": default}), scopes)
    legal = found.legal("e")
    assert {name: (one.value, one.scope) for name, one in legal.items()} == {
        "otp_mail": (HOMOLOGUE, "e"),
        "otp_sms": (barred, "region"),
        "passkey": (default, None),
    }
    assert found.sourced("e")["legal"].value == {name: one.value for name, one in legal.items()}
    assert found.sourced("e")["legal"].scope == "e"


def test_g3_a_forbidden_means_is_neither_a_method_nor_a_channel() -> None:
    """« Interdit » wins over what the scope or the nation offers."""
    scope = Scope(
        "e", None, "etablissement", "E", Fields(channels=("mail", "sms"), legal={"otp_sms": Legal(Status.INTERDIT)})
    )
    policy = book(scope).policy(["e"], AFTER)
    assert policy.channels == ("mail",)
    assert policy.methods == frozenset(Method) - {Method.OTP_SMS}
    limited = replace(scope, set=replace(scope.set, methods=frozenset({Method.CPS, Method.OTP_SMS})))
    assert book(limited).policy(["e"], AFTER).methods == frozenset({Method.CPS})


OFF = Switch(State.PASSWORD_ONLY, LAST_YEAR, LATER, id="off")
ON = Switch(State.STRONG, LAST_YEAR, id="on")
OPEN = Switch(State.PASSWORD_ONLY, AFTER, AFTER + timedelta(hours=4), SwitchKind.BREAKGLASS, "open")
RULINGS: list[tuple[str, dict[str, tuple[Switch, ...]], datetime, Ruling]] = [
    ("nobody, before", {}, BEFORE, Ruling(False, Why.BEFORE_CUT_OFF)),
    ("nobody, after", {}, CUT_OFF, Ruling(True, Why.CUT_OFF)),
    ("own switch", {"service": (ON,)}, BEFORE, Ruling(True, Why.SWITCH, "service", ON)),
    ("from above", {"region": (ON,)}, BEFORE, Ruling(True, Why.SWITCH, "region", ON)),
    ("nearest", {"region": (ON,), "entite": (OFF,)}, AFTER, Ruling(False, Why.DEROGATION, "entite", OFF)),
    ("derogation over", {"entite": (OFF,)}, LATER, Ruling(True, Why.DEROGATION_ENDED, "entite", OFF)),
    ("emergency", {"service": (OPEN,)}, AFTER, Ruling(False, Why.BREAKGLASS, "service", OPEN)),
    ("emergency above a nearer switch", {"service": (ON,), "region": (OPEN,)}, AFTER,
     Ruling(False, Why.BREAKGLASS, "region", OPEN)),
    ("emergency not yet", {"region": (OPEN,)}, AFTER - timedelta(seconds=1), Ruling(True, Why.CUT_OFF)),
    ("emergency over", {"service": (ON,), "region": (OPEN,)}, AFTER + timedelta(hours=4),
     Ruling(True, Why.SWITCH, "service", ON)),
]  # fmt: skip


@pytest.mark.parametrize(("switches", "now", "ruling"), [row[1:] for row in RULINGS], ids=[row[0] for row in RULINGS])
def test_r83_r84_g26_the_ruling_says_which_rule_and_whose(
    switches: dict[str, tuple[Switch, ...]], now: datetime, ruling: Ruling
) -> None:
    """The rules in their order: emergency, nearest switch, cut-off; each with the scope and the switch that speak."""
    found = book(
        *(
            Scope(one, LEVELS[place - 1] if place else None, one, one, switches=switches.get(one, ()))
            for place, one in enumerate(LEVELS)
        )
    )
    assert found.ruling("service", now) == ruling
    assert found.ruling("service", now).state is (State.STRONG if ruling.strong else State.PASSWORD_ONLY)


def test_g26_an_emergency_below_opens_nothing_above() -> None:
    """The scope that was opened, and no other."""
    found = book(
        Scope("e", None, "etablissement", "E", switches=(ON,)),
        Scope("s", "e", "service", "S", switches=(OPEN,)),
    )
    assert (found.strong("e", AFTER), found.strong("s", AFTER)) == (True, False)
    assert found.ruling("s", AFTER, emergencies=False) == Ruling(True, Why.SWITCH, "e", ON)


def test_r83_of_equal_dates_the_one_made_last_wins() -> None:
    """Switches come in the order of their dates, those of one date as they were made."""
    first, last = Switch(State.STRONG, LAST_YEAR, id="1"), Switch(State.PASSWORD_ONLY, LAST_YEAR, LATER, id="2")
    for switches, winner in (((first, last), last), ((last, first), first)):
        found = book(Scope("e", None, "etablissement", "E", switches=switches)).ruling("e", AFTER)
        assert found.switch is winner


def test_r83_a_switch_made_at_once_waits_for_no_clock() -> None:
    """Made by a machine that is seconds ahead, in force where it is read; a switch with a date waits for its date, and
    whether a session was opened before is judged to the letter."""
    noon = CUT_OFF - timedelta(days=30)
    at = noon + timedelta(seconds=5)
    for begun in (True, False):
        found = book(Scope("e", None, "etablissement", "E", switches=(Switch(State.STRONG, at, begun=begun),)))
        assert found.strong("e", noon) is begun
        assert not found.asks_more(["e"], noon, emergencies=False)
        assert not found.strong("e", noon - SKEW)
        assert found.strong("e", at)
    emergency = Switch(State.PASSWORD_ONLY, at, at + timedelta(hours=1), SwitchKind.BREAKGLASS, begun=True)
    switches = (Switch(State.STRONG, ALWAYS), emergency)
    assert not book(Scope("e", None, "etablissement", "E", switches=switches)).strong("e", noon)


def test_r83_a_password_without_derogation_holds_until_the_cut_off() -> None:
    """Before the nation's date a scope may go back freely; the date takes that back by itself."""
    found = book(Scope("e", None, "etablissement", "E", switches=(Switch(State.PASSWORD_ONLY, LAST_YEAR),)))
    assert (found.ruling("e", BEFORE).why, found.ruling("e", CUT_OFF).why) == (Why.SWITCH, Why.CUT_OFF)


def test_r83_next_change_is_the_first_date_to_come_of_the_whole_chain() -> None:
    """Dates of the scope and of those above it: begins, ends, and the nation's."""
    planned = Switch(State.STRONG, LATER + timedelta(days=1))
    found = book(
        Scope("region", None, "region", "R", switches=(OPEN,)),
        Scope("e", "region", "etablissement", "E", switches=(OFF, planned)),
        Scope("other", None, "region", "O", switches=(Switch(State.STRONG, AFTER + timedelta(minutes=1)),)),
    )
    expected = [LAST_YEAR, CUT_OFF, OPEN.effective_from, OPEN.derogation_until, LATER, planned.effective_from, None]
    now = ALWAYS
    for date in expected:
        assert found.next_change("e", now) == date
        now = date or now
    assert book().next_change("nowhere", BEFORE) == CUT_OFF
    assert book().next_change("nowhere", AFTER) is None


def test_r85_emergencies_can_be_left_out_for_several_scopes() -> None:
    """One open by emergency, one under derogation: more is asked only without the emergency."""
    found = book(
        Scope("a", None, "etablissement", "A", switches=(ON, OPEN)),
        Scope("b", None, "etablissement", "B", switches=(OFF,)),
    )
    assert found.asks_more(("a", "b"), AFTER) is False
    assert found.asks_more(("a", "b"), AFTER, emergencies=False) is True


def test_r85_strictest_of_methods_channels_banners_and_contacts() -> None:
    """Methods in common; channels in common in the first one's order; the first banner; everybody's contacts once."""
    other = Contact("Ailleurs", "https://aide.example.test")
    first = Fields(
        channels=("sms", "mail"), methods=frozenset({Method.CPS, Method.OTP_MAIL}), contacts=(CONTACT,), banner="Un"
    )
    second = Fields(channels=("mail", "sms", "totp"), methods=frozenset({Method.OTP_MAIL}), contacts=(CONTACT, other))
    found = book(
        Scope("a", None, "etablissement", "A", first),
        Scope("b", None, "etablissement", "B", second),
        Scope("c", None, "etablissement", "C"),
    )
    both = found.policy(["b", "a"], AFTER)
    assert both.channels == ("mail", "sms")
    assert both.methods == frozenset({Method.OTP_MAIL})
    assert (both.banner, both.contacts) == ("Un", (CONTACT, other))
    assert found.policy(["a", "c"], AFTER).channels == ("mail",)


def test_r83_a_changed_book_leaves_the_old_one_alone() -> None:
    """Books are values: who still holds the old one reads the old answer."""
    old = book(Scope("e", None, "etablissement", "E"), Scope("o", None, "etablissement", "O"))
    new = old.with_scopes([Scope("e", None, "etablissement", "E", switches=(OFF,)), Scope("n", "o", "service", "N")])
    assert (old.strong("e", AFTER), new.strong("e", AFTER)) == (True, False)
    assert (set(old.scopes), set(new.scopes)) == ({"e", "o"}, {"e", "o", "n"})


def test_g3_where_a_password_alone_is_forbidden_nothing_makes_it_enough() -> None:
    """Neither a switch, nor a derogation, nor an emergency, nor the time before the national date; a scope below may be
    given another status, and a code is asked of people without a scope when the nation says so."""
    barred, allowed = Legal(Status.INTERDIT), Legal(Status.TRANSITION)
    off = Switch(State.PASSWORD_ONLY, ALWAYS, AFTER + timedelta(days=30))
    entity = Scope("entity", None, "entite", "Entité", Fields(legal={"password": barred}), (off, OPEN))
    inherits = Scope("inherits", "entity", "etablissement", "A", switches=(off,))
    released = Scope("released", "entity", "etablissement", "B", Fields(legal={"password": allowed}), (off,))
    found = book(entity, inherits, released)
    for now in (BEFORE, AFTER + timedelta(hours=1)):
        for one in ("entity", "inherits"):
            assert found.ruling(one, now) == Ruling(True, Why.FORBIDDEN, "entity")
        assert not found.strong("released", now)
        assert found.asks_more(["inherits"], now) and not found.asks_more(["released"], now)
    nation = PolicyBook(Defaults(CUT_OFF, legal={"password": barred}), [Scope("lone", None, "service", "S")])
    assert nation.asks_more([], BEFORE)
    assert nation.ruling("lone", BEFORE) == Ruling(True, Why.FORBIDDEN)
    assert Method.PASSWORD not in (nation.policy(["lone"], BEFORE).methods or ())
