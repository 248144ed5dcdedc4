"""The words of the API's models: what a text, an instant, a whole number and a page of a list are.

Nothing is guessed: a number is no text, ``"true"`` is no truth in a body, an instant has its zone. What is not named in
a model is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic import WithJsonSchema as Shown

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,15}\Z")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Asked(BaseModel):
    """What somebody sends. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, regex_engine="python-re")


class Said(BaseModel):
    """What the API answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _instant(value: Any) -> Any:
    """RFC 3339 with its zone, between 2000 and 2200: no date a calendar or a sum with a delay can stumble over."""
    if isinstance(value, datetime):  # made by us
        return value
    if not isinstance(value, str) or not _INSTANT.match(value):
        raise ValueError("instant")
    try:
        found = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("instant") from error
    if not _FIRST <= found < _LAST:
        raise ValueError("instant")
    return found


def _digits(value: Any) -> Any:
    """A whole number of an address: digits and nothing else."""
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not _WHOLE.match(value):
        raise ValueError("whole")
    return int(value)


def _truth(value: Any) -> Any:
    known = {"1": True, "true": True, "0": False, "false": False}
    if isinstance(value, bool):
        return value
    if value not in known:
        raise ValueError("truth")
    return known[value]


def _sound(value: str) -> str:
    """No character that a database or a log would stumble over."""
    if any(ord(character) < 32 and character not in "\n\r\t" for character in value):
        raise ValueError("text")
    return value


_MOMENT = {"type": "string", "format": "date-time"}
Instant = Annotated[datetime, BeforeValidator(_instant), Shown(_MOMENT)]
Text = Annotated[StrictStr, AfterValidator(_sound)]
Line = Annotated[Text, Field(min_length=1, max_length=200)]
Reason = Annotated[Text, Field(min_length=3, max_length=200)]
Id = Annotated[Text, Field(min_length=1, max_length=100)]
Whole = StrictInt
Truth = StrictBool
# In the query of an address everything is text.
Number = Annotated[int, BeforeValidator(_digits)]
Flag = Annotated[bool, BeforeValidator(_truth), Shown({"type": "string", "enum": ["1", "0", "true", "false"]})]
Limit = Annotated[Number, Field(ge=1, le=200)]
Search = Annotated[Text, Field(max_length=200)]
Cursor = Annotated[Text, Field(max_length=400)]
Format = Literal["json", "csv"]


class Nothing(Asked):
    """A query without a word."""


class Reasoned(Asked):
    """Why it is done: in the body, or in the query where there is none."""

    reason: Reason
