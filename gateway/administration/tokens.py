"""Tokens of the API: a secret shown once, of which only a digest is kept; with a role, a place, and an end (R87).

Every look at a token is at most five seconds old, and a token revoked in this process is refused at once. Secrets are
256 random bits, so that a plain SHA-256 can be looked up and cannot be searched for. Whoever made a token may have kept
its secret: it is good as long as they could make it again. What the shell made goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours, record, require
from gateway.administration.roles import misfit
from gateway.audit import Act
from gateway.desk import PolicyDesk
from gateway.policy.rights import TABLE, Right
from gateway.ports import Ambient, Audit, Insert, Records, Row, Update
from gateway.reasons import Stale, Taken

PREFIX = "vtgw_"
MOST_DAYS = 366
_FRESH = 5.0  # seconds
_KEPT = 1000  # tokens remembered at most
_LONGEST = 200
_BY_TOKEN = "token:"  # noqa: S105 - how the audit names who came with a token


class Tokens:
    """``days``: how long a token lives when nobody says. Methods raise ``RecordsUnavailable``."""

    def __init__(self, records: Records, audit: Audit, desk: PolicyDesk, ambient: Ambient, days: int) -> None:
        self._records = records
        self._audit = audit
        self._desk = desk
        self._ambient = ambient
        self._days = days
        self._seen: dict[str, tuple[float, Row]] = {}  # by digest, with the monotonic time of the look

    async def create(
        self, actor: Actor, name: str, role: Role, scope_id: str, now: datetime, days: int | None = None
    ) -> tuple[str, str]:
        """A new token: its id, and the secret that is never shown again. National administrators alone.

        A token makes no tokens: who stole one could otherwise keep it alive for ever. Raises ``NotThere``, ``NotYours``
        and ``Faulty``.
        """
        require(actor, Right.ROLES, scope_id, self._desk.book)
        if actor.id.startswith(_BY_TOKEN):
            raise NotYours("Un jeton ne peut pas en créer un autre.")
        life = self._days if days is None else days
        line = " ".join(name.split())
        faults: dict[str, Sequence[str]] = {}
        if not 1 <= len(line) <= 80 or not line.isprintable():
            faults["name"] = ["Donnez un nom à ce jeton, en 80 caractères au plus."]
        if not 1 <= life <= MOST_DAYS:
            faults["days"] = [f"Un jeton vit de 1 à {MOST_DAYS} jours."]
        if fault := misfit(role, self._desk.book.scopes[scope_id]):
            faults["scope"] = [fault]
        if faults:
            raise Faulty(faults)
        token_id, secret = "tok_" + self._ambient.token(12), PREFIX + self._ambient.token(32)
        until = now + timedelta(days=life)
        facts = {"token": token_id, "name": line, "role": role.value, "until": until.isoformat()}
        await self._audit.record(record(Act.TOKEN_CREATED, actor, now, scope=scope_id, **facts))
        await self._records.write(_row(token_id, secret, line, role, scope_id, actor.id, now, until))
        return token_id, secret

    async def adopt(self, secret: str, name: str, role: Role, scope_id: str, now: datetime, days: int) -> str:
        """Let a secret made elsewhere be a token, for worlds that are seeded; a known one lives on from now.

        Returns its id. Raises ``ValueError`` for a secret that is no token's.
        """
        if not _plausible(secret) or not 1 <= days <= MOST_DAYS:
            raise ValueError("not a token, or too long a life")
        until = now + timedelta(days=days)
        held = await self._records.find("tokens", {"digest": _digest(secret)}, limit=1)
        if held:
            await self._records.write(Update("tokens", {"expires_at": until}, {"id": held[0]["id"]}))
            self._seen.pop(_digest(secret), None)
            return cast(str, held[0]["id"])
        token_id = "tok_" + self._ambient.token(12)
        seeder = Actor("seed", "seed", ())
        facts = {"token": token_id, "name": name, "role": role.value, "until": until.isoformat()}
        await self._audit.record(record(Act.TOKEN_CREATED, seeder, now, scope=scope_id, **facts))
        try:
            await self._records.write(_row(token_id, secret, name, role, scope_id, seeder.id, now, until))
        except Taken:  # adopted by another process at this instant
            return await self.adopt(secret, name, role, scope_id, now, days)
        return token_id

    async def actor_of(self, secret: str, now: datetime, *, address: str = "", correlation: str = "") -> Actor | None:
        """Who acts with this secret; ``None`` when it is unknown, expired or revoked, or made by somebody who could not
        make it any more."""
        if not _plausible(secret):
            return None
        row = await self._look(_digest(secret))
        if row is None or row["revoked_at"] is not None or cast(datetime, row["expires_at"]) <= now:
            return None
        grant = Grant(Role(cast(str, row["role"])), cast(str, row["scope_id"]))
        return Actor(f"{_BY_TOKEN}{row['id']}", cast(str, row["name"]), (grant,), address, correlation)

    async def list(self, actor: Actor, now: datetime) -> Sequence[Row]:
        """All tokens, the newest first, without digests; ``state`` is active, expired or revoked, the last also when
        who made it could not make it any more."""
        _administrator(actor)
        rows = await self._records.find("tokens", {}, order=("-created_at", "id"))
        makers = {cast(str, row["created_by"]) for row in rows if _state(row, now) == "active"}
        gone = {one for one in makers if not await self._vouches(one)}
        found = []
        for row in rows:
            state = _state(row, now)
            left = state == "active" and row["created_by"] in gone
            found.append({name: value for name, value in row.items() if name != "digest"})
            found[-1]["state"] = "revoked" if left else state
        return found

    async def revoke(self, actor: Actor, token_id: str, now: datetime) -> None:
        """End a token: here at once, in other processes within five seconds. Raises ``NotThere``."""
        _administrator(actor)
        rows = await self._records.find("tokens", {"id": token_id}, limit=1) if token_id.isprintable() else ()
        if not rows:
            raise NotThere
        (row,) = rows
        if row["revoked_at"] is None:
            facts = {"token": token_id, "name": cast(str, row["name"])}
            await self._audit.record(record(Act.TOKEN_REVOKED, actor, now, scope=cast(str, row["scope_id"]), **facts))
            with contextlib.suppress(Stale):  # revoked by somebody else at this instant
                await self._records.write(Update("tokens", {"revoked_at": now}, {"id": token_id, "revoked_at": None}))
        self._seen.pop(cast(str, row["digest"]), None)

    async def _look(self, digest: str) -> Row | None:
        clock = self._ambient.monotonic()
        seen = self._seen.get(digest)
        if seen is not None and 0 <= clock - seen[0] < _FRESH:
            return seen[1]
        rows = await self._records.find("tokens", {"digest": digest}, limit=1)
        self._seen.pop(digest, None)
        if not rows or not await self._vouches(cast(str, rows[0]["created_by"])):
            return None  # not remembered: guesses fill no memory, and a new token is good at once
        while len(self._seen) >= _KEPT:
            self._seen.pop(next(iter(self._seen)))
        self._seen[digest] = clock, rows[0]
        return rows[0]

    async def _vouches(self, maker: str) -> bool:
        """Whether who made a token could still make it; what is no account's is the shell's, or a seed."""
        accounts = await self._records.find("accounts", {"id": maker}, limit=1)
        if not accounts:
            return True
        if accounts[0]["closed_at"] is not None or accounts[0]["suspended_at"] is not None:
            return False
        roles = await self._records.find("roles", {"account_id": maker})
        return any(Right.ROLES in TABLE[Role(cast(str, row["role"]))] for row in roles)


def _administrator(actor: Actor) -> None:
    if not any(Right.ROLES in TABLE[grant.role] for grant in actor.grants):
        raise NotYours("Cette action est réservée à l'équipe nationale.")


def _plausible(secret: str) -> bool:
    return secret.startswith(PREFIX) and len(PREFIX) + 20 <= len(secret) <= _LONGEST and secret.isascii()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _state(row: Row, now: datetime) -> str:
    if row["revoked_at"] is not None:
        return "revoked"
    return "active" if now < cast(datetime, row["expires_at"]) else "expired"


def _row(
    token_id: str, secret: str, name: str, role: Role, scope_id: str, author: str, now: datetime, until: datetime
) -> Insert:
    return Insert(
        "tokens",
        {
            "id": token_id,
            "digest": _digest(secret),
            "name": name,
            "role": role.value,
            "scope_id": scope_id,
            "created_by": author,
            "created_at": now,
            "expires_at": until,
        },
    )
