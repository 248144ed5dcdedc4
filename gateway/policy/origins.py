"""Where the values of a person's policy come from, and rulings in words. Pure.

Scopes that the asker does not see are counted and never named. What lies above a scope they see is named: it is where
their own values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.identity import Method
from gateway.policy.establishments import PolicyBook, Ruling, Scope, Why

HIDDEN = "un rattachement hors de votre périmètre"
NATIONAL = "valeur nationale"


class Origins:
    """``scopes``: those the person is attached to; ``seen``: whether the asker may see one."""

    def __init__(
        self, scopes: Sequence[str], book: PolicyBook, now: datetime, seen: Callable[[Scope], bool], zone: ZoneInfo
    ) -> None:
        self._scopes = tuple(scopes)
        self._book = book
        self._now = now
        self._zone = zone
        shown = [one for one in scopes if (scope := book.scope(one)) is None or seen(scope)]
        self._shown = frozenset(above.id for one in shown for above in book.chain(one)) | frozenset(shown)

    def shows(self, scope_id: str | None) -> bool:
        return scope_id in self._shown

    def name(self, scope_id: str | None) -> str:
        if scope_id is None:
            return NATIONAL
        if not self.shows(scope_id):
            return HIDDEN
        scope = self._book.scope(scope_id)
        return scope.name if scope is not None else scope_id

    def of(self, scope_id: str | None, key: str) -> dict[str, Any]:
        """A scope as an origin: its id and its name, under this key."""
        return {key: scope_id if self.shows(scope_id) else None, f"{key}_name": self.name(scope_id)}

    def sources(self, name: str) -> list[dict[str, Any]]:
        """By attached scope, the value that it gives and where it has it from; the strictest of them holds (R85)."""
        found: list[dict[str, Any]] = []
        for one in self._scopes or (None,):
            sourced = self._book.sourced(one)[name]
            attached = {} if one is None else self.of(one, "scope")
            found.append({**attached, "value": plain(sourced.value), **self.of(sourced.scope, "from")})
        return found

    def why(self, ruling: Ruling) -> str:
        """The ruling in words, without a full stop."""
        where, switch = self.name(ruling.scope), ruling.switch
        end = switch.derogation_until if switch is not None else None
        until = self.limit(end) if end is not None else ""
        cut_off = self.moment(self._book.defaults.mandatory_from)
        match ruling.why:
            case Why.FORBIDDEN:
                return f"authentification forte, le mot de passe seul est interdit ({where})"
            case Why.BREAKGLASS:
                return f"mot de passe seul, ouverture de secours ({where}) {until}"
            case Why.DEROGATION:
                return f"mot de passe seul, dérogation ({where}) {until}"
            case Why.DEROGATION_ENDED:
                ended = self.moment(end) if end is not None else ""
                return f"authentification forte, la dérogation ({where}) a pris fin le {ended}"
            case Why.SWITCH:
                state = "authentification forte" if ruling.strong else "mot de passe seul"
                since = self.moment(switch.effective_from) if switch is not None else ""
                return f"{state} depuis le {since}, bascule ({where})"
            case Why.CUT_OFF:
                return f"authentification forte, date nationale du {cut_off} atteinte"
            case Why.BEFORE_CUT_OFF:
                return f"mot de passe seul jusqu'à la date nationale du {cut_off}"

    def moment(self, instant: datetime) -> str:
        return texts.moment(instant, self._zone)

    def limit(self, instant: datetime) -> str:
        return texts.limit(instant, self._now, self._zone)


def iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def plain(value: Any) -> Any:
    """A value of the policy as JSON has it."""
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, frozenset):
        return sorted(one.value if isinstance(one, Method) else str(one) for one in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value or None
