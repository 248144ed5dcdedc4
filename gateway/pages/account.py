"""« Mon compte », the password, and the switch of space. Everything here is for somebody who is signed in."""

from __future__ import annotations

from types import SimpleNamespace

from aiohttp import web

from gateway import texts
from gateway.audit import Act, Record
from gateway.identity import Identity, Space
from gateway.pages.arrival import is_fresh
from gateway.pages.base import SESSION, Handler, House, Visit, go, handle, set_cookie
from gateway.pages.registration import PROFESSIONS, password_faults
from gateway.ports import Message
from gateway.reasons import Reason, SenderFailed
from gateway.session.keeper import SessionGone

MEANS = {
    "cps": "carte CPS",
    "cpe": "carte CPE",
    "cpa": "carte CPA",
    "cpf": "carte CPF",
    "psc-cps": "carte CPS (Pro Santé Connect)",
    "psc-ecps": "e-CPS",
    "otp-mail": "mot de passe et code par e-mail",
    "otp-sms": "mot de passe et code par SMS",
    "password": "mot de passe",
    "monsisra": "MonSisra",
}
_FRESH = 600  # seconds


class AccountPages:
    """The pages of one's own account."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/account", self.page),
            ("POST", "/account/password", self.password),
            ("POST", "/account/sign-out-everywhere", self.everywhere),
            ("POST", "/account/space", self.space),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    def _nobody(self, visit: Visit) -> web.Response:
        return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}")

    async def page(self, visit: Visit) -> web.StreamResponse:
        return await self._show(visit) if visit.account is not None else self._nobody(visit)

    async def _show(
        self, visit: Visit, *, status: int = 200, notice: str = "", faults: tuple[str, ...] = ()
    ) -> web.Response:
        account, session = visit.account, visit.session
        assert account is not None and session is not None  # noqa: S101 - looked at by the callers
        rows = await self._house.register.last_sign_ins(account.id)
        shown = [
            SimpleNamespace(
                at=f"{texts.day(row['at'])}, {texts.clock(row['at'])}",  # type: ignore[arg-type]
                means=MEANS.get(str(row["method"]), row["method"]),
                space="médecin libéral" if row["space"] == Space.LIBERAL.value else "professionnel",
            )
            for row in rows
        ]
        open_sessions = await self._house.keeper.sessions_of(account.id, visit.now)
        return visit.page(
            "account",
            status=status,
            account=account,
            session=session,
            profession=PROFESSIONS.get(account.profession or "", account.profession or "–"),
            means=MEANS.get(session.method.value, session.method.value),
            ends=texts.clock(session.ends_at),
            sign_ins=shown,
            sessions=len(open_sessions),
            fresh=is_fresh(visit, _FRESH),
            notice=notice,
            faults=faults,
        )

    async def password(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        account, session = visit.account, visit.session
        if account is None or session is None:
            return self._nobody(visit)
        house = self._house
        if not is_fresh(visit, _FRESH):  # R62: the old one, unless a card or e-CPS has just spoken
            verdict = await house.passwords.verify(account.password_hash, fields.get("current", ""))
            if not verdict.right:
                visit.log(Reason.WRONG_CREDENTIALS, 401)
                return await self._show(visit, status=401, faults=("Le mot de passe actuel est incorrect.",))
        password = fields.get("password", "")
        who = Identity(account.national_id, account.family_name, account.given_name)
        wrong = password_faults(house, password, who, account.mail or "")
        if fields.get("repeat_password", "") != password:
            wrong.append("Les deux mots de passe sont différents.")
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return await self._show(visit, status=422, faults=tuple(wrong))
        await house.audit.record(Record(Act.PASSWORD_CHANGED, visit.now, account.id, correlation=visit.request_id))
        hashed = await house.passwords.hash(password)
        visit.account = await house.register.change(account, visit.now, password_hash=hashed, password_set_at=visit.now)
        await house.keeper.close_all(account.id, visit.now, keep=session.digest)
        await house.changed(account.id)
        if account.mail and house.mail is not None:
            notice = texts.password_changed_mail(visit.now)
            message = Message(
                account.mail, notice.subject, notice.text, notice.html, "notice", visit.request_id, visit.now
            )
            try:
                await house.mail.send(message)
            except SenderFailed:
                visit.log(Reason.DELIVERY_FAILED, 200)
        return await self._show(visit, notice="Votre mot de passe est changé. Vos autres sessions sont fermées.")

    async def everywhere(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        if visit.session is None:
            return self._nobody(visit)
        account = visit.session.account
        await self._house.audit.record(
            Record(Act.SIGN_OUT, visit.now, account, correlation=visit.request_id, facts={"where": "everywhere"})
        )
        await self._house.keeper.close_all(account, visit.now)
        answer = go(f"{self._house.prefix}/signed-out")
        answer.del_cookie(SESSION, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def space(self, visit: Visit) -> web.StreamResponse:
        """R3, R4: the other space, if the policy allows it with what was proved; otherwise prove more."""
        fields = await visit.form()
        account, session = visit.account, visit.session
        if account is None or session is None:
            return self._nobody(visit)
        house = self._house
        target = Space.LIBERAL if fields.get("space") == Space.LIBERAL.value else Space.PROFESSIONNEL
        if target is Space.LIBERAL and account.profession not in house.physicians:
            return visit.message("Cet espace est réservé aux médecins", status=403, reason=Reason.NOT_A_PHYSICIAN)
        if house.rules.strong(account, visit.now) and session.assurance.word == "password":
            return go(f"{house.prefix}/sign-in?space={target.value}&reason={Reason.LEVEL_TOO_LOW.value}")
        await house.audit.record(
            Record(
                Act.SPACE_CHANGED, visit.now, account.id, correlation=visit.request_id, facts={"space": target.value}
            )
        )
        try:
            ticket, _ = await house.keeper.move(session, target, visit.now)
        except SessionGone:
            return self._nobody(visit)
        answer = go("/")
        set_cookie(answer, SESSION, ticket)
        return answer
