"""The state of a scope and what its policy says, as people read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.admin.words import STATUSES
from gateway.policy.establishments import PolicyBook, Ruling, Scope, Why
from gateway.policy.legal import CHANNEL_NAMES, NAMES


def state_of(scope: Scope, ruling: Ruling, book: PolicyBook, zone: ZoneInfo) -> SimpleNamespace:
    """For the tag of a list: ``strong``, ``emergency``, and ``why`` in a few words."""
    return SimpleNamespace(
        strong=ruling.strong, emergency=ruling.why is Why.BREAKGLASS, why=because(scope, ruling, book, zone)
    )


def because(scope: Scope, ruling: Ruling, book: PolicyBook, zone: ZoneInfo) -> str:
    """Why it is so, in a few words; where it was decided when that is not here."""
    switch = ruling.switch
    where = ""
    if ruling.scope and ruling.scope != scope.id and (above := book.scope(ruling.scope)) is not None:
        where = f", par {above.name}"
    if ruling.why is Why.FORBIDDEN:
        return f"mot de passe seul interdit{where}"
    if ruling.why is Why.CUT_OFF:
        return f"date nationale du {texts.day(book.defaults.mandatory_from, zone)}"
    if ruling.why is Why.BEFORE_CUT_OFF or switch is None:
        return f"jusqu'à la date nationale du {texts.day(book.defaults.mandatory_from, zone)}"
    until = switch.derogation_until
    if ruling.why is Why.BREAKGLASS and until is not None:
        return f"secours jusqu'au {texts.moment(until, zone)}{where}"
    if ruling.why is Why.DEROGATION and until is not None:
        return f"dérogation jusqu'au {texts.day(until, zone)}{where}"
    if ruling.why is Why.DEROGATION_ENDED and until is not None:
        return f"dérogation terminée le {texts.day(until, zone)}{where}"
    return f"depuis le {texts.day(switch.effective_from, zone)}{where}"


def sentence(scope: Scope, ruling: Ruling, book: PolicyBook, zone: ZoneInfo, decided: str = "") -> str:
    """The state in a whole sentence; ``decided``: by whom, when that is known."""
    what = "Authentification forte active" if ruling.strong else "Mot de passe seul accepté"
    by = f", décidée par {decided}" if decided else ""
    switch = ruling.switch
    above = book.scope(ruling.scope) if ruling.scope and ruling.scope != scope.id else None
    where = f", pour tout ce qui dépend de «\u00a0{above.name}\u00a0»" if above else ""
    national = texts.moment(book.defaults.mandatory_from, zone)
    if ruling.why is Why.FORBIDDEN:
        return f"{what}\u00a0: le mot de passe seul est interdit{where}."
    if ruling.why is Why.CUT_OFF:
        return f"{what} depuis la date nationale du {national}."
    if ruling.why is Why.BEFORE_CUT_OFF or switch is None:
        return f"{what} jusqu'à la date nationale du {national}."
    until = texts.moment(switch.derogation_until, zone) if switch.derogation_until else ""
    begun = texts.moment(switch.effective_from, zone)
    if ruling.why is Why.BREAKGLASS:
        return f"{what} par une ouverture de secours{where}{by}, jusqu'au {until}."
    if ruling.why is Why.DEROGATION:
        return f"{what} par dérogation{where}{by}, du {begun} au {until}."
    if ruling.why is Why.DEROGATION_ENDED:
        return f"{what}\u00a0: la dérogation{where} a pris fin le {until}."
    return f"{what} depuis le {begun}{where}{by.replace('décidée', 'décidé') if not ruling.strong else by}."


def length(seconds: int) -> str:
    """« 10 minutes », « 8 heures », « aucune »."""
    return texts.duration(timedelta(seconds=seconds)) if seconds else "aucune"


def in_words(name: str, value: Any, zone: ZoneInfo) -> Sequence[str]:
    """The value of a policy field, as the API spells it, as lines people read."""
    if name == "banner":
        return [str(value)] if value else ["aucune"]
    if value is None:
        return ["tous ceux que le service propose"] if name == "methods" else ["–"]
    if name in ("code_validity", "second_factor_memory", "session_absolute", "session_idle"):
        return [length(int(value))]
    if name == "channels":
        return [", ".join(CHANNEL_NAMES.get(one, one) for one in value) or "aucun"]
    if name == "methods":
        return [NAMES.get(one, one) for one in value] or ["aucun"]
    if name == "banner_from":
        return [texts.moment(datetime.fromisoformat(str(value)), zone)]
    if name == "contacts":
        return [f"{one['label']} ({one['url']})" for one in value] or ["celle de la région"]
    if name == "legal":
        return [f"{NAMES.get(key, key)}\u00a0: {legal_words(one, zone)}" for key, one in value.items()]
    return [str(value)]


def legal_words(legal: Mapping[str, Any], zone: ZoneInfo) -> str:
    """« homologué (réf. X, jusqu'au 2 mars 2030) »."""
    said = STATUSES.get(str(legal.get("status")), str(legal.get("status")))
    more = [f"réf. {legal['reference']}"] if legal.get("reference") else []
    if legal.get("until"):
        more.append(f"admis jusqu'au {texts.day(datetime.fromisoformat(str(legal['until'])), zone)}")
    return f"{said} ({', '.join(more)})" if more else said
