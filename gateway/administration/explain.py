"""« Pourquoi ? »: which rule decides about one person at one address, for those who look after that person (lesson 28).

Facts are gathered here and judged in ``policy.explain``. The address is read exactly as the door reads it, so that what
is explained is what the door would judge. Nothing is changed, and nothing is asked of the person's sessions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

from gateway.accounts.account import Account, Role
from gateway.accounts.register import Register
from gateway.administration.actor import Actor, Faulty, NotThere
from gateway.desk import PolicyDesk
from gateway.identity import Login, Space
from gateway.policy.decision import Rules
from gateway.policy.explain import Explanation, explain
from gateway.policy.rights import Right, Verdict, verdict
from gateway.policy.routes import RouteTable
from gateway.policy.ways import Arrival, Means
from gateway.ports import Records
from gateway.providers.code import CodePolicy
from gateway.reasons import Reason
from gateway.request import BadTarget, canonical_path

_ABSOLUTE = re.compile(r"https?://(?P<authority>[^/?#\\]*)", re.IGNORECASE)
_ASCII = "".join(chr(code) for code in range(128))
_LONGEST = 8_000


class Channels(Protocol):
    """By which ways a code can reach somebody (``providers.codes.Codes``)."""

    async def usable(self, account: Account, policy: CodePolicy) -> tuple[tuple[str, ...], Reason]: ...


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """``arrival``: the end of every sign-in; ``offered``: the providers by space; ``entries``: the paths of the
    configured routes, in order; ``hosts``: the names this gateway answers to; ``prefix``: of its own pages, and
    ``reserved`` the single paths beside them."""

    arrival: Arrival
    offered: Mapping[Space, Sequence[str]]
    requires_prior_strong: bool
    entries: tuple[str, ...]
    hosts: frozenset[str]
    prefix: str
    reserved: frozenset[str]
    zone: ZoneInfo


class Explainer:
    """Methods raise ``RecordsUnavailable``."""

    def __init__(
        self,
        desk: PolicyDesk,
        register: Register,
        records: Records,
        routes: RouteTable,
        rules: Rules,
        channels: Channels,
        settings: ExplainSettings,
    ) -> None:
        self._desk = desk
        self._register = register
        self._records = records
        self._routes = routes
        self._rules = rules
        self._channels = channels
        self._settings = settings

    async def explain(self, actor: Actor, who: str, url: str, now: datetime) -> Explanation:
        """``who``: an account's id or any of its logins, in any spelling; ``url``: an address of ViaTrajectoire, or its
        path. Raises ``NotThere`` for a person who does not exist or is out of reach, ``Faulty`` for the address."""
        account = await self._account(actor, who)
        path = self.path_of(url)
        settings, desk = self._settings, self._desk
        route = self._routes.match(path)
        entry = next((place for place, one in enumerate(settings.entries, 1) if one == route.path), None)
        means = Means(
            arrival=settings.arrival,
            offered=tuple(settings.offered[route.space]),
            allowed=desk.methods(account, now),
            channels=await self._missing(account, now),
            passkeys=await self._records.count("passkeys", {"account_id": account.id}),
            requires_prior_strong=settings.requires_prior_strong,
        )
        reach = actor.reach(desk.book)
        return explain(
            route,
            account,
            desk.book,
            self._rules,
            now,
            version=desk.revision,
            path=path,
            entry=entry,
            means=means,
            seen=lambda scope: scope.path in reach,
            zone=settings.zone,
        )

    async def _account(self, actor: Actor, who: str) -> Account:
        found = await self._register.by_id(who.strip())
        login = Login.parse(who)
        for key in (who.strip(), login.key if login else None):
            if found is None and key:
                found = await self._register.by_login(key)
        if found is None or not self._may(actor, found):
            raise NotThere
        return found

    def _may(self, actor: Actor, account: Account) -> bool:
        """Whether one of the person's scopes lies in reach; people without any are the nation's."""
        if any(grant.role is Role.NATIONAL for grant in actor.grants):
            return True
        book = self._desk.book
        return any(verdict(actor.grants, Right.EXPLAIN, one, book) is Verdict.ALLOWED for one in account.scopes)

    async def _missing(self, account: Account, now: datetime) -> dict[str, Reason | None]:
        """By channel that the policy allows, why a code cannot come that way (R72–R74)."""
        policy = self._desk.for_account(account, now)
        found: dict[str, Reason | None] = {}
        for channel in policy.channels:
            usable, why = await self._channels.usable(account, replace(policy, channels=(channel,)))
            found[channel] = None if usable else why
        return found

    def path_of(self, url: str) -> str:
        """The canonical path of an address, as the door would judge it; raises ``Faulty``.

        A browser sends no fragment, and writes what is not ASCII as the bytes of UTF-8; both are done here, and nothing
        else is repaired.
        """
        settings = self._settings
        text = url.strip()
        if absolute := _ABSOLUTE.match(text):
            host = re.sub(r":[0-9]*\Z", "", absolute["authority"]).lower()
            if settings.hosts and host not in settings.hosts:
                raise Faulty({"url": ["Cette adresse n'est pas servie par cette passerelle."]})
            text = text[absolute.end() :]
            text = text if text.startswith("/") else "/" + text
        text = quote(text.partition("#")[0], safe=_ASCII)
        if not text.startswith("/") or len(text) > _LONGEST:
            raise Faulty({"url": ["Indiquez une adresse complète, ou un chemin qui commence par «\u00a0/\u00a0»."]})
        try:
            path = canonical_path(text.encode("ascii"))
        except BadTarget as bad:
            sentence = "Cette adresse est refusée pour tout le monde\u00a0: elle peut être lue de plusieurs façons"
            raise Faulty({"url": [f"{sentence} ({bad.reason.value})."]}) from None
        if path == settings.prefix or path.startswith(settings.prefix + "/") or path in settings.reserved:
            raise Faulty(
                {"url": ["Cette adresse est une page de la passerelle elle-même\u00a0: aucune règle n'en décide."]}
            )
        return path
