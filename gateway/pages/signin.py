"""The two sign-in pages, and the way in by password and code; the choice when somebody else is signed in here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from aiohttp import web

from gateway import texts
from gateway.audit import Act, Record
from gateway.identity import Proof
from gateway.pages.arrival import STEP_UP, arrive
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.entrance import Entrance
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.providers.base import Attempt, Form, Rejected, Reply
from gateway.providers.otp import PasswordAndCode
from gateway.reasons import Reason
from gateway.session.keeper import decode_proof

_NOTICES: Mapping[str, str] = {
    "password": "Votre mot de passe est changé et vos sessions sont fermées. Connectez-vous avec le nouveau\u00a0; un code "
    "peut vous être demandé.",
    Reason.SESSION_IDLE: "Votre session s'est fermée après un temps sans activité. Reconnectez-vous pour continuer.",
    Reason.SESSION_ENDED: "Votre session est arrivée à son terme. Reconnectez-vous pour continuer.",
    Reason.LEVEL_TOO_LOW: "L'authentification forte est maintenant demandée. Reconnectez-vous pour continuer.",
    Reason.ACCOUNT_DORMANT: "Votre compte n'a pas été utilisé depuis plus d'un an. Connectez-vous par carte CPS ou e-CPS.",
}
_SOON = timedelta(minutes=1)
WRONG = "Identifiant ou mot de passe incorrect."
WRONG_CODE = "Code incorrect ou expiré."
TOO_MANY = "Trop de tentatives. Réessayez dans quelques minutes ou utilisez votre carte CPS ou e-CPS."
_NOT_SENT = "Le code n'a pas pu être envoyé. Réessayez dans quelques minutes, ou utilisez votre carte CPS ou e-CPS."
# R74, R19, R98, R99: the password was right, and yet no code can reach this person.
_NO_CODE = {
    Reason.NO_CHANNEL: (
        "Aucun code ne peut vous être envoyé",
        "Votre compte n'a ni adresse de messagerie ni mobile qui puisse recevoir un code, ou ce moyen n'est pas accepté là où "
        "vous travaillez.",
        "Connectez-vous par carte CPS ou e-CPS, ou contactez votre référent structure.",
    ),
    Reason.MAIL_UNPROVED: (
        "Confirmez d'abord votre adresse",
        "Un message contenant un lien de confirmation vous a été envoyé à la création du compte. Ouvrez ce lien, puis "
        "recommencez.",
        "Sans ce message, connectez-vous par carte CPS ou e-CPS\u00a0: «\u00a0Mon compte\u00a0» permet d'en recevoir un autre.",
    ),
    Reason.MAIL_SHARED: (
        "Cette adresse est utilisée par plusieurs comptes",
        "Cette adresse est utilisée par plusieurs comptes. Contactez votre référent structure.",
        "En attendant, connectez-vous par carte CPS ou e-CPS.",
    ),
    Reason.GENERIC_ACCOUNT: (
        "Ce compte n'est pas nominatif",
        "Un compte porte le nom d'une personne, pas celui d'un service. Contactez votre référent structure pour obtenir "
        "un compte à votre nom.",
        "En attendant, connectez-vous par carte CPS ou e-CPS.",
    ),
}


class SignIn:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House, entrance: Entrance, password: PasswordAndCode) -> None:
        self._house = house
        self._entrance = entrance
        self._attempts = entrance.attempts
        self._password = password

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/sign-in", self.page),
            ("POST", "/sign-in/password", self.password),
            ("GET", "/sign-in/code", self.code_page),
            ("POST", "/sign-in/code", self.code),
            ("POST", "/sign-in/code/resend", self.resend),
            ("POST", "/sign-in/switch", self.switch),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def page(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        back = safe_return(query.get("return"), self._house.prefix)
        if visit.session is not None and not query.keys() & {"reason", "said"}:
            return go(back)
        notice = _NOTICES.get(query.get("reason", ""), "") or _NOTICES.get(query.get("said", ""), "")
        return self._entrance.show(visit, self._entrance.space(query.get("space")), back, notice=notice)

    # Password

    async def password(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        shared = fields.get("shared", "") not in ("", "0")
        attempt = await self._entrance.open(visit, "password", fields, shared=shared)
        reply = Reply(fields, address=visit.client, correlation=visit.request_id)
        outcome = await self._password.complete(attempt, reply, visit.now)
        if isinstance(outcome, Form):
            return await self.to_code(attempt, outcome)
        if isinstance(outcome, Rejected) and outcome.reason is Reason.DELIVERY_FAILED:
            return await self._not_delivered(visit, attempt, outcome)
        await self._attempts.drop(attempt.id)
        if isinstance(outcome, Proof):
            return await arrive(visit, attempt, outcome)
        return await self._not_in(visit, attempt, outcome, fields.get("identifier", ""))

    async def _not_in(self, visit: Visit, attempt: Attempt, no: Rejected, identifier: str) -> web.Response:
        await self._house.audit.record(
            Record(
                Act.SIGN_IN_REFUSED,
                visit.now,
                reason=no.reason,
                address=visit.client,
                correlation=visit.request_id,
                facts={"method": "password", **no.evidence},
            )
        )
        if no.reason in _NO_CODE:
            return self.no_code(visit, attempt, no.reason)
        status, problem = (401, WRONG)
        if no.reason in (Reason.TOO_MANY_ATTEMPTS, Reason.RESEND_TOO_MANY):
            status, problem = (429, TOO_MANY)
        visit.log(no.reason, status)
        return self._entrance.show(
            visit, attempt.space, attempt.return_to, status=status, problem=problem, identifier=identifier[:128]
        )

    def no_code(self, visit: Visit, attempt: Attempt, reason: Reason) -> web.Response:
        title, *lines = _NO_CODE[reason]
        back = f"{self._house.prefix}/sign-in?space={attempt.space.value}"
        return visit.message(
            title,
            *lines,
            status=403,
            actions=[(back, "Choisir un autre moyen", False), (f"{self._house.prefix}/help", "Besoin d'aide ?", False)],
            reason=reason,
        )

    async def _not_delivered(self, visit: Visit, attempt: Attempt, no: Rejected) -> web.Response:
        """The code page all the same, with what failed and the other way (R75)."""
        account = (no.memory or {}).get("account")
        attempt = self._attempts.remember(attempt, no.facts, account)
        await self._attempts.keep(attempt)
        visit.log(no.reason, 503, channel=no.facts.get("channel", ""))
        answer = await self._code_form(visit, attempt, status=503, problem=_NOT_SENT, expired=True)
        answer.headers["Retry-After"] = "30"
        return answer

    # Code

    async def to_code(self, attempt: Attempt, form: Form) -> web.Response:
        """Keep what the code page shows, and go there."""
        await self._attempts.keep(self._attempts.remember(attempt, form.facts, form.account))
        return go(f"{self._house.prefix}/sign-in/code?attempt={attempt.id}")

    async def _pending(self, visit: Visit, attempt_id: str | None) -> Attempt | None:
        """The attempt of this browser that waits for a code."""
        if visit.browser is None:
            return None
        found = await self._attempts.read(attempt_id) if attempt_id else await self._attempts.newest(visit.browser)
        if found is None or found.browser != visit.browser or found.account is None or "until" not in found.memory:
            return None
        return found

    async def _code_form(
        self, visit: Visit, attempt: Attempt, *, status: int = 200, problem: str = "", expired: bool = False
    ) -> web.Response:
        life = timedelta(0)
        if attempt.account and not attempt.shared and attempt.method != STEP_UP:
            account = await self._house.register.by_id(attempt.account)
            life = self._house.rules.memory(account, visit.now) if account else life
        remembered = texts.duration(life) if life > timedelta(0) else ""
        until, zone = datetime.fromisoformat(attempt.memory["until"]), visit.zone
        same_day = until.astimezone(zone).date() == visit.now.astimezone(zone).date()
        clock = texts.clock(until, zone=zone)
        return visit.page(
            "code",
            status=status,
            facts=attempt.memory,
            until=clock if same_day else f"{texts.day(until, zone=zone)}, {clock}",
            attempt=attempt.id,
            problem=problem,
            sent=status != 503,
            expired=expired or visit.now >= until,
            space=attempt.space.value,
            back=attempt.return_to,
            soon=timedelta(0) < until - visit.now < _SOON,
            remember_hours=remembered,
        )

    async def code_page(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._pending(visit, visit.request.query.get("attempt"))
        if attempt is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        return await self._code_form(visit, attempt)

    async def code(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        attempt = await self._pending(visit, fields.get("attempt"))
        if attempt is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN, fields.get("return"))
        reply = Reply(fields, address=visit.client, correlation=visit.request_id)
        outcome = await self._password.complete(attempt, reply, visit.now)
        if isinstance(outcome, Proof):
            await self._attempts.drop(attempt.id)
            return await arrive(visit, attempt, outcome)
        assert isinstance(outcome, Rejected)  # noqa: S101 - the code's only other outcome
        status, problem = (429, TOO_MANY) if outcome.reason is Reason.TOO_MANY_ATTEMPTS else (401, WRONG_CODE)
        visit.log(outcome.reason, status)
        return await self._code_form(visit, attempt, status=status, problem=problem)

    async def resend(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        attempt = await self._pending(visit, fields.get("attempt"))
        if attempt is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN, fields.get("return"))
        outcome = await self._password.resend(attempt, fields.get("channel"), visit.now)
        if isinstance(outcome, Form):
            return await self.to_code(attempt, outcome)
        if outcome.reason is Reason.DELIVERY_FAILED:
            return await self._not_delivered(visit, attempt, outcome)
        if outcome.reason in _NO_CODE:
            return self.no_code(visit, attempt, outcome.reason)
        visit.log(outcome.reason, 429)
        soon = outcome.reason is Reason.RESEND_TOO_SOON
        problem = (
            "Un code vient d'être envoyé. Attendez quelques instants avant d'en demander un autre."
            if soon
            else TOO_MANY
        )
        return await self._code_form(visit, attempt, status=429, problem=problem)

    # Somebody else's session is open

    async def switch(self, visit: Visit) -> web.StreamResponse:
        """« Se déconnecter et continuer »: the open session ends first, in plain sight, then the other begins."""
        fields = await visit.form()
        pending = await self._attempts.read(fields.get("attempt", ""))
        if pending is None or pending.method != "switch" or pending.browser != visit.browser:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        attempt = await self._attempts.take(pending.id)
        raw = self._house.unseal(attempt.memory["proof"]) if attempt else None
        if attempt is None or raw is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        if fields.get("choice") != "change":
            return go("/")
        if visit.session is not None:
            record = Record(
                Act.SIGN_OUT, visit.now, visit.session.account, address=visit.client, correlation=visit.request_id
            )
            await self._house.audit.record(record)
            await self._house.keeper.close(visit.session, visit.now)
            visit.session = visit.account = None
        proof: Proof = decode_proof(json.loads(raw))
        return await arrive(visit, replace(attempt, method="password"), proof)
