"""explain(): the verdicts are decide()'s own, and every value says where it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.accounts.account import Account, Origin
from gateway.identity import Assurance, Method, Proof, Space
from gateway.pages.journey import Stop, next_step
from gateway.policy.decision import Challenge, Facts, Forward, Refuse, Rules, decide
from gateway.policy.establishments import Defaults, Fields, PolicyBook, Scope, State, Switch, SwitchKind, Why
from gateway.policy.explain import Explanation, explain
from gateway.policy.legal import Legal, Status
from gateway.policy.origins import HIDDEN, NATIONAL
from gateway.policy.routes import Route, RouteClass
from gateway.policy.ways import Means, Outcome, Way
from gateway.reasons import Reason
from gateway.session.model import Lifetimes, Session
from tests.policy.test_decision import ACCOUNT, NOW, RULES

DAY = timedelta(days=1)
CUT_OFF = NOW - 60 * DAY
OVER = Legal(Status.TRANSITION, until=NOW - DAY)
DEFAULTS = Defaults(CUT_OFF, legal={"otp_mail": OVER, "password": OVER, "psc": Legal(Status.PSC)})
BOOK = PolicyBook(
    DEFAULTS,
    [
        Scope("nation", None, "nation", "France", path="/nation/"),
        Scope("aura", "nation", "region", "Rhône-Alpes", Fields(channels=("mail", "sms")), path="/nation/aura/"),
        Scope("here", "aura", "etablissement", "Ici", Fields(code_validity=timedelta(hours=8), banner="Bonjour"),
              (Switch(State.STRONG, NOW - 9 * DAY, id="swi_1"),), path="/nation/aura/here/", version=4),
        Scope("weak", "aura", "etablissement", "Faible", Fields(session_idle=timedelta(minutes=10)),
              (Switch(State.PASSWORD_ONLY, NOW - 9 * DAY, NOW + DAY, id="swi_2"),), path="/nation/aura/weak/"),
        Scope("over", "aura", "etablissement", "Fini", switches=(
              Switch(State.PASSWORD_ONLY, NOW - 9 * DAY, NOW - DAY, id="swi_3"),), path="/nation/aura/over/"),
        Scope("far", "nation", "region", "Ailleurs", path="/nation/far/"),
        Scope("away", "far", "etablissement", "Là-bas", switches=(
              Switch(State.STRONG, NOW - DAY, id="swi_secret"),), path="/nation/far/away/"),
    ],
)  # fmt: skip
PROTECTED = Route("/T/Acces/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL)
PERSON = replace(ACCOUNT, password_hash="x", first_strong_at=NOW - 99 * DAY, charter_at=NOW - 99 * DAY)


class Arrives:
    """The real end of every sign-in, with the values of a deployment."""

    def __call__(
        self,
        proof: Proof,
        account: Account,
        space: Space,
        now: datetime,
        *,
        strong: bool,
        allowed: frozenset[Method] | None,
    ) -> Reason | None:
        step = next_step(
            proof,
            account,
            space,
            strong=strong,
            physicians=frozenset({"10"}),
            dormancy=RULES.dormancy,
            now=now,
            allowed=allowed,
        )
        return step.reason if isinstance(step, Stop) else None


MEANS = Means(
    Arrives(), ("card", "psc", "passkey", "password"), None, {"mail": None, "sms": Reason.NO_CHANNEL}, 0, True
)


def told(account: Account, route: Route = PROTECTED, means: Means = MEANS, **more: object) -> Explanation:
    book = more.pop("book", BOOK)
    rules = more.pop("rules", RULES)
    assert isinstance(book, PolicyBook)
    assert isinstance(rules, Rules)
    said = {"version": 7, "path": "/T/Acces/x", "entry": 2, "means": means} | more
    found = explain(route, account, book, rules, NOW, **said)  # type: ignore[arg-type]
    json.dumps(found.as_json())
    return found


def way(found: Explanation, name: str, channel: str = "") -> Way:
    (one,) = [one for one in found.ways if (one.name, one.channel) == (name, channel)]
    return one


def outcomes(found: Explanation) -> dict[str, str]:
    return {
        one.name + (f"+{one.channel}" if one.channel else ""): f"{one.verdict.outcome.value} {one.verdict.reason or ''}".strip()
        for one in found.ways
    }  # fmt: skip


def test_lesson_28_steps_in_the_order_of_decide() -> None:
    """Eight numbered steps; each has a rule, a title, sentences and facts; the policy's version is said."""
    found = told(replace(PERSON, scopes=("here",)))
    assert [step.number for step in found.steps] == list(range(1, 9))
    assert [step.key for step in found.steps] == [
        "route", "standing", "scopes", "level", "means", "values", "charter", "password",
    ]  # fmt: skip
    assert all(step.title and step.sentences and step.rule for step in found.steps)
    assert found.as_json()["policy_version"] == 7
    assert (found.verdict.outcome, found.verdict.reason, found.verdict.rule) == (
        Outcome.ASKED,
        Reason.NO_SESSION,
        "decide:2",
    )


@pytest.mark.parametrize("scopes", [(), ("here",), ("weak",), ("over",), ("here", "weak"), ("nowhere",)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"suspended_at": NOW - DAY},
        {"closed_at": NOW - DAY},
        {"last_sign_in_at": NOW - 400 * DAY},
        {"charter_version": "6"},
        {"password_must_change": True},
    ],
)
@pytest.mark.parametrize("kind", list(RouteClass))
def test_lesson_28_the_verdict_is_decides_own(
    scopes: tuple[str, ...], changes: dict[str, object], kind: RouteClass
) -> None:
    """For every person and door, each way's verdict at the address is what decide says of a session opened that way."""
    account = replace(PERSON, scopes=scopes, **changes)  # type: ignore[arg-type]
    route = replace(PROTECTED, kind=kind)
    found = told(account, route)
    assert len(found.ways) == 7
    for one in found.ways:
        level = {"card": 3, "psc": 3, "password": 2 if one.channel else 1}.get(one.name, 2)
        proof = Proof(account.identity, one.method, Assurance(level), NOW)
        known = replace(account, last_sign_in_at=NOW) if one.at_sign_in.outcome is Outcome.LET_IN else account
        lifetimes = BOOK.policy(scopes, NOW).lifetimes
        session = Session("", account.id, route.space, (proof,), NOW, NOW, lifetimes, "")
        expected = decide(route, Facts(session, known), BOOK, RULES, NOW)
        match expected:
            case Forward():
                assert (one.at_url.outcome, one.at_url.reason) == (Outcome.LET_IN, None)
            case Challenge(reason):
                assert (one.at_url.outcome, one.at_url.reason) == (Outcome.ASKED, reason)
            case Refuse(reason):
                assert (one.at_url.outcome, one.at_url.reason) == (Outcome.REFUSED, reason)


def test_r85_ways_in_a_strong_and_in_a_weak_place() -> None:
    """Strong: a password leads to a code. Under a derogation it is enough; with both places the stricter one holds."""
    strong = outcomes(told(replace(PERSON, scopes=("here",))))
    assert strong == {
        "card": "let-in",
        "psc": "let-in",
        "passkey": "refused passkey-unknown",
        "password": "asked level-too-low",
        "password+mail": "let-in",
        "password+sms": "refused no-channel",
        "password+totp": "refused no-channel",
    }
    assert outcomes(told(replace(PERSON, scopes=("weak",))))["password"] == "let-in"
    assert outcomes(told(replace(PERSON, scopes=("weak", "here"))))["password"] == "asked level-too-low"


@pytest.mark.parametrize(
    ("changes", "means", "name", "expected"),
    [
        ({"suspended_at": NOW}, {}, "card", "refused account-suspended"),
        ({"last_sign_in_at": NOW - 400 * DAY}, {}, "psc", "let-in"),
        ({"last_sign_in_at": NOW - 400 * DAY}, {}, "password+mail", "refused account-dormant"),
        ({"first_strong_at": None}, {}, "password+mail", "refused strong-first"),
        ({"first_strong_at": None, "origin": Origin.REFERENT}, {}, "password+mail", "let-in"),
        ({"first_strong_at": None}, {"requires_prior_strong": False}, "password+mail", "let-in"),
        ({"password_hash": None}, {}, "password", "refused wrong-credentials"),
        ({"national_id": None}, {}, "card", "refused no-account"),
        ({"charter_version": "6"}, {}, "card", "asked charter-missing"),
        ({"password_must_change": True}, {}, "password+mail", "asked password-too-old"),
        ({"password_must_change": True}, {}, "card", "let-in"),
        ({}, {"offered": ("card", "psc")}, "password+mail", "refused method-disabled"),
        ({}, {"allowed": frozenset({Method.CPS})}, "psc", "refused method-disabled"),
        ({}, {"channels": {"mail": Reason.MAIL_SHARED}}, "password", "refused mail-shared"),
        ({}, {"channels": {}}, "password", "refused no-channel"),
        ({}, {"passkeys": 1}, "passkey", "let-in"),
    ],
)
def test_lesson_28_what_the_person_meets(
    changes: dict[str, object], means: dict[str, object], name: str, expected: str
) -> None:
    """A table of people and what stops each of them, by the words of the log."""
    account = replace(PERSON, scopes=("here",), **changes)  # type: ignore[arg-type]
    assert outcomes(told(account, means=replace(MEANS, **means)))[name] == expected  # type: ignore[arg-type]


def test_r33_the_space_of_the_address_counts() -> None:
    """The address leads to the space of physicians: a nurse's card does not open it."""
    account = replace(PERSON, scopes=("here",), profession="60")
    found = told(account, replace(PROTECTED, space=Space.LIBERAL))
    assert way(found, "card").at_sign_in.reason is Reason.NOT_A_PHYSICIAN


def test_r82_every_value_says_its_origin() -> None:
    """The nearest value wins, field by field, and is named; what nobody set is the nation's."""
    values = told(replace(PERSON, scopes=("here",))).steps[5].facts
    assert values["code_validity"] == {
        "value": 28_800,
        "from": [{"scope": "here", "scope_name": "Ici", "value": 28_800, "from": "here", "from_name": "Ici"}],
    }
    assert values["session_idle"]["from"][0]["from_name"] == NATIONAL
    means = told(replace(PERSON, scopes=("here",))).steps[4]
    assert means.facts["channels_from"][0]["from"] == "aura"
    assert means.facts["channels_missing"] == {"sms": "no-channel"}
    assert (
        "Échéance réglementaire dépassée pour\u00a0: Mot de passe et code par e-mail, Mot de passe seul."
        in means.sentences[1]
    )
    both = told(replace(PERSON, scopes=("here", "weak"))).steps[5]
    assert both.facts["session_idle"]["value"] == 600
    assert "Durée sans activité\u00a0: 10\u00a0minutes (Faible)." in both.sentences


RULINGS = [
    ("here", Why.SWITCH, "authentification forte depuis le", "bascule (Ici)"),
    ("weak", Why.DEROGATION, "mot de passe seul, dérogation (Faible) jusqu'au", "Prochaine échéance le"),
    ("over", Why.DEROGATION_ENDED, "la dérogation (Fini) a pris fin le", "Fini"),
    ("aura", Why.CUT_OFF, "authentification forte, date nationale du", "atteinte"),
]


@pytest.mark.parametrize(("scope", "why", "begin", "end"), RULINGS)
def test_r84_rulings_in_words(scope: str, why: Why, begin: str, end: str) -> None:
    """Why a place is strong or not, since when, until when, and the switch that says so."""
    step = told(replace(PERSON, scopes=(scope,))).steps[2]
    (facts,) = step.facts["scopes"]
    assert facts["why"] == why.value
    assert begin in step.sentences[0]
    assert end in step.sentences[0]


def test_g26_break_glass_and_before_the_cut_off_in_words() -> None:
    """An emergency above names the place that opened; before the national date the date is said."""
    emergency = Switch(
        State.PASSWORD_ONLY, NOW - timedelta(hours=1), NOW + timedelta(hours=3), SwitchKind.BREAKGLASS, "b"
    )
    open_ = BOOK.with_scopes([replace(BOOK.scopes["aura"], switches=(emergency,))])
    step = told(replace(PERSON, scopes=("here",)), book=open_).steps[2]
    assert "ouverture de secours (Rhône-Alpes) jusqu'à 16\u00a0h\u00a000" in step.sentences[0]
    early = PolicyBook(replace(DEFAULTS, mandatory_from=NOW + DAY), BOOK.scopes.values())
    found = told(replace(PERSON, scopes=("aura",)), book=early)
    assert "mot de passe seul jusqu'à la date nationale" in found.steps[2].sentences[0]
    assert "à venir" in told(replace(PERSON, scopes=()), book=early).steps[3].sentences[0]


def test_r87_what_the_asker_does_not_see_is_not_named() -> None:
    """A place out of reach counts for the verdict; neither its name, its id nor its switch is told."""
    account = replace(PERSON, scopes=("weak", "away"))
    found = told(account, seen=lambda scope: scope.path.startswith("/nation/aura/"))
    text = json.dumps(found.as_json(), ensure_ascii=False)
    assert way(found, "password").verdict.reason is Reason.LEVEL_TOO_LOW
    assert HIDDEN in text
    for secret in ("Là-bas", "away", "swi_secret", "Ailleurs"):
        assert secret not in text
    assert "Faible" in text
    assert '"Là-bas"' in json.dumps(told(account).as_json(), ensure_ascii=False)


def test_r6_routes_in_words() -> None:
    """Which entry matched and its class; a path with two readings is locked and said to be; no entry: protected."""
    public = Route("/T/Libre/", RouteClass.PUBLIC, "vt", Space.PROFESSIONNEL)
    found = told(PERSON, public)
    assert found.verdict.rule == "decide:1"
    assert "la règle n°\u00a02 («\u00a0/T/Libre/\u00a0»)\u00a0: page publique" in found.steps[0].sentences[0]
    odd = told(PERSON, path="/T/Acces/a;b")
    assert odd.steps[0].facts["odd"] is True
    assert len(odd.steps[0].sentences) == 2
    assert "aucune règle" in told(PERSON, entry=None).steps[0].sentences[0]


def test_r60_r25_charter_password_and_session_in_words() -> None:
    """Charter and age of the password say whether they hold; a given session is judged as decide judges it."""
    rules = Rules(charter="8", password_age=30 * DAY)
    account = replace(PERSON, scopes=("here",), password_set_at=NOW - 31 * DAY)
    found = told(account, rules=rules)
    assert (found.steps[6].facts["holds"], found.steps[7].facts["holds"]) == (False, False)
    assert "trop ancien" in found.steps[7].sentences[0]
    assert "jamais" not in found.steps[6].sentences[0]
    proof = Proof(account.identity, Method.PASSWORD, Assurance.PASSWORD, NOW)
    session = Session("", account.id, Space.PROFESSIONNEL, (proof,), NOW, NOW, Lifetimes(), "")
    judged = explain(
        PROTECTED, account, BOOK, RULES, NOW, session, version=1, path="/T/Acces/", entry=1, means=MEANS
    )  # fmt: skip
    assert judged.verdict.reason is Reason.LEVEL_TOO_LOW
    assert judged.steps[1].facts["session"]["method"] == "password"


def test_g59_a_role_reduces_the_means() -> None:
    """What the role leaves is said to come from the role, and a password opens nothing."""
    means = replace(MEANS, allowed=frozenset({Method.CPS, Method.PSC_ECPS}))
    found = told(replace(PERSON, scopes=("here",)), means=means)
    assert found.steps[4].facts["reduced_by_role"] is True
    assert "Le rôle d'administrateur réduit les moyens acceptés." in found.steps[4].sentences
    assert outcomes(found)["password+mail"] == "refused method-disabled"
    assert told(replace(PERSON, scopes=("here",))).steps[4].facts["reduced_by_role"] is False
