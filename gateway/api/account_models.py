"""What goes in and comes out about people (R88, R97–R101)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.kinds import Asked, Cursor, Id, Instant, Limit, Line, Reason, Said, Search, Text, Truth

RoleWord = Literal["national", "region", "referent"]
Category = Literal[
    "no_mail", "unproved_mail", "shared_mail", "generic_mailbox", "generic_name", "duplicate", "dormant", "never_strong",
    "no_national_id", "suspended", "ready",
]  # fmt: skip
Mail = Annotated[Text, Field(min_length=3, max_length=254)]


class AccountsQuery(Asked):
    """``scope``: people attached there or below; ``q``: beginnings of names, a login, or a mail address; ``category``: what
    stands in their way (R88)."""

    scope: Annotated[Text, Field(max_length=100)] = ""
    q: Search = ""
    category: Category | None = None
    limit: Limit = 50
    after: Cursor = ""


class AccountLine(Said):
    """``scopes``: those within the reach of who asks."""

    id: str
    family_name: str
    given_name: str
    national_id: str | None
    profession: str | None
    mail: str | None
    mail_proved: bool
    last_sign_in_at: Instant | None
    scopes: list[str]
    categories: list[str]
    ready: bool
    version: int


class AccountPage(Said):
    """``next``: the address of the next page; ``null`` on the last one."""

    accounts: list[AccountLine]
    next: str | None


class GrantSaid(Said):
    role: RoleWord
    scope: str


class AccountSaid(Said):
    """``scopes`` and ``roles``: those within the reach of who asks; nothing tells whether there are others."""

    id: str
    family_name: str
    given_name: str
    national_id: str | None
    logins: list[str]
    profession: str | None
    specialty: str | None
    mail: str | None
    mail_proved: bool
    mail_shared: bool
    phone: str | None
    phone_proved: bool
    standing: Literal["open", "dormant", "suspended", "closed"]
    origin: str
    space: str
    created_at: Instant
    last_sign_in_at: Instant | None
    last_method: str | None
    first_strong_at: Instant | None
    scopes: list[str]
    roles: list[GrantSaid]
    version: int


class InvitationAsked(Asked):
    scope: Id
    family_name: Line
    given_name: Line
    mail: Mail
    identifier: Annotated[Text, Field(max_length=128)] = ""
    space: Literal["liberal", "professionnel"] = "professionnel"


class AccountChange(Asked):
    """One change at a time: another mail address (to be proved again), suspended or not, woken (``dormant: false``)."""

    mail: Mail | None = None
    suspended: Truth | None = None
    dormant: Truth | None = None
    reason: Reason | None = None


class SessionsEnded(Said):
    ended: int


class PlaceAsked(Asked):
    scope: Id
    reason: Reason


class RoleAsked(Asked):
    role: RoleWord
    scope: Id
    reason: Reason
