"""« Mot de passe oublié? »: a link by mail, used once, that chooses a new password and signs nobody in (R61)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

import structlog
from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account, Standing
from gateway.accounts.password import TooBusy
from gateway.audit import Act, Record
from gateway.identity import Login
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.passwords import new_password_faults, set_password
from gateway.providers.code import destination_of
from gateway.reasons import GatewayError, Reason, Stale

_EVEN = 0.25  # seconds
_PER_DAY = 10  # messages to one account, and as many again to a browser its person used before
_PER_ADDRESS = 60  # requests a day from one address: a hospital has one
_AGAIN = timedelta(minutes=10)
_BUSY = "Le service est très sollicité. Réessayez dans quelques instants."
_CHANGED = "Votre compte vient de changer par ailleurs. Validez une nouvelle fois."
_log = structlog.get_logger("gateway.pages")


class ForgottenPassword:
    """The pages of a lost password."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._asked: set[asyncio.Task[None]] = set()

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
        clock = asyncio.get_running_loop().time
        began = clock()
        login = Login.parse(fields.get("identifier", ""))
        if not await self._house.tries.spend(f"forgot-from:{visit.client}", _PER_ADDRESS, visit.now):
            login = None  # the same answer, and nothing is sent: nobody empties other people's day of links
        account = await self._house.register.by_login(login.key) if login else None
        if account is not None and account.mail and account.password_hash and not account.mail_shared:
            # Written down and sent after the answer: how long that takes must not tell whether an account exists.
            task = asyncio.get_running_loop().create_task(self._send(visit, account), name="reset link")
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)
        await asyncio.sleep(max(0.0, began + _EVEN - clock()))  # looking up somebody who exists takes longer (R55)
        return visit.message(
            "Consultez votre messagerie",
            "Si un compte correspond à cet identifiant, un lien pour choisir un nouveau mot de passe a été envoyé à son "
            "adresse.",
            "Sans message dans quelques minutes, contactez votre référent structure, ou connectez-vous par carte ou e-CPS.",
        )

    async def _send(self, visit: Visit, account: Account) -> None:
        house, now = visit.house, visit.now
        standing = account.standing(now, house.dormancy)
        if standing in (Standing.SUSPENDED, Standing.CLOSED):
            return
        try:
            known = visit.browser is not None and await house.devices.known(visit.browser, account.id)
            whose = f"{account.id}:{(visit.browser or '')[:32]}" if known else account.id
            if not await house.tries.spend(f"resets:{whose}", _PER_DAY, now):
                return
            await self._link(visit, account)
        except GatewayError as error:
            _log.warning("reset link not made", account=account.id, error=str(error))

    async def _link(self, visit: Visit, account: Account) -> None:
        house, now = visit.house, visit.now
        token = house.ambient.token(24)
        await house.audit.record(
            Record(Act.PASSWORD_RESET_ASKED, now, account.id, address=visit.client, correlation=visit.request_id)
        )
        # One link at a time: the newer one voids the older (R61), and so does a change of password or of address.
        record = {
            "account": account.id,
            "set": account.password_set_at.timestamp() if account.password_set_at else 0,
            "to": destination_of(account.mail),
        }
        await house.store.write(_key(token), json.dumps(record).encode(), house.reset_life)
        await house.store.write(f"reset-of:{account.id}", _key(token).encode(), house.reset_life)
        until = now + house.reset_life
        link = f"{house.public_url}{house.prefix}/password/reset?token={token}"
        house.notices.post(account, texts.reset_mail(link, until, zone=visit.zone), "reset", visit.request_id)

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
        same = stamp == record["set"] and record.get("to") == destination_of(account.mail)
        return account if same else None

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
        wrong = new_password_faults(house, fields, account)
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return visit.page("reset", status=422, token=token, faults=wrong)
        try:
            hashed = await house.passwords.hash(fields["password"])
        except TooBusy:
            return visit.page("reset", status=503, token=token, faults=[_BUSY])
        (raw,) = await house.store.read(_key(token))
        if raw is None or not await house.store.swap(_key(token), raw, None):
            return self._expired(visit)
        await house.audit.record(
            Record(Act.PASSWORD_CHANGED, visit.now, account.id, correlation=visit.request_id, facts={"by": "link"})
        )
        try:
            await set_password(visit, account, hashed)
        except Stale:  # something else changed at this instant: the link is still good
            await house.store.write(_key(token), raw, _AGAIN)
            return visit.page("reset", status=409, token=token, faults=[_CHANGED])
        await house.keeper.close_all(account.id, visit.now)
        visit.session = visit.account = None
        return go(f"{house.prefix}/sign-in?said=password")


def _key(token: str) -> str:
    return "reset:" + hashlib.sha256(token.encode()).hexdigest()
