"""« Mot de passe oublié? »: a link by mail, used once, that chooses a new password and signs nobody in (R61)."""

from __future__ import annotations

import asyncio
import hashlib
import json

import structlog
from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.audit import Act, Record
from gateway.identity import Identity, Login
from gateway.pages.base import Handler, House, Visit, go, handle
from gateway.pages.registration import password_faults
from gateway.ports import Message
from gateway.reasons import Reason, SenderFailed, Stale

_PER_HOUR = 3  # messages to one account
_log = structlog.get_logger("gateway.pages")


class ForgottenPassword:
    """The pages of a lost password."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sending: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/password/forgot", self.page),
            ("POST", "/password/forgot", self.ask),
            ("GET", "/password/reset", self.link),
            ("POST", "/password/reset", self.choose),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def page(self, visit: Visit) -> web.StreamResponse:
        return visit.page("forgot")

    async def ask(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        login = Login.parse(fields.get("identifier", ""))
        account = await self._house.register.by_login(login.key) if login else None
        if account is not None and account.mail and account.password_hash and self._house.mail is not None:
            # The message leaves after the answer: how long it takes must not tell whether an account exists.
            task = asyncio.get_running_loop().create_task(self._send(visit, account), name="reset mail")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return visit.message(
            "Consultez votre messagerie",
            "Si un compte correspond à cet identifiant, un lien pour choisir un nouveau mot de passe a été envoyé à son "
            "adresse.",
            "Sans message dans quelques minutes, contactez votre référent structure, ou connectez-vous par carte ou e-CPS.",
        )

    async def _send(self, visit: Visit, account: Account) -> None:
        house, now = visit.house, visit.now
        counter = f"resets:{account.id}"
        (raw,) = await house.store.read(counter)
        count = int(raw or b"0")
        swapped = await house.store.swap(counter, raw, str(count + 1).encode(), house.reset_life)
        if count >= _PER_HOUR or not swapped:
            return
        token = house.ambient.token(24)
        await house.audit.record(
            Record(Act.PASSWORD_RESET_ASKED, now, account.id, address=visit.client, correlation=visit.request_id)
        )
        # One link at a time: the newer one voids the older (R61), and so does a change of password.
        record = {"account": account.id, "set": account.password_set_at.timestamp() if account.password_set_at else 0}
        await house.store.write(_key(token), json.dumps(record).encode(), house.reset_life)
        await house.store.write(f"reset-of:{account.id}", _key(token).encode(), house.reset_life)
        until = now + house.reset_life
        link = f"{house.public_url}{house.prefix}/password/reset?token={token}"
        mail = texts.reset_mail(link, until)
        message = Message(account.mail or "", mail.subject, mail.text, mail.html, "reset", visit.request_id, until)
        try:
            assert house.mail is not None  # noqa: S101 - looked at by the caller
            await house.mail.send(message)
        except SenderFailed as error:
            _log.warning("reset mail not sent", account=account.id, error=str(error))

    async def _account(self, visit: Visit, token: str) -> Account | None:
        """The account a link is good for, now."""
        if not 10 <= len(token) <= 64 or not token.isascii():
            return None
        (raw,) = await self._house.store.read(_key(token))
        if raw is None:
            return None
        record = json.loads(raw)
        (newest,) = await self._house.store.read(f"reset-of:{record['account']}")
        account = await self._house.register.by_id(record["account"])
        if account is None or newest != _key(token).encode():
            return None
        stamp = account.password_set_at.timestamp() if account.password_set_at else 0
        return account if stamp == record["set"] else None

    def _expired(self, visit: Visit) -> web.Response:
        return visit.message(
            "Ce lien n'est plus valable",
            "Il a déjà servi, a expiré, ou un lien plus récent a été demandé.",
            status=403,
            actions=[(f"{self._house.prefix}/password/forgot", "Demander un nouveau lien", False)],
            reason=Reason.LINK_EXPIRED,
        )

    async def link(self, visit: Visit) -> web.StreamResponse:
        """Opening the link consumes nothing: machines open links of mails before people do."""
        token = visit.request.query.get("token", "")
        if await self._account(visit, token) is None:
            return self._expired(visit)
        return visit.page("reset", token=token, faults=())

    async def choose(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        token = fields.get("token") or visit.request.query.get("token", "")
        house = self._house
        account = await self._account(visit, token)
        if account is None:
            return self._expired(visit)
        password = fields.get("password", "")
        who = Identity(account.national_id, account.family_name, account.given_name)
        wrong = password_faults(house, password, who, account.mail or "")
        if fields.get("repeat_password", "") != password:
            wrong.append("Les deux mots de passe sont différents.")
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return visit.page("reset", status=422, token=token, faults=wrong)
        (raw,) = await house.store.read(_key(token))
        if raw is None or not await house.store.swap(_key(token), raw, None):
            return self._expired(visit)
        await house.audit.record(
            Record(Act.PASSWORD_CHANGED, visit.now, account.id, correlation=visit.request_id, facts={"by": "link"})
        )
        hashed = await house.passwords.hash(password)
        try:
            await house.register.change(account, visit.now, password_hash=hashed, password_set_at=visit.now)
        except Stale:
            return self._expired(visit)
        await house.keeper.close_all(account.id, visit.now)
        await house.changed(account.id)
        visit.session = visit.account = None
        return go(f"{house.prefix}/sign-in")


def _key(token: str) -> str:
    return "reset:" + hashlib.sha256(token.encode()).hexdigest()
