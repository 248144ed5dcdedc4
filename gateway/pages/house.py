"""What every page works with: one value, filled by the composition root, and the narrow openings it needs.

A page asks for nothing else. What is missing here is missing in the deployment, and says so at the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from aiohttp import web

from gateway.accounts.account import Account
from gateway.accounts.password import Passwords
from gateway.accounts.register import Register
from gateway.delegations.context import Contexts
from gateway.identity import Method, Space
from gateway.notices import Notices
from gateway.pages.regions import Regions
from gateway.policy.establishments import Contact
from gateway.ports import Ambient, Audit, Sender, Store
from gateway.providers.base import Provider
from gateway.providers.devices import Devices
from gateway.providers.tries import Tries
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes


class Rules(Protocol):
    """The policy in force, for pages."""

    def strong(self, account: Account, now: datetime) -> bool: ...

    def lifetimes(self, account: Account, now: datetime, *, shared: bool) -> Lifetimes: ...

    def memory(self, account: Account, now: datetime) -> timedelta: ...

    def methods(self, account: Account, now: datetime) -> frozenset[Method] | None: ...

    def channels(self, account: Account, now: datetime) -> Sequence[str]: ...

    def banner(self, account: Account, now: datetime) -> str: ...

    def contacts(self, account: Account, now: datetime) -> Sequence[Contact]: ...

    def above(self, scope: str) -> Sequence[str]: ...

    async def catch_up(self) -> None: ...


class SignOutElsewhere(Protocol):
    """A provider whose own session ends with ours (R44)."""

    async def end_session_url(self, id_token: str, state: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Charter:
    """The charter in force: its version, its text (trusted HTML) and the hash of that text."""

    version: str
    text: str

    @property
    def stamp(self) -> str:
        """Version and hash, as an acceptance records them (R27)."""
        return f"{self.version} {hashlib.sha256(self.text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything the pages work with; filled by the composition root."""

    prefix: str
    public_url: str
    card_urls: Sequence[str]
    form_targets: Sequence[str]  # origins a form's answer may lead to (Chromium applies form-action to redirects)
    ambient: Ambient
    store: Store
    keeper: Keeper
    register: Register
    contexts: Contexts
    providers: Mapping[str, Provider]
    methods: Mapping[Space, Sequence[str]]
    admin_methods: frozenset[Method]  # by which administrators come in (G59)
    channels: Sequence[str]  # of codes, as the nation sets them: for the labels of the sign-in page
    default_space: Space
    card_direct: bool
    passwords: Passwords
    devices: Devices
    tries: Tries
    rules: Rules
    audit: Audit
    notices: Notices
    sms: Sender | None
    charter: Charter
    regions: Regions
    physicians: frozenset[str]
    required_fields: frozenset[str]
    generic_mailbox: str  # warn | refuse
    generic_mailboxes: frozenset[str]
    accessibility: str  # the status of the statement, said on every page (G81)
    verify_mail: str  # on_first_code | strict | off
    least_bits: float
    password_age: timedelta | None
    dormancy: timedelta
    wakers: frozenset[str]
    proof_life: timedelta
    form_life: timedelta
    reset_life: timedelta
    mail_proof_life: timedelta
    freshness: timedelta  # how old a proof may be for a change of contact data or means (R96)
    known_device_life: timedelta
    warn: timedelta  # before the idle end
    notify_sign_in: bool
    notify_memory: bool
    backend_cookie_paths: Sequence[str]
    csrf_key: bytes
    seal: Callable[[str], str]
    unseal: Callable[[str], str | None]
    key_set: Callable[[], bytes]
    changed: Callable[[str], Awaitable[None]]  # tells all workers that an account changed
    sign_out_elsewhere: SignOutElsewhere | None = None


HOUSE = web.AppKey("house", House)
