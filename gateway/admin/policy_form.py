"""The form of a scope's policy: what was typed to changes, and present values to what the form shows. Pure.

Values are spelled as the API spells them (seconds, lists of words, ISO instants); ``None`` is inherited. Bounds and
words are the office's to judge: here only what cannot be read at all is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.admin.frame import Typed
from gateway.admin.when import BadDate, field_of, instant_of

# By field, the lengths offered beside a free one, in seconds.
DURATIONS: Mapping[str, Sequence[int]] = {
    "code_validity": (600, 28_800),
    "second_factor_memory": (0, 14_400, 28_800),
    "session_absolute": (7_200, 14_400),
    "session_idle": (900, 1_800),
}
CONTACTS = 10  # as many as a scope may have (R91)
_ROWS = 3  # offered at least
_LISTS = ("channels", "methods")
_LONGEST = 10 * 366 * 86_400  # seconds: whatever is longer is a slip of the finger

Faults = dict[str, list[str]]


def shown(present: Mapping[str, Any], zone: ZoneInfo) -> Typed:
    """The form filled with what a scope sets now (``present``: by field, ``None`` for what it inherits)."""
    fields: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for name, presets in DURATIONS.items():
        value = present.get(name)
        fields[name] = "inherit" if value is None else str(value) if value in presets else "other"
        fields[f"{name}_minutes"] = "" if value is None or value in presets else _minutes(int(value))
    for name in _LISTS:
        lists[name] = tuple(present.get(name) or ())
        fields[f"{name}_inherit"] = "on" if present.get(name) is None else ""
    fields["banner_inherit"] = "on" if present.get("banner") is None else ""
    fields["banner"] = present.get("banner") or ""
    begins = present.get("banner_from")
    fields["banner_from"] = field_of(datetime.fromisoformat(str(begins)), zone) if begins else ""
    fields["contacts_inherit"] = "on" if present.get("contacts") is None else ""
    for place, one in enumerate((present.get("contacts") or ())[:CONTACTS], 1):
        fields[f"contact_label_{place}"] = str(one.get("label", ""))
        fields[f"contact_url_{place}"] = str(one.get("url", ""))
        fields[f"contact_topics_{place}"] = ", ".join(one.get("topics", ()))
    return Typed(fields, lists)


def rows(typed: Typed) -> range:
    """The rows of contacts to offer: those filled in, one more, and a few at least."""
    filled = [n for n in range(1, CONTACTS + 1) if typed.get(f"contact_label_{n}") or typed.get(f"contact_url_{n}")]
    return range(1, min(CONTACTS, max(_ROWS, max(filled, default=0) + 1)) + 1)


def read(typed: Typed, zone: ZoneInfo) -> tuple[dict[str, Any], Faults]:
    """Every field as it was typed, and what could not be read."""
    values: dict[str, Any] = {}
    faults: Faults = {}
    for name in DURATIONS:
        try:
            values[name] = _duration(typed, name)
        except (ValueError, OverflowError):
            faults[name] = ["Indiquez un nombre de minutes."]
    for name in _LISTS:
        values[name] = None if typed.has(f"{name}_inherit") else sorted(typed.all(name))
        if values[name] == []:
            faults[name] = ["Cochez au moins une case, ou gardez le réglage hérité."]
    own = not typed.has("banner_inherit")
    values["banner"] = typed.get("banner") if own else None
    values["banner_from"] = None
    if own and typed.get("banner_from"):
        try:
            values["banner_from"] = instant_of(typed.get("banner_from"), zone).isoformat()
        except BadDate as error:
            faults["banner_from"] = [error.sentence]
    values["contacts"] = None if typed.has("contacts_inherit") else _contacts(typed)
    return values, faults


def changed(values: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that differ from the present ones."""
    return {name: value for name, value in values.items() if _alike(name, value) != _alike(name, present.get(name))}


def _alike(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _LISTS:
        return sorted(value)
    if name == "banner_from":
        return datetime.fromisoformat(str(value))
    if name == "contacts":
        return [(one["label"], one["url"], list(one.get("topics", ()))) for one in value]
    return value


def _duration(typed: Typed, name: str) -> int | None:
    choice = typed.get(name, "inherit")
    if choice == "inherit":
        return None
    if choice != "other":
        return int(choice)
    seconds = round(float(typed.get(f"{name}_minutes").replace(",", ".")) * 60)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(name)
    return seconds


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:.2f}".rstrip("0").rstrip(".").replace(".", ",")


def _contacts(typed: Typed) -> list[dict[str, Any]]:
    found = []
    for place in range(1, CONTACTS + 1):
        label, url = typed.get(f"contact_label_{place}"), typed.get(f"contact_url_{place}")
        topics = [part for part in (one.strip() for one in typed.get(f"contact_topics_{place}").split(",")) if part]
        if label or url or topics:
            found.append({"label": label, "url": url, "topics": topics})
    return found


def legal_shown(present: Mapping[str, Any] | None, means: Sequence[str], zone: ZoneInfo) -> Typed:
    """The form of legal statuses, filled."""
    fields: dict[str, str] = {}
    for name in means:
        one = (present or {}).get(name) or {}
        fields[f"status_{name}"] = str(one.get("status", ""))
        fields[f"reference_{name}"] = str(one.get("reference", ""))
        until = one.get("until")
        fields[f"until_{name}"] = field_of(datetime.fromisoformat(str(until)), zone) if until else ""
    return Typed(fields, {})


def legal_read(typed: Typed, means: Sequence[str], zone: ZoneInfo) -> tuple[dict[str, Any] | None, Faults]:
    """The legal statuses a scope sets; ``None`` when it inherits them all."""
    found: dict[str, Any] = {}
    faults: Faults = {}
    for name in means:
        status = typed.get(f"status_{name}")
        if not status:
            continue
        until = None
        if typed.get(f"until_{name}"):
            try:
                until = instant_of(typed.get(f"until_{name}"), zone).isoformat()
            except BadDate as error:
                faults[f"until_{name}"] = [error.sentence]
        found[name] = {"status": status, "reference": typed.get(f"reference_{name}"), "until": until}
    return (found or None), faults
