"""Accounts and places of the demo, written once: a second demo on the same folder keeps its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.accounts.password import Passwords
from gateway.accounts.register import mail_key
from gateway.demo.people import PEOPLE, PLACES, Someone
from gateway.edges.database import Database
from gateway.identity import searchable
from gateway.ports import Change, Insert


async def seed(records: Database, charter: str, now: datetime) -> None:
    """Write what is missing."""
    if await records.find("scopes", {}, limit=1):
        return
    changes: list[Change] = []
    paths: dict[str | None, str] = {None: "/"}
    for place in PLACES:
        paths[place.id] = f"{paths[place.parent]}{place.id}/"
        changes.append(
            Insert(
                "scopes",
                {
                    "id": place.id,
                    "parent_id": place.parent,
                    "kind": place.kind,
                    "finess": place.finess,
                    "name": place.name,
                    "path": paths[place.id],
                    "source": "demo",
                    "revision": 0,
                    "code_validity": place.code_validity,
                    "channels": place.channels,
                    "updated_at": now,
                    "version": 1,
                },
            )
        )
        if place.state is not None:
            changes.append(
                Insert(
                    "switches",
                    {
                        "id": f"swi_{place.id}",
                        "scope_id": place.id,
                        "state": place.state,
                        "effective_from": now - timedelta(days=30),
                        "reason": "démonstration",
                        "author": "demo",
                        "kind": "switch",
                        "derogation_until": now + timedelta(days=365) if place.derogation else None,
                        "created_at": now,
                    },
                )
            )
    passwords = Passwords()
    for person in PEOPLE:
        if person.password is not None:
            changes += await _account(person, passwords, charter, now)
    passwords.close()
    await records.write(*changes)


async def _account(person: Someone, passwords: Passwords, charter: str, now: datetime) -> Sequence[Change]:
    account = f"acc_{person.key}"
    strong = now - timedelta(days=20) if person.origin == "strong" else None
    shared = sum(one.mail == person.mail for one in PEOPLE if one.password) > 1
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
                "password_hash": await passwords.hash(person.password or ""),
                "password_set_at": now,
                "password_must_change": False,
                "first_strong_at": strong,
                "last_sign_in_at": now - timedelta(days=1),
                "last_method": "cps" if strong else "otp-mail",
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
    used = ("cps", "otp-mail") if strong else ("otp-mail",)
    changes += [
        Insert(
            "sign_ins",
            {
                "id": f"sgn_{person.key}_{method}",
                "account_id": account,
                "at": now - timedelta(days=day),
                "method": method,
                "assurance": "substantial" if method == "cps" else "transition",
                "space": "liberal" if person.mode == "L" else "professionnel",
                "address": "192.0.2.10",
            },
        )
        for method, day in zip(used, (20, 1), strict=False)
    ]
    changes += [
        Insert("memberships", {"account_id": account, "scope_id": scope, "since": now}) for scope in person.scopes
    ]
    return changes
