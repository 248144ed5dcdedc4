"""One line of the table of the API: what is asked where, by whom, with what, and what comes back.

``work`` gets a ``Call``, in which everything was read and checked, and gives a ``Reply``; what is not done is raised
(``Refused``, ``Problem``). Nobody writes an answer by hand, so that what the document promises is what is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode

from pydantic import BaseModel

from gateway.administration.actor import Actor, Faulty
from gateway.api.kinds import Nothing
from gateway.pages.base import Visit
from gateway.policy.rights import Right

JSON_KINDS = ("application/json",)
PATCH_KINDS = ("application/json", "application/merge-patch+json")
UPLOAD_KINDS = ("text/csv", "multipart/form-data", "application/json")
CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked. ``query`` and ``body`` are values of the operation's own models; ``version`` is
    that of ``If-Match``; ``csv`` says that a table is wanted rather than JSON."""

    visit: Visit
    actor: Actor
    base: str  # the path of the API, to build addresses with
    path: Mapping[str, str]
    query: Any
    body: Any
    version: int | None
    csv: bool

    @property
    def now(self) -> datetime:
        return self.visit.now

    def address(self, *parts: str) -> str:
        """The address of an element of the API."""
        return "/".join((self.base, *(quote(part, safe="") for part in parts)))

    def next_page(self, **changes: str) -> str:
        """The address of this very list, but for these words of the query."""
        kept = {name: value for name, value in self.visit.request.query.items() if name not in changes}
        return f"{self.visit.request.path}?{urlencode({**kept, **changes})}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: a model, or the lines of a table (with the name of its file), or nothing at all."""

    body: BaseModel | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: AsyncIterator[str] | None = None
    file: str = ""


Work = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` below the API, with ``{names}``; ``right``: what the actor needs there, ``None`` when anybody who may use
    the API may ask; ``answers``: the model of each good answer by status, ``None`` for an empty one; ``versioned``:
    whether ``If-Match`` is read (``"may"``) or needed (``"must"``); ``free``: nobody has to say who they are."""

    name: str
    method: str
    path: str
    summary: str
    work: Work
    answers: Mapping[int, type[BaseModel] | None]
    right: Right | None = None
    query: type[BaseModel] = Nothing
    body: type[BaseModel] | None = None
    kinds: tuple[str, ...] = JSON_KINDS
    versioned: str = ""
    table: bool = False  # also as CSV
    upload: bool = False  # the body is read by the work itself, as it comes
    free: bool = False

    @property
    def takes_body(self) -> bool:
        return self.body is not None


def lists_next(call: Call, cursor: str, name: str = "after") -> tuple[str | None, dict[str, str]]:
    """The address of the next page and the header that says it (RFC 8288); nothing on the last page."""
    if not cursor:
        return None, {}
    address = call.next_page(**{name: cursor})
    return address, {"Link": f'<{address}>; rel="next"'}


def reason_of(call: Call, said: str | None, *, needed: bool = False) -> str:
    """Why it is done: from the body, or from ``X-Reason`` (percent-encoded UTF-8) where the body has none."""
    text = said or unquote(call.visit.request.headers.get("X-Reason", "")).strip()
    if needed and not text:
        raise Faulty({"reason": ["Cette valeur est nécessaire."]})
    return text


@contextmanager
def names(**others: str) -> Iterator[None]:
    """Faults under the names of the API, where an office calls a value otherwise: ``names(effective_from="from")``."""
    try:
        yield
    except Faulty as faulty:
        raise Faulty({others.get(name, name): said for name, said in faulty.faults.items()}) from None
