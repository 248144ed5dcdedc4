"""What was sent, to values: JSON with one meaning only, queries, and the version a change was decided on.

JSON is refused where two readers could differ: a name given twice, NaN and infinities, half a character, numbers too
long, more than ``_DEEPEST`` levels. The size of a body is bounded by the application.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.api.problem import Problem, faulty
from gateway.reasons import Reason

Model = TypeVar("Model", bound=BaseModel)
_DEEPEST = 16
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"\Z')
_SENTENCES: Mapping[str, str] = {
    "missing": "Cette valeur est nécessaire.",
    "extra_forbidden": "Ce nom n'est pas connu.",
    "string_too_short": "Ce texte est trop court.",
    "string_too_long": "Ce texte est trop long.",
    "too_short": "Cette liste est trop courte.",
    "too_long": "Cette liste est trop longue.",
    "literal_error": "Ce mot n'est pas connu.",
    "enum": "Ce mot n'est pas connu.",
    "greater_than_equal": "Ce nombre est trop petit.",
    "less_than_equal": "Ce nombre est trop grand.",
}
_BAD_KIND = "Cette valeur n'est pas de la bonne sorte."


def strict_json(data: bytes) -> Any:
    """The value these bytes spell; raises ``Problem`` (400) when they spell none, or more than one."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
        )
        _sound(value, _DEEPEST)
    except (ValueError, RecursionError) as error:
        why = "Le corps n'est pas un texte JSON valide."
        if isinstance(error, _Twice):
            why = "Un nom est donné deux fois dans le corps."
        raise Problem(400, Reason.BAD_REQUEST, why) from None
    return value


class _Twice(ValueError):
    """A name given twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _sound(value: Any, levels: int) -> None:
    if isinstance(value, dict | list) and levels == 0:
        raise ValueError("too deep")
    if isinstance(value, str):
        value.encode("utf-8")  # half a character is nobody's text
    elif isinstance(value, dict):
        for name, one in value.items():
            _sound(name, levels - 1)
            _sound(one, levels - 1)
    elif isinstance(value, list):
        for one in value:
            _sound(one, levels - 1)


async def body_of(request: web.Request, kinds: Sequence[str]) -> Any:
    """The JSON value sent; ``kinds`` are the media types taken. Raises ``Problem`` (400, 413, 415)."""
    check_kind(request, kinds)
    try:
        data = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    return strict_json(data)


def too_large() -> Problem:
    return Problem(413, Reason.BODY_TOO_LARGE)


def check_kind(request: web.Request, kinds: Sequence[str]) -> None:
    """Raise ``Problem`` (415) unless the body says that it is one of these kinds, as UTF-8."""
    charset = (request.charset or "utf-8").lower()
    said = "Content-Type" in request.headers
    if not said or request.content_type not in kinds or charset not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(
            415, Reason.BAD_MEDIA, f"Envoyez : {', '.join(kinds)}, en UTF-8.", headers={"Accept": ", ".join(kinds)}
        )


def query_of(request: web.Request) -> dict[str, str]:
    """The query by name; raises ``Problem`` (422) for a name given twice."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name in found:
            raise faulty({name: ["Ce nom est donné deux fois."]})
        found[name] = value
    return found


def model_of(kind: type[Model], value: Any) -> Model:
    """The value as this model; raises ``Problem`` (422) with a sentence for each field that cannot be taken."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults: dict[str, list[str]] = {}
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            name = ".".join(str(part) for part in one["loc"])
            sentences = faults.setdefault(name, [])
            sentence = _SENTENCES.get(one["type"], _BAD_KIND)
            if sentence not in sentences:
                sentences.append(sentence)
        raise faulty(faults) from None


def version_of(request: web.Request, *, needed: bool) -> int | None:
    """The version of ``If-Match``, as the ETag of an answer said it; ``None`` for ``*``, or when it may be left out.

    Raises ``Problem``: 428 when it is needed and absent, 412 for one that no element ever had, 400 when it is none.
    """
    lines = request.headers.getall("If-Match", [])
    if not lines:
        if needed:
            raise Problem(428, Reason.VERSION_NEEDED, "Envoyez If-Match avec l'ETag de l'élément que vous avez lu.")
        return None
    text = ", ".join(lines).strip()
    if text == "*":
        return None
    found = _TAG.match(text)
    if found is None:
        raise Problem(400, Reason.BAD_REQUEST, "If-Match doit contenir une seule version, entre guillemets.")
    weak, tag = found.groups()
    if weak or not re.fullmatch(r"[1-9][0-9]{0,8}", tag):  # If-Match compares strongly (RFC 9110, 13.1.1)
        raise Problem(412, Reason.CHANGED_MEANWHILE)
    return int(tag)
