"""A new password: under « Mon compte » (R62), or because the old one has to go (R60).

Setting one ends the second factors that browsers hold, links to choose one, and the other sessions; and the person
hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.password import TooBusy
from gateway.audit import Act, Record
from gateway.identity import Assurance
from gateway.pages.arrival import is_fresh
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.pages.registration import password_faults
from gateway.reasons import Reason, Stale

WRONG_PASSWORD = "Le mot de passe actuel est incorrect."  # noqa: S105 - a sentence
_TOO_MANY = "Trop de tentatives. Réessayez dans quelques minutes."
_CHANGED = "Votre compte a changé entre-temps dans un autre onglet. Recommencez."


def new_password_faults(house: House, fields: Mapping[str, str], account: Account) -> list[str]:
    """Messages for a new password typed twice, for somebody who has an account (R14–R16)."""
    password = fields.get("password", "")
    wrong = password_faults(house, password, account.identity, account.mail or "")
    if fields.get("repeat_password", "") != password:
        wrong.append("Les deux mots de passe sont différents.")
    return wrong


async def set_password(visit: Visit, account: Account, hashed: str) -> None:
    """Write the new hash, tell everybody who has to know. The audit is the caller's. Raises ``Stale``."""
    house, now = visit.house, visit.now
    visit.account = await house.register.change(
        account, now, password_hash=hashed, password_set_at=now, password_must_change=False, memory_void_at=now
    )
    await house.changed(account.id)
    house.notices.post(account, texts.password_changed_mail(now, zone=visit.zone), "notice", visit.request_id)


class PasswordPages:
    """The pages of one's own password."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/account/password", self.page),
            ("POST", "/account/password", self.change),
            ("GET", "/password/renew", self.renew_page),
            ("POST", "/password/renew", self.renew),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    def _nobody(self, then: str) -> web.Response:
        prefix = self._house.prefix
        return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={prefix}{then}")

    def _form(
        self, visit: Visit, *, renew: bool = False, back: str = "/", faults: list[str] | None = None, status: int = 200
    ) -> web.Response:
        return visit.page(
            "change_password",
            status=status,
            fresh=is_fresh(visit, Assurance.SUBSTANTIAL) and not renew,
            renew=renew,
            back=back,
            login=visit.account.login if visit.account else "",
            faults=faults or [],
        )

    async def page(self, visit: Visit) -> web.StreamResponse:
        return self._nobody("/account/password") if visit.account is None else self._form(visit)

    async def change(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        if visit.account is None:
            return self._nobody("/account/password")
        if not is_fresh(visit, Assurance.SUBSTANTIAL):  # R62: the old one, unless a card or e-CPS has just spoken
            fault = await self._old_fault(visit, fields.get("current", ""))
            if fault is not None:
                return self._form(visit, faults=[fault[1]], status=fault[0])
        return await self._new(visit, fields, renew=False)

    async def renew_page(self, visit: Visit) -> web.StreamResponse:
        if visit.account is None:
            return self._nobody("/account/password")
        back = safe_return(visit.request.query.get("return"), self._house.prefix)
        return self._form(visit, renew=True, back=back)

    async def renew(self, visit: Visit) -> web.StreamResponse:
        """R60: the old one, and a new one that is not the same."""
        fields = await visit.form()
        if visit.account is None:
            return self._nobody("/account/password")
        back = safe_return(fields.get("return"), self._house.prefix)
        fault = await self._old_fault(visit, fields.get("current", ""))
        if fault is not None:
            return self._form(visit, renew=True, back=back, faults=[fault[1]], status=fault[0])
        if fields.get("password") and fields.get("password") == fields.get("current"):
            wrong = ["Le nouveau mot de passe doit être différent de l'ancien."]
            return self._form(visit, renew=True, back=back, faults=wrong, status=422)
        return await self._new(visit, fields, renew=True)

    async def _old_fault(self, visit: Visit, typed: str) -> tuple[int, str] | None:
        """Status and sentence when the present password is wrong; guesses count like those of a sign-in (R58)."""
        house, account = self._house, visit.account
        assert account is not None  # noqa: S101 - looked at by the callers
        lane = await house.tries.lane(visit.browser_id(), account)
        async with house.tries.turn(lane):
            if not await house.tries.begin(lane, visit.now):
                visit.log(Reason.TOO_MANY_ATTEMPTS, 429)
                return 429, _TOO_MANY
            try:
                verdict = await house.passwords.verify(account.password_hash, typed[:4096])
            except TooBusy:
                await house.tries.take_back(lane)
                return 429, _TOO_MANY
            if verdict.right:
                await house.tries.take_back(lane)
                return None
        await house.tries.failed_from(visit.client, visit.now)
        visit.log(Reason.WRONG_CREDENTIALS, 401)
        return 401, WRONG_PASSWORD

    async def _new(self, visit: Visit, fields: Mapping[str, str], *, renew: bool) -> web.Response:
        house, account, session = self._house, visit.account, visit.session
        assert account is not None and session is not None  # noqa: S101 - looked at by the callers
        back = safe_return(fields.get("return"), house.prefix)
        wrong = new_password_faults(house, fields, account)
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return self._form(visit, renew=renew, back=back, faults=wrong, status=422)
        try:
            hashed = await house.passwords.hash(fields["password"])
        except TooBusy:
            return self._form(visit, renew=renew, back=back, faults=[_TOO_MANY], status=429)
        await house.audit.record(
            Record(
                Act.PASSWORD_CHANGED,
                visit.now,
                account.id,
                address=visit.client,
                correlation=visit.request_id,
                facts={"by": "age" if renew else "owner"},
            )
        )
        try:
            await set_password(visit, account, hashed)
        except Stale:
            return self._form(visit, renew=renew, back=back, faults=[_CHANGED], status=409)
        await house.keeper.close_all(account.id, visit.now, keep=session.digest)
        return go(back if renew else f"{house.prefix}/account?said=password")
