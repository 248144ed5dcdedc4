"""The link that proves a mail address (R19, R96): of a new account, or of an address somebody wants to change to.

* The link is random, stored as a digest, bound to account and address, used once; a newer one voids it.
* Opening it changes nothing: machines open links of mails before people do. The page's button uses it.
* A changed address takes effect at that instant, and the address before hears of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.mailboxes import Mailboxes
from gateway.audit import Act, Record
from gateway.pages.base import Handler, Visit, handle
from gateway.pages.house import House
from gateway.ports import Value
from gateway.providers.code import mask_mail
from gateway.reasons import Reason, Stale, Taken

_PER_DAY = 10  # links sent to one account
TAKEN = (
    "Cette adresse est déjà utilisée par un autre compte. Indiquez une adresse personnelle, ou demandez à votre référent "
    "structure."
)


@dataclass(frozen=True, slots=True)
class Pending:
    """An address waiting to be proved."""

    mail: str
    change: bool  # not yet the account's address
    until: datetime


class MailProof:
    """Sends the links, knows which waits, and serves their page."""

    def __init__(self, house: House, mailboxes: Mailboxes) -> None:
        self._house = house
        self._mailboxes = mailboxes

    def routes(self) -> list[web.RouteDef]:
        path = self._house.prefix + "/mail/prove"
        table: list[tuple[str, Handler]] = [("GET", self.link), ("POST", self.prove)]
        return [web.route(method, path, handle(work)) for method, work in table]

    async def send(self, visit: Visit, account: Account, address: str, *, change: bool) -> bool:
        """Post a link to ``address``; false when too many were sent today."""
        house, now = visit.house, visit.now
        if not await house.tries.spend(f"links:{account.id}", _PER_DAY, now):
            return False
        token = house.ambient.token(24)
        until = now + house.mail_proof_life
        record = {
            "account": account.id,
            "mail": address,
            "change": change,
            "until": until.timestamp(),
            "asked": now.timestamp(),
            "void": account.void,
        }
        await house.store.write(_key(token), json.dumps(record).encode(), house.mail_proof_life)
        await house.store.write(_newest(account.id), _key(token).encode(), house.mail_proof_life)
        link = f"{house.public_url}{house.prefix}/mail/prove?token={token}"
        mail = texts.proof_mail(link, until, zone=visit.zone)
        house.notices.post(account, mail, "proof", visit.request_id, to=address)
        return True

    async def pending(self, account_id: str) -> Pending | None:
        """The address of this account that waits for its link to be opened."""
        (key,) = await self._house.store.read(_newest(account_id))
        (raw,) = await self._house.store.read(key.decode()) if key else (None,)
        if raw is None:
            return None
        record = json.loads(raw)
        return Pending(record["mail"], record["change"], datetime.fromtimestamp(record["until"], UTC))

    async def cancel(self, account_id: str) -> None:
        """The link that waits leads nowhere from now on."""
        (key,) = await self._house.store.read(_newest(account_id))
        if key is not None:
            await self._house.store.swap(_newest(account_id), key, None)

    async def link(self, visit: Visit) -> web.StreamResponse:
        token = visit.request.query.get("token", "")
        found = await self._found(token)
        if found is None:
            return self._expired(visit)
        return visit.page("prove_mail", token=token, destination=mask_mail(str(found["mail"])))

    async def prove(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        house, token = visit.house, fields.get("token", "")
        found = await self._found(token)
        account = await house.register.by_id(str(found["account"])) if found else None
        if found is None or account is None:
            return self._expired(visit)
        address = str(found["mail"])
        if found["change"] and _overtaken(found, account):
            return self._expired(visit)  # asked before the password changed or every session was closed
        if not found["change"] and account.mail != address:  # changed meanwhile: the link proves nothing of use
            return self._expired(visit)
        (raw,) = await house.store.read(_key(token))
        if raw is None or not await house.store.swap(_key(token), raw, None):
            return self._expired(visit)
        try:
            await self._settle(visit, account, address, change=bool(found["change"]))
        except Taken:
            return visit.message("Cette adresse est déjà utilisée", TAKEN, status=422, reason=Reason.MAIL_TAKEN)
        except Stale:
            await house.store.write(_key(token), raw, timedelta(minutes=10))
            return visit.message("Votre compte vient de changer", "Ouvrez le lien une nouvelle fois.", status=409)
        await house.changed(account.id)
        there = f"{house.prefix}/account" if visit.session else f"{house.prefix}/sign-in"
        label = "Revenir à «\u00a0Mon compte\u00a0»" if visit.session else "Se connecter"
        return visit.message(
            "Votre adresse est confirmée",
            "Les codes de connexion et les avis de votre compte y seront envoyés.",
            actions=[(there, label, False)],
        )

    async def _settle(self, visit: Visit, account: Account, address: str, *, change: bool) -> None:
        house, now = visit.house, visit.now
        facts = {"by": "link"}
        if change and account.mail:  # the address before stays findable for a year, unreadable (regulation, section 7)
            facts["before"] = hashlib.sha256(account.mail.casefold().encode()).hexdigest()[:16]
        act = Act.MAIL_CHANGED if change else Act.MAIL_PROVED
        await house.audit.record(
            Record(act, now, account.id, address=visit.client, correlation=visit.request_id, facts=facts)
        )
        values: dict[str, Value] = {"mail_proved_at": now}
        if change:
            values["mail"] = address
        await house.register.change(account, now, **values)
        if change and account.mail:
            await self._mailboxes.settle(account.mail, now)  # who is left may hold the old address alone again (R99)
            for holder in await self._mailboxes.holders(account.mail):
                await house.changed(holder)
            notice = texts.mail_changed_notice(mask_mail(address), now, zone=visit.zone)
            house.notices.post(account, notice, "notice", visit.request_id, to=account.mail)

    async def _found(self, token: str) -> dict[str, object] | None:
        if not 10 <= len(token) <= 64 or not token.isascii():
            return None
        (raw,) = await self._house.store.read(_key(token))
        if raw is None:
            return None
        record: dict[str, object] = json.loads(raw)
        (newest,) = await self._house.store.read(_newest(str(record["account"])))
        return record if newest == _key(token).encode() else None

    def _expired(self, visit: Visit) -> web.Response:
        where = "account" if visit.session else "sign-in"
        return visit.message(
            "Ce lien n'est plus valable",
            "Il a déjà servi, a expiré, ou un lien plus récent a été demandé.",
            "«\u00a0Mon compte\u00a0» permet d'en recevoir un autre.",
            status=403,
            actions=[(f"{self._house.prefix}/{where}", "Mon compte", False)],
            reason=Reason.LINK_EXPIRED,
        )


def _key(token: str) -> str:
    return "mail-proof:" + hashlib.sha256(token.encode()).hexdigest()


def _newest(account_id: str) -> str:
    return f"mail-proof-of:{account_id}"


def _overtaken(found: dict[str, object], account: Account) -> bool:
    """Whether the password changed, or every session was closed, since the link was asked for."""
    if "void" in found:
        return found["void"] != account.void
    void = account.memory_void_at  # a link mailed by an earlier version
    return void is not None and void.timestamp() >= float(str(found.get("asked", 0)))
