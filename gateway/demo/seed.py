"""Accounts and places of the demo, written once: a second demo on the same folder keeps its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.accounts.account import Role
from gateway.accounts.password import Passwords
from gateway.accounts.register import mail_key
from gateway.administration.tokens import Tokens
from gateway.demo.crowd import PASSWORD, Agent, crowd
from gateway.demo.people import PEOPLE, Someone
from gateway.demo.places import PLACES, Place
from gateway.edges.database import Database
from gateway.identity import searchable
from gateway.ports import Change, Insert

# By the role of a token of ``tokens.json``: where it acts.
TOKENS = {"national": "nation", "region": "aura", "referent": "ehpad-glycines"}
_TOKEN_DAYS = 365


async def seed(records: Database, charter: str, now: datetime) -> bool:
    """Write people and places, if there are none; whether it was done."""
    if await records.find("scopes", {}, limit=1):
        return False
    changes: list[Change] = [change for place in PLACES for change in _place(place, now)]
    passwords = Passwords()
    for person in PEOPLE:
        if person.has_account:
            hashed = await passwords.hash(person.password) if person.password else None
            changes += _account(person, hashed, charter, now)
    changes += _crowd(await passwords.hash(PASSWORD), charter, now)
    passwords.close()
    await records.write(*changes)
    return True


async def adopt(tokens: Tokens, secrets: Mapping[str, str], now: datetime) -> None:
    """Let the secrets of ``tokens.json``, by role, be tokens for another year."""
    for role, secret in secrets.items():
        await tokens.adopt(secret, f"démonstration ({role})", Role(role), TOKENS[role], now, _TOKEN_DAYS)


_PATHS: dict[str | None, str] = {None: "/"}
for _one in PLACES:  # parents come first
    _PATHS[_one.id] = f"{_PATHS[_one.parent]}{_one.id}/"


def _place(place: Place, now: datetime) -> Sequence[Change]:
    scope = Insert(
        "scopes",
        {
            "id": place.id,
            "parent_id": place.parent,
            "kind": place.kind,
            "finess": place.finess,
            "name": place.name,
            "city": place.city,
            "path": _PATHS[place.id],
            "source": "demo",
            "revision": 0,
            "code_validity": place.code_validity,
            "channels": place.channels,
            "banner": place.banner,
            "banner_from": _day(now, place.announced),
            "retired_at": _day(now, -90) if place.retired else None,
            "updated_at": now,
            "version": 1,
        },
    )
    switches = [
        Insert(
            "switches",
            {
                "id": f"swi_{place.id}" + (f"_{number}" if number else ""),
                "scope_id": place.id,
                "state": turn.state,
                "effective_from": _day(now, turn.since),
                "reason": turn.reason,
                "author": "demo",
                "kind": "switch",
                "derogation_until": _day(now, turn.until),
                "created_at": _day(now, min(turn.since, -10)),
            },
        )
        for number, turn in enumerate(place.turns)
    ]
    return (scope, *switches)


def _day(now: datetime, days: float | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)


def _account(person: Someone, hashed: str | None, charter: str, now: datetime) -> Sequence[Change]:
    account = f"acc_{person.key}"
    strong = now - timedelta(days=20) if person.origin == "strong" else None
    shared = sum(one.mail == person.mail for one in PEOPLE if one.password) > 1
    by_card = "cps" if person.card else "psc-ecps"
    changes: list[Change] = [
        Insert(
            "accounts",
            {
                "id": account,
                "national_id": person.idnat,
                "family_name": person.family_name.upper(),
                "given_name": person.given_name.upper(),
                "search": searchable(person.family_name, person.given_name),
                "profession": person.profession or None,
                "specialty": person.specialty or None,
                "mail": person.mail,
                "mail_key": None if shared else mail_key(person.mail),
                "mail_canonical": mail_key(person.mail),
                "mail_proved_at": now,
                "phone": person.phone,
                "phone_proved_at": now if person.phone else None,
                "password_hash": hashed,
                "password_set_at": now if hashed else None,
                "password_must_change": False,
                "first_strong_at": strong,
                "last_sign_in_at": now - timedelta(days=1),
                "last_method": by_card if strong else "otp-mail",
                "origin": person.origin,
                "space_default": "liberal" if person.mode == "L" else "professionnel",
                "charter_version": charter,
                "charter_at": now,
                "created_at": now - timedelta(days=20),
                "updated_at": now,
                "version": 1,
            },
        )
    ]
    keys = [person.idnat, f"0{person.adeli}" if person.adeli else None]
    keys.append(f"u:{person.username}" if person.username else None)
    changes += [
        Insert("logins", {"key": key, "account_id": account, "created_at": now}) for key in keys if key is not None
    ]
    used = tuple(one for one, had in ((by_card, strong), ("otp-mail", hashed)) if had)
    changes += [
        Insert(
            "sign_ins",
            {
                "id": f"sgn_{person.key}_{method}",
                "account_id": account,
                "at": now - timedelta(days=day),
                "method": method,
                "assurance": "transition" if method == "otp-mail" else "substantial",
                "space": "liberal" if person.mode == "L" else "professionnel",
                "address": "192.0.2.10",
            },
        )
        for method, day in zip(used, (20, 1), strict=False)
    ]
    changes += [
        Insert("memberships", {"account_id": account, "scope_id": scope, "since": now}) for scope in person.scopes
    ]
    return changes + [
        Insert("roles", {"account_id": account, "role": role, "scope_id": scope, "granted_by": "demo", "since": now})
        for role, scope in person.roles
    ]


def _crowd(hashed: str, charter: str, now: datetime) -> Sequence[Change]:
    return [change for agent in crowd() for change in _agent(agent, hashed if agent.password else None, charter, now)]


def _agent(agent: Agent, hashed: str | None, charter: str, now: datetime) -> Sequence[Change]:
    account = f"acc_{agent.key}"
    made = now - timedelta(days=700)
    seen = _day(now, None if agent.seen is None else -agent.seen)
    key = mail_key(agent.mail) if agent.mail else None
    values: dict[str, Any] = {
        "id": account,
        "national_id": f"8{agent.rpps}" if agent.rpps else None,
        "family_name": agent.family_name.upper(),
        "given_name": agent.given_name.upper(),
        "search": searchable(agent.family_name, agent.given_name),
        "profession": "60" if agent.rpps else None,
        "mail": agent.mail,
        "mail_key": None if agent.shared else key,
        "mail_canonical": key,
        "mail_proved_at": seen if agent.proved and agent.mail else None,
        "phone": agent.phone,
        "phone_proved_at": seen if agent.phone else None,
        "password_hash": hashed,
        "password_set_at": made if hashed else None,
        "password_must_change": False,
        "first_strong_at": _day(now, None if agent.strong is None else -agent.strong),
        "last_sign_in_at": seen,
        "last_method": None if seen is None else "cps" if agent.strong else "otp-mail",
        "suspended_at": _day(now, -15) if agent.suspended else None,
        "suspended_reason": "Départ de l'établissement" if agent.suspended else None,
        "origin": agent.origin,
        "space_default": "professionnel",
        "charter_version": charter if seen else None,
        "charter_at": seen,
        # Who never came was imported lately: otherwise they would sleep already.
        "created_at": made if seen else now - timedelta(days=40),
        "updated_at": now,
        "version": 1,
    }
    keys = [f"u:{agent.username}", *([f"8{agent.rpps}"] if agent.rpps else [])]
    return [
        Insert("accounts", values),
        *(Insert("logins", {"key": one, "account_id": account, "created_at": made}) for one in keys),
        Insert("memberships", {"account_id": account, "scope_id": agent.scope, "since": made}),
    ]
