"""The two moves every way of signing in shares: ``begin`` gives a ``Prompt``, ``complete`` an ``Outcome``.

Providers keep no state: what they must remember between the moves travels in ``memory``, which the pages keep with
the ``Attempt`` on the server. Universal checks (account standing, charter, space) are not here: see ``pages.journey``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.identity import Proof, Space
from gateway.reasons import Reason

VOID = "void"  # in an attempt's memory: ``Account.void`` when the password was right, or the step-up began


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pending sign-in, kept in the store, bound to one browser by the digest of its cookie.

    A half-finished sign-in is not a session and no door but the sign-in pages knows it.
    """

    id: str
    browser: str  # digest of the browser's cookie
    space: Space
    return_to: str
    method: str  # name of the provider
    created_at: datetime
    memory: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None  # known after a right password, or for a step-up
    shared: bool = False  # « Ce poste est partagé » (R146)
    address: str = ""  # where it comes from, for throttles and the audit


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its way: callback query, posted form, or a client certificate."""

    fields: Mapping[str, str] = field(default_factory=dict)
    certificate: bytes | None = None  # DER, as presented in TLS or forwarded by a trusted terminator
    chain: tuple[bytes, ...] = ()
    resumed: bool = False  # the TLS session was resumed: never counts as a card
    address: str = ""
    correlation: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser there; keep ``memory`` with the attempt."""

    url: str
    memory: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """Show this page; ``facts`` fill it, ``memory`` stays on the server with the attempt."""

    page: str
    facts: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None  # set once the password was right


@dataclass(frozen=True, slots=True)
class Rejected:
    """A foreseen no. ``evidence`` is for the log; ``facts`` may be shown (a masked address, a waiting time)."""

    reason: Reason
    evidence: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, str] | None = None  # replaces the attempt's memory when the attempt goes on
    over: bool = True  # False: the same attempt may try again


Prompt = Redirect | Form
Outcome = Proof | Redirect | Form | Rejected


class Provider(Protocol):
    """A way to prove who one is. Raises ``ProviderUnavailable`` or ``StoreUnavailable``, never answers a guess."""

    @property
    def name(self) -> str: ...

    async def begin(self, attempt: Attempt, now: datetime) -> Prompt: ...

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Outcome: ...
