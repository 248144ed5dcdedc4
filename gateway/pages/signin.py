"""The two sign-in pages and the ways in: card, Pro Santé Connect, password and code; and the way out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from aiohttp import web

from gateway import texts
from gateway.audit import Act, Record
from gateway.identity import Proof, Space
from gateway.pages.arrival import arrive
from gateway.pages.attempts import Attempts
from gateway.pages.base import SESSION, Handler, House, Visit, go, handle
from gateway.pages.journey import safe_return
from gateway.providers.base import Attempt, Form, Redirect, Rejected, Reply
from gateway.providers.otp import PasswordAndCode
from gateway.reasons import ProviderUnavailable, Reason
from gateway.session.keeper import decode_proof, encode_proof

_NOTICES = {
    Reason.SESSION_IDLE: "Votre session s'est fermée après un temps sans activité. Reconnectez-vous pour continuer.",
    Reason.SESSION_ENDED: "Votre session est arrivée à son terme. Reconnectez-vous pour continuer.",
    Reason.LEVEL_TOO_LOW: "L'authentification forte est maintenant demandée. Reconnectez-vous pour continuer.",
    Reason.ACCOUNT_DORMANT: "Votre compte n'a pas été utilisé depuis plus d'un an. Connectez-vous par carte CPS ou e-CPS.",
}
WRONG = "Identifiant ou mot de passe incorrect."
WRONG_CODE = "Code incorrect ou expiré."
TOO_MANY = "Trop de tentatives. Réessayez dans quelques minutes ou utilisez votre carte CPS ou e-CPS."
_PSC = {
    Reason.PSC_CANCELLED: "Vous avez refusé ou abandonné la connexion à Pro Santé Connect.",
    Reason.PSC_NO_IDENTIFIER: "Pro Santé Connect n'a pas transmis d'identifiant national pour votre compte.",
    Reason.PSC_LEVEL: "Le niveau de cette connexion n'est pas suffisant.",
    Reason.PSC_STATE: "Cette connexion a déjà servi ou n'a pas commencé dans ce navigateur.",
}


class SignIn:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._attempts = Attempts(house.store, house.ambient)

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/sign-in", self.page),
            ("GET", "/sign-in/card", self.start_card),
            ("GET", "/card", self.card),
            ("GET", "/sign-in/card/return", self.card_return),
            ("GET", "/sign-in/psc", self.start_psc),
            ("GET", "/sign-in/psc/callback", self.psc_callback),
            ("POST", "/sign-in/password", self.password),
            ("GET", "/sign-in/code", self.code_page),
            ("POST", "/sign-in/code", self.code),
            ("POST", "/sign-in/code/resend", self.resend),
            ("POST", "/sign-out", self.sign_out),
            ("GET", "/signed-out", self.signed_out),
            ("GET", "/session", self.session),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    # The page

    async def page(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        back = safe_return(query.get("return"), self._house.prefix)
        if visit.session is not None and "reason" not in query:
            return go(back)
        try:
            notice = _NOTICES.get(Reason(query.get("reason", "")), "")
        except ValueError:
            notice = ""
        return self._sign_in(visit, self._space(query.get("space")), back, notice=notice)

    def _sign_in(
        self,
        visit: Visit,
        space: Space,
        back: str,
        *,
        status: int = 200,
        problem: str = "",
        notice: str = "",
        identifier: str = "",
    ) -> web.Response:
        return visit.page(
            "sign_in",
            status=status,
            space=space.value,
            back=back,
            methods=[name for name in self._house.methods[space] if name in self._house.providers],
            card_direct=self._house.card_direct,
            problem=problem,
            notice=notice,
            identifier=identifier,
        )

    def _space(self, text: str | None) -> Space:
        try:
            return Space(text or "")
        except ValueError:
            return self._house.default_space

    async def _open(self, visit: Visit, method: str, fields: Mapping[str, str], *, shared: bool = False) -> Attempt:
        space = self._space(fields.get("space"))
        if method not in self._house.providers or method not in self._house.methods[space]:
            raise web.HTTPNotFound
        back = safe_return(fields.get("return"), self._house.prefix)
        return await self._attempts.open(
            visit.browser_id(), space, back, method, visit.client, visit.now, shared=shared
        )

    # Card

    async def start_card(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._open(visit, "card", visit.request.query)
        prompt = await self._house.providers["card"].begin(attempt, visit.now)
        assert isinstance(prompt, Redirect)  # noqa: S101 - the card's only prompt
        return web.Response(status=302, headers={"Location": prompt.url})

    async def card(self, visit: Visit) -> web.StreamResponse:
        """On the card origin: the certificate of this handshake, judged; then back to the main host.

        The proof waits in the attempt. Coming back needs both the browser that began and the word only this browser
        is given here: neither a link sent to somebody nor a stolen address works alone.
        """
        query = visit.request.query
        attempt = await self._attempts.read(query.get("attempt", ""))
        if attempt is None or attempt.method != "card":
            return visit.message(
                "Cette connexion n'est plus en cours",
                "Recommencez depuis la page de connexion.",
                status=403,
                actions=[(f"{self._house.public_url}{self._house.prefix}/sign-in", "Recommencer", False)],
                reason=Reason.ATTEMPT_UNKNOWN,
            )
        reply = Reply(
            certificate=visit.certificate(),
            resumed=visit.request.headers.get("vtgw-resumed") == "1",
            address=visit.client,
            correlation=visit.request_id,
        )
        outcome = await self._house.providers["card"].complete(attempt, reply, visit.now)
        if not isinstance(outcome, Proof):
            assert isinstance(outcome, Rejected)  # noqa: S101 - the card's only other outcome
            return await self._card_failed(visit, attempt, outcome)
        word = self._house.ambient.token(24)
        memory = {"proof": json.dumps(encode_proof(outcome)), "word": hashlib.sha256(word.encode()).hexdigest()}
        await self._attempts.keep(replace(attempt, memory=memory))
        return go(f"{self._house.public_url}{self._house.prefix}/sign-in/card/return?attempt={attempt.id}&code={word}")

    async def _card_failed(self, visit: Visit, attempt: Attempt, no: Rejected) -> web.Response:
        turn = visit.request.query.get("turn", "0")
        turns = (int(turn) if turn.isascii() and turn.isdigit() and len(turn) < 4 else 0) + 1
        visit.log(no.reason, 200, **no.evidence)
        if no.reason is not Reason.CARD_ABSENT:
            await self._house.audit.record(
                Record(
                    Act.CARD_REFUSED,
                    visit.now,
                    reason=no.reason,
                    address=visit.client,
                    correlation=visit.request_id,
                    facts=dict(no.evidence),
                )
            )
        urls = self._house.card_urls
        retry = f"{urls[turns % len(urls)]}{self._house.prefix}/card?attempt={attempt.id}&turn={turns}"
        other = f"{self._house.public_url}{self._house.prefix}/sign-in?space={attempt.space.value}"
        absent = no.reason is Reason.CARD_ABSENT
        explanation = "" if absent else "Une carte a été lue, mais elle ne peut pas servir à cette connexion."
        if no.reason is Reason.CARD_EXPIRED:
            explanation = "Cette carte a dépassé sa date de validité."
        elif no.reason is Reason.CARD_TYPE_REFUSED:
            explanation = "Ce type de carte ne permet pas d'entrer dans cet espace."
        return visit.page("card_failed", explanation=explanation, retry=retry, other=other, reference=visit.reference)

    async def card_return(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        attempt = await self._attempts.read(query.get("attempt", ""))
        word = hashlib.sha256(query.get("code", "").encode()).hexdigest()
        right = attempt is not None and hmac.compare_digest(word, attempt.memory.get("word", "-"))
        if attempt is None or not right or attempt.browser != visit.browser:
            return self._lost(visit, Reason.WRONG_BROWSER if attempt else Reason.ATTEMPT_UNKNOWN)
        taken = await self._attempts.take(attempt.id)
        if taken is None:
            return self._lost(visit, Reason.ATTEMPT_UNKNOWN)
        return await arrive(visit, taken, decode_proof(json.loads(taken.memory["proof"])))

    def _lost(self, visit: Visit, reason: Reason) -> web.Response:
        if visit.session is not None:  # a late tab of somebody who is signed in already
            return go("/")
        return visit.message(
            "Cette connexion n'est plus en cours",
            "Elle a déjà servi, a attendu trop longtemps ou a commencé dans un autre navigateur.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in", "Recommencer", False)],
            reason=reason,
        )

    # Pro Santé Connect

    async def start_psc(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._open(visit, "psc", visit.request.query)
        try:
            prompt = await self._house.providers["psc"].begin(attempt, visit.now)
        except ProviderUnavailable as error:
            return self._psc_down(visit, attempt, str(error))
        assert isinstance(prompt, Redirect)  # noqa: S101 - the provider's only prompt
        await self._attempts.keep(replace(attempt, memory=dict(prompt.memory)))
        return web.Response(status=302, headers={"Location": prompt.url})

    async def psc_callback(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        if len(query) != len(set(query)):
            return self._psc_refused(visit, None, Rejected(Reason.PSC_STATE, {"why": "duplicate parameters"}))
        attempt_id = query.get("state", "").partition(".")[0]
        pending = await self._attempts.read(attempt_id)
        if pending is None or pending.method != "psc" or pending.browser != visit.browser:
            return self._lost(visit, Reason.WRONG_BROWSER if pending else Reason.ATTEMPT_UNKNOWN)
        attempt = await self._attempts.take(attempt_id)
        if attempt is None:
            return self._lost(visit, Reason.ATTEMPT_UNKNOWN)
        reply = Reply(dict(query), address=visit.client, correlation=visit.request_id)
        try:
            outcome = await self._house.providers["psc"].complete(attempt, reply, visit.now)
        except ProviderUnavailable as error:
            return self._psc_down(visit, attempt, str(error))
        if isinstance(outcome, Proof):
            return await arrive(visit, attempt, outcome)
        assert isinstance(outcome, Rejected)  # noqa: S101 - the provider's only other outcome
        await self._house.audit.record(
            Record(
                Act.PSC_REFUSED,
                visit.now,
                reason=outcome.reason,
                address=visit.client,
                correlation=visit.request_id,
                facts=dict(outcome.evidence),
            )
        )
        return self._psc_refused(visit, attempt, outcome)

    def _psc_refused(self, visit: Visit, attempt: Attempt | None, no: Rejected) -> web.Response:
        space = attempt.space.value if attempt else self._house.default_space.value
        visit.log(no.reason, 403, **no.evidence)
        return visit.message(
            "La connexion par Pro Santé Connect n'a pas abouti",
            _PSC.get(no.reason, "La réponse de Pro Santé Connect n'a pas pu être acceptée."),
            "Vous pouvez réessayer, ou choisir un autre moyen de connexion.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in?space={space}", "Choisir un moyen de connexion", False)],
            reason=no.reason,
        )

    def _psc_down(self, visit: Visit, attempt: Attempt, why: str) -> web.Response:
        visit.log(Reason.PSC_UNAVAILABLE, 503, why=why)
        answer = visit.message(
            "Pro Santé Connect ne répond pas",
            "Réessayez dans quelques minutes, ou choisissez un autre moyen de connexion.",
            status=503,
            actions=[
                (f"{self._house.prefix}/sign-in?space={attempt.space.value}", "Choisir un moyen de connexion", False)
            ],
            reason=Reason.PSC_UNAVAILABLE,
        )
        answer.headers["Retry-After"] = "30"
        return answer

    # Password and code

    async def password(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        shared = fields.get("shared", "") not in ("", "0")
        attempt = await self._open(visit, "password", fields, shared=shared)
        reply = Reply(fields, address=visit.client, correlation=visit.request_id)
        outcome = await self._house.providers["password"].complete(attempt, reply, visit.now)
        if isinstance(outcome, Form):
            await self._attempts.keep(self._attempts.remember(attempt, outcome.facts, outcome.account))
            return go(f"{self._house.prefix}/sign-in/code?attempt={attempt.id}")
        await self._attempts.drop(attempt.id)
        if isinstance(outcome, Proof):
            return await arrive(visit, attempt, outcome)
        assert isinstance(outcome, Rejected)  # noqa: S101 - the last outcome
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
        if no.reason is Reason.NO_CHANNEL:
            return visit.message(
                "Aucun code ne peut vous être envoyé",
                "Votre compte n'a pas d'adresse de messagerie utilisable.",
                "Connectez-vous par carte CPS ou e-CPS, ou contactez votre référent structure.",
                status=403,
                actions=[(f"{self._house.prefix}/sign-in?space={attempt.space.value}", "Revenir", False)],
                reason=no.reason,
            )
        known = {
            Reason.TOO_MANY_ATTEMPTS: (429, TOO_MANY),
            Reason.RESEND_TOO_MANY: (429, TOO_MANY),
            Reason.DELIVERY_FAILED: (
                503,
                "Le code n'a pas pu être envoyé. Réessayez dans quelques minutes, ou utilisez votre carte CPS ou e-CPS.",
            ),
        }
        status, problem = known.get(no.reason, (401, WRONG))
        visit.log(no.reason, status)
        return self._sign_in(
            visit, attempt.space, attempt.return_to, status=status, problem=problem, identifier=identifier[:128]
        )

    async def _pending(self, visit: Visit, attempt_id: str | None) -> Attempt | None:
        """The attempt of this browser that waits for a code."""
        if visit.browser is None:
            return None
        found = await self._attempts.read(attempt_id) if attempt_id else await self._attempts.newest(visit.browser)
        if found is None or found.browser != visit.browser or found.account is None:
            return None
        return found

    def _code_form(
        self, visit: Visit, attempt: Attempt, *, status: int = 200, problem: str = "", expired: bool = False
    ) -> web.Response:
        until = datetime.fromisoformat(attempt.memory["until"])
        same_day = until.astimezone(texts.PARIS).date() == visit.now.astimezone(texts.PARIS).date()
        shown = texts.clock(until) if same_day else f"{texts.day(until)}, {texts.clock(until)}"
        return visit.page(
            "code",
            status=status,
            facts=attempt.memory,
            until=shown,
            attempt=attempt.id,
            problem=problem,
            expired=expired,
            space=attempt.space.value,
            back=attempt.return_to,
        )

    async def code_page(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._pending(visit, visit.request.query.get("attempt"))
        return self._lost(visit, Reason.ATTEMPT_UNKNOWN) if attempt is None else self._code_form(visit, attempt)

    async def code(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        attempt = await self._pending(visit, fields.get("attempt"))
        if attempt is None:
            return self._lost(visit, Reason.ATTEMPT_UNKNOWN)
        reply = Reply(fields, address=visit.client, correlation=visit.request_id)
        outcome = await self._house.providers["password"].complete(attempt, reply, visit.now)
        if isinstance(outcome, Proof):
            await self._attempts.drop(attempt.id)
            return await arrive(visit, attempt, outcome)
        assert isinstance(outcome, Rejected)  # noqa: S101 - the code's only other outcome
        status, problem = (429, TOO_MANY) if outcome.reason is Reason.TOO_MANY_ATTEMPTS else (401, WRONG_CODE)
        visit.log(outcome.reason, status)
        return self._code_form(visit, attempt, status=status, problem=problem, expired=True)

    async def resend(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        attempt = await self._pending(visit, fields.get("attempt"))
        if attempt is None:
            return self._lost(visit, Reason.ATTEMPT_UNKNOWN)
        provider = self._house.providers["password"]
        assert isinstance(provider, PasswordAndCode)  # noqa: S101 - the only provider that sends
        outcome = await provider.resend(attempt, fields.get("channel"), visit.now)
        if isinstance(outcome, Form):
            await self._attempts.keep(self._attempts.remember(attempt, outcome.facts))
            return go(f"{self._house.prefix}/sign-in/code?attempt={attempt.id}")
        visit.log(outcome.reason, 429)
        if outcome.reason is Reason.DELIVERY_FAILED:
            return self._code_form(visit, attempt, status=503, problem="Le code n'a pas pu être envoyé.")
        soon = outcome.reason is Reason.RESEND_TOO_SOON
        problem = (
            "Un code vient d'être envoyé. Attendez quelques instants avant d'en demander un autre."
            if soon
            else TOO_MANY
        )
        return self._code_form(visit, attempt, status=429, problem=problem)

    # The way out

    async def sign_out(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        house, session = self._house, visit.session
        target = f"{house.prefix}/signed-out"
        if session is not None:
            record = Record(
                Act.SIGN_OUT, visit.now, session.account, address=visit.client, correlation=visit.request_id
            )
            await house.audit.record(record)
            await house.keeper.close(session, visit.now)
            hint = house.unseal(session.logout_hint) if session.logout_hint else None
            if hint and house.sign_out_elsewhere is not None:
                try:  # here it is over already; if PSC is down, nothing more can be done
                    target = await house.sign_out_elsewhere.end_session_url(hint, house.ambient.token(8)) or target
                except ProviderUnavailable:
                    visit.log(Reason.PSC_UNAVAILABLE, 303)
        answer = go(target)
        answer.del_cookie(SESSION, path="/", secure=True, httponly=True, samesite="Lax")
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    async def signed_out(self, visit: Visit) -> web.StreamResponse:
        return visit.message(
            "Vous êtes déconnecté",
            "Retirez votre carte du lecteur si vous quittez ce poste.",
            actions=[(f"{self._house.prefix}/sign-in", "Se connecter", False)],
        )

    async def session(self, visit: Visit) -> web.StreamResponse:
        session, account = visit.session, visit.account
        if session is None or account is None:
            return web.json_response({"signed_in": False}, status=401)
        return web.json_response(
            {
                "signed_in": True,
                "idnat_ps": account.national_id.text if account.national_id else None,
                "family_name": account.family_name,
                "given_name": account.given_name,
                "method": session.method.value,
                "assurance": session.assurance.word,
                "space": session.space.value,
                "expires": session.ends_at.isoformat(),
                "idle_expires": (session.seen_at + session.lifetimes.idle).isoformat(),
                "acting": None,
            }
        )
