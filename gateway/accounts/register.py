"""Where accounts are kept. The one room that turns rows into ``Account`` values and back.

Uniqueness is held by the database, never by a look before a leap: a national identifier, a login key and a mail
address each belong to one account (R17, R18). Two creations at the same instant end in one account.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from gateway.accounts.account import Account, Grant, Origin, Role
from gateway.identity import Identity, NationalId, Proof, Space, searchable
from gateway.ports import Ambient, Change, Find, Insert, Records, Row, Update, Value
from gateway.reasons import Stale, Taken

_TURNS = 20  # how often a change is tried again that must be made
_LOCAL_LIMIT = 254  # RFC 5321: longest usable address


def mail_key(address: str) -> str | None:
    """The one spelling of a mail address: NFKC, lower case, IDNA domain (R18). ``None`` when it is not an address."""
    text = unicodedata.normalize("NFKC", address).strip()
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > _LOCAL_LIMIT or any(ord(c) < 33 or c in '"(),:;<>[]\\@' for c in local):
        return None
    if "=?" in text:  # an encoded word (RFC 2047) is written to somebody else
        return None
    if any(character.isspace() or not character.isprintable() for character in text):
        return None
    try:
        host = domain.casefold().encode("idna").decode("ascii")
    except UnicodeError:
        return None
    labels = host.split(".")
    if len(labels) < 2 or any(not label or label[0] == "-" or label[-1] == "-" for label in labels):
        return None
    if not all(
        character.isascii() and (character.isalnum() or character == "-") for label in labels for character in label
    ):
        return None
    return f"{local.casefold()}@{host}"


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the person typed at the first connection, already checked; optional values are ``None`` (R12, R13)."""

    mail: str
    password_hash: str
    phone: str | None = None
    address: str | None = None
    postal_code: str | None = None
    city: str | None = None
    stated_profession: str | None = None
    mail_proved: bool = False  # the person came by a link sent to this very address (R113)


class Register:
    """Accounts by identifier, created and changed in single transactions.

    Methods raise ``RecordsUnavailable``; creating and changing also ``Taken`` (``accounts.mail_key`` when the address
    belongs to someone else) and ``Stale`` (somebody changed the account meanwhile).
    """

    def __init__(self, records: Records, ambient: Ambient) -> None:
        self._records = records
        self._ambient = ambient

    async def by_id(self, account_id: str) -> Account | None:
        rows, belongings = await self._records.find_all(
            Find("accounts", {"id": account_id}, limit=1),
            Find("belongings", {"account_id": account_id}, ("kind", "name", "scope_id")),
        )
        return _whole(rows[0], belongings) if rows else None

    async def by_login(self, key: str) -> Account | None:
        """The account a canonical login key opens (``identity.Login.key`` or an IdNat_PS text)."""
        rows = await self._records.find("logins", {"key": key}, limit=1)
        return await self.by_id(cast(str, rows[0]["account_id"])) if rows else None

    async def by_identity(self, identity: Identity) -> Account | None:
        """The account of a proven person, by any of their national identifiers (R17, R41, R57)."""
        if not identity.keys:
            return None
        rows = await self._records.find("logins", {"key": list(identity.keys)})
        owners = {cast(str, row["account_id"]) for row in rows}
        if len(owners) > 1:  # an ADELI account and an RPPS account of one person: the preferred key wins (R57)
            first = {row["key"]: cast(str, row["account_id"]) for row in rows}
            owner = next(first[key] for key in identity.keys if key in first)
        elif owners:
            owner = owners.pop()
        else:
            return None
        return await self.by_id(owner)

    async def by_mail(self, address: str) -> Account | None:
        key = mail_key(address)
        if key is None:
            return None
        rows = await self._records.find("accounts", {"mail_canonical": key}, limit=1)
        return await self.by_id(cast(str, rows[0]["id"])) if rows else None

    async def create(
        self, proof: Proof, particulars: Particulars, space: Space, charter: str, now: datetime
    ) -> tuple[Account, bool]:
        """The account of this proven person, and whether it was made now (R17, R21, R23).

        Identity fields come from the proof alone (R11). When the person already has an account, that one is returned
        unchanged: a double click, or a creation by another means at the same instant, is not an error.
        """
        identity = proof.identity
        if identity.id is None:
            raise ValueError("an account needs a national identifier")
        existing = await self.by_identity(identity)
        if existing is not None:
            return existing, False
        account_id = "acc_" + self._ambient.token(15)
        changes: list[Change] = [
            Insert(
                "accounts",
                {
                    "id": account_id,
                    "national_id": identity.id.text,
                    "family_name": identity.family_name,
                    "given_name": identity.given_name,
                    "search": searchable(identity.family_name, identity.given_name),
                    "profession": identity.profession,
                    "specialty": identity.specialty,
                    "mail": particulars.mail,
                    "mail_key": mail_key(particulars.mail),
                    "mail_canonical": mail_key(particulars.mail),
                    "mail_proved_at": now if particulars.mail_proved else None,
                    "stated_profession": particulars.stated_profession,
                    "phone": particulars.phone,
                    "address": particulars.address,
                    "postal_code": particulars.postal_code,
                    "city": particulars.city,
                    "password_hash": particulars.password_hash,
                    "password_set_at": now,
                    "password_must_change": False,
                    "first_strong_at": proof.at,
                    "last_sign_in_at": now,
                    "last_method": proof.method.value,
                    "origin": Origin.STRONG.value,
                    "space_default": space.value,
                    "charter_version": charter,
                    "charter_at": now,
                    "created_at": now,
                    "updated_at": now,
                    "version": 1,
                },
            )
        ]
        changes += [
            Insert("logins", {"key": key, "account_id": account_id, "created_at": now}) for key in identity.keys
        ]
        changes.append(self._acceptance(account_id, charter, proof.method.value, now))
        try:
            await self._records.write(*changes)
        except Taken:  # which of the unique values is named first is the engine's choice: the address may be one's own
            winner = await self.by_identity(identity)
            if winner is not None:
                return winner, False
            raise
        made = await self.by_id(account_id)
        assert made is not None  # noqa: S101 - written in the transaction just above
        return made, True

    async def change(self, account: Account, now: datetime, **values: Value) -> Account:
        """Set columns of an account that nobody changed since ``account`` was read; returns it as it now is."""
        if "mail" in values:
            mail = values["mail"]
            values["mail_key"] = values["mail_canonical"] = mail_key(cast(str, mail)) if mail else None
        await self._records.write(
            Update(
                "accounts",
                {**values, "updated_at": now, "version": account.version + 1},
                {"id": account.id, "version": account.version, "closed_at": None},
            )
        )
        changed = await self.by_id(account.id)
        assert changed is not None  # noqa: S101 - accounts are never deleted while in use
        return changed

    async def insist(self, account_id: str, now: datetime, **values: Value) -> Account:
        """``change`` whatever others do to the account at this instant: for what must not depend on it."""
        for _ in range(_TURNS):
            account = await self.by_id(account_id)
            if account is None:
                raise Stale(f"no account {account_id}")
            try:
                return await self.change(account, now, **values)
            except Stale:
                continue
        raise Stale(f"the account {account_id} changes too often")

    async def accept_charter(self, account: Account, charter: str, method: str, now: datetime) -> Account:
        """Write down that this version of the charter was accepted, by whom and by which means (R27)."""
        await self._records.write(
            self._acceptance(account.id, charter, method, now),
            Update(
                "accounts",
                {"charter_version": charter, "charter_at": now, "updated_at": now, "version": account.version + 1},
                {"id": account.id, "version": account.version, "closed_at": None},
            ),
        )
        return replace(account, charter_version=charter, charter_at=now, version=account.version + 1)

    async def signed_in(self, account: Account, proof: Proof, space: Space, address: str, now: datetime) -> Account:
        """Write the sign-in: refreshes names and codes from a strong proof (R11, R41) and links new aliases (R57).

        What it sets comes from the proof and from nothing that was read, so that twenty at once do not wait for each
        other's version. Raises ``Stale`` when the account was closed meanwhile, ``Taken`` when another sign-in linked
        the same alias at this instant.
        """
        identity = proof.identity
        values: dict[str, Value] = {"last_sign_in_at": now, "last_method": proof.method.value, "warned_at": None}
        changes: list[Change] = []
        if proof.assurance.word == "substantial":
            values["first_strong_at"] = account.first_strong_at or proof.at
            values["family_name"] = identity.family_name
            values["given_name"] = identity.given_name
            values["search"] = searchable(identity.family_name, identity.given_name)
            if identity.profession:
                values["profession"] = identity.profession
            if identity.specialty:
                values["specialty"] = identity.specialty
            if identity.id is not None:
                values["national_id"] = self._preferred(account.national_id, identity).text
            new = [key for key in identity.keys if key not in account.logins]
            # An older account may hold one of them still (R57): it keeps it until somebody joins the two.
            held = {row["key"] for row in await self._records.find("logins", {"key": new})} if new else set()
            changes += [
                Insert("logins", {"key": key, "account_id": account.id, "created_at": now})
                for key in new
                if key not in held
            ]
        if proof.evidence.get("proved") == "mail" and account.mail_proved_at is None:
            values["mail_proved_at"] = now
        if "channel" in proof.evidence:
            values["last_channel"] = proof.evidence["channel"]  # offered first the next time (R72)
        changes.append(
            Update(
                "accounts",
                {**values, "updated_at": now},
                {"id": account.id, "closed_at": None},
            )
        )
        changes.append(
            Insert(
                "sign_ins",
                {
                    "id": "sgn_" + self._ambient.token(12),
                    "account_id": account.id,
                    "at": now,
                    "method": proof.method.value,
                    "assurance": proof.assurance.word,
                    "space": space.value,
                    "address": address,
                },
            )
        )
        await self._records.write(*changes)
        written = await self.by_id(account.id)
        assert written is not None  # noqa: S101 - accounts are never deleted while in use
        return written

    async def has_used(self, account_id: str, method: str) -> bool:
        """Whether this means has opened the account before; a first time is told to the person (R103)."""
        return bool(await self._records.find("sign_ins", {"account_id": account_id, "method": method}, limit=1))

    async def last_sign_ins(self, account_id: str, limit: int = 10) -> tuple[Row, ...]:
        return await self._records.find("sign_ins", {"account_id": account_id}, order=("-at",), limit=limit)

    @staticmethod
    def _preferred(current: NationalId | None, identity: Identity) -> NationalId:
        """RPPS before everything else (R57); otherwise what the account already has."""
        ids = [one for one in (identity.id, *identity.other_ids, current) if one is not None]
        return next((one for one in ids if one.rpps), current or ids[0])

    def _acceptance(self, account_id: str, charter: str, method: str, now: datetime) -> Insert:
        version, _, text_hash = charter.partition(" ")
        return Insert(
            "acceptances",
            {
                "id": "cha_" + self._ambient.token(12),
                "account_id": account_id,
                "charter_version": charter,
                "text_hash": text_hash or version,
                "method": method,
                "accepted_at": now,
            },
        )


def _whole(row: Row, belongings: Sequence[Row]) -> Account:
    def of(kind: str) -> list[Row]:
        return [one for one in belongings if one["kind"] == kind]

    return account_of(
        row,
        [cast(str, one["name"]) for one in of("login")],
        [cast(str, one["scope_id"]) for one in of("membership")],
        [Grant(Role(cast(str, one["name"])), cast(str, one["scope_id"])) for one in of("role")],
    )


def account_of(row: Mapping[str, Value], logins: list[str], scopes: list[str], grants: Sequence[Grant] = ()) -> Account:
    """An ``accounts`` row and its satellites as a value."""

    def text(name: str) -> str | None:
        return cast("str | None", row[name])

    def instant(name: str) -> datetime | None:
        return cast("datetime | None", row[name])

    national = text("national_id")
    return Account(
        id=cast(str, row["id"]),
        national_id=None if national is None else NationalId.parse(national) or NationalId("raw", national),
        logins=tuple(logins),
        family_name=text("family_name") or "",
        given_name=text("given_name") or "",
        profession=text("profession"),
        specialty=text("specialty"),
        mail=text("mail"),
        phone=text("phone"),
        origin=Origin(text("origin") or ""),
        space=Space(text("space_default") or ""),
        created_at=cast(datetime, row["created_at"]),
        mail_proved_at=instant("mail_proved_at"),
        phone_proved_at=instant("phone_proved_at"),
        address=text("address"),
        postal_code=text("postal_code"),
        city=text("city"),
        password_hash=text("password_hash"),
        password_set_at=instant("password_set_at"),
        first_strong_at=instant("first_strong_at"),
        last_sign_in_at=instant("last_sign_in_at"),
        last_method=text("last_method"),
        last_channel=text("last_channel"),
        suspended_at=instant("suspended_at"),
        closed_at=instant("closed_at"),
        reactivated_at=instant("reactivated_at"),
        warned_at=instant("warned_at"),
        memory_void_at=instant("memory_void_at"),
        password_must_change=bool(row["password_must_change"]),
        mail_shared=bool(text("mail")) and text("mail_key") is None,
        charter_version=text("charter_version"),
        charter_at=instant("charter_at"),
        scopes=tuple(scopes),
        grants=tuple(grants),
        stated_profession=text("stated_profession"),
        version=cast(int, row["version"]),
    )
