"""The strong ways in: the card, on its own origin, and Pro Santé Connect; with their ways to fail (J2, J3, J9)."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

from aiohttp import web

from gateway.audit import Act, Record
from gateway.identity import Proof
from gateway.pages.arrival import arrive
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.entrance import Entrance
from gateway.pages.house import House
from gateway.providers.base import Attempt, Redirect, Rejected, Reply
from gateway.reasons import ProviderUnavailable, Reason
from gateway.session.keeper import decode_proof, encode_proof

_CARD = {
    Reason.CARD_ABSENT: "",
    Reason.CARD_EXPIRED: "Cette carte a dépassé sa date de validité.",
    Reason.CARD_NOT_YET_VALID: "Cette carte n'est pas encore valable.",
    Reason.CARD_REVOKED: "Cette carte a été déclarée perdue, volée ou hors d'usage. Elle ne peut plus servir.",
    Reason.CARD_TYPE_REFUSED: "Ce type de carte ne permet pas d'entrer dans cet espace.",
    Reason.CARD_NOT_NOMINATIVE: "Cette carte n'est pas nominative. Utilisez une carte à votre nom.",
    Reason.CARD_REVOCATION_UNKNOWN: "La validité de cette carte ne peut pas être vérifiée en ce moment. Réessayez dans "
    "quelques minutes, ou choisissez un autre moyen de connexion.",
}
_CARD_OTHER = "Une carte a été lue, mais elle ne peut pas servir à cette connexion."
_PSC = {
    Reason.PSC_CANCELLED: "Vous avez refusé ou abandonné la connexion à Pro Santé Connect.",
    Reason.PSC_NO_IDENTIFIER: "Pro Santé Connect n'a pas transmis d'identifiant national pour votre compte.",
    Reason.PSC_LEVEL: "Le niveau de cette connexion n'est pas suffisant.",
    Reason.PSC_STATE: "Cette connexion a déjà servi ou n'a pas commencé dans ce navigateur.",
    Reason.PSC_CODE_REFUSED: "Pro Santé Connect n'a pas confirmé votre connexion\u00a0: elle a peut-être attendu trop longtemps.",
    Reason.PSC_CONTRADICTION: "Pro Santé Connect a donné des informations qui ne s'accordent pas entre elles.",
}
# The provider's own word for a failure (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6), in ours (R42).
_PSC_ERRORS = {
    "login_required": "Pro Santé Connect demande que vous vous identifiiez de nouveau.",
    "interaction_required": "Pro Santé Connect attend une action de votre part. Recommencez et suivez ses écrans.",
    "consent_required": "Pro Santé Connect attend votre accord. Recommencez et acceptez la transmission de votre identité.",
    "account_selection_required": "Pro Santé Connect attend que vous choisissiez un compte. Recommencez.",
    "unmet_authentication_requirements": "Le moyen utilisé dans Pro Santé Connect n'est pas assez fort. Utilisez votre "
    "carte ou votre e-CPS.",
    "invalid_request": "La demande faite à Pro Santé Connect n'a pas été comprise. Prévenez l'assistance.",
    "invalid_scope": "La demande faite à Pro Santé Connect n'a pas été comprise. Prévenez l'assistance.",
    "unauthorized_client": "Pro Santé Connect ne reconnaît pas ce service. Prévenez l'assistance.",
    "unsupported_response_type": "La demande faite à Pro Santé Connect n'a pas été comprise. Prévenez l'assistance.",
}


class StrongWays:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House, entrance: Entrance) -> None:
        self._house = house
        self._entrance = entrance
        self._attempts = entrance.attempts

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, Handler]] = [
            ("/sign-in/card", self.start_card),
            ("/card", self.card),
            ("/sign-in/card/return", self.card_return),
            ("/sign-in/psc", self.start_psc),
            ("/sign-in/psc/callback", self.psc_callback),
        ]
        return [web.get(prefix + path, handle(work)) for path, work in table]

    # Card

    async def start_card(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._entrance.open(visit, "card", visit.request.query)
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
        memory = {
            "proof": self._house.seal(json.dumps(encode_proof(outcome))),
            "word": hashlib.sha256(word.encode()).hexdigest(),
        }
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
        explanation = _CARD.get(no.reason, _CARD_OTHER)
        return visit.page("card_failed", explanation=explanation, retry=retry, other=other, reference=visit.reference)

    async def card_return(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        attempt = await self._attempts.read(query.get("attempt", ""))
        word = hashlib.sha256(query.get("code", "").encode()).hexdigest()
        right = attempt is not None and hmac.compare_digest(word, attempt.memory.get("word", "-"))
        if attempt is None or not right or attempt.browser != visit.browser:
            return self._entrance.lost(visit, Reason.WRONG_BROWSER if attempt else Reason.ATTEMPT_UNKNOWN)
        taken = await self._attempts.take(attempt.id)
        if taken is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        proof = self._house.unseal(taken.memory["proof"])
        if proof is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        return await arrive(visit, taken, decode_proof(json.loads(proof)))

    # Pro Santé Connect

    async def start_psc(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._entrance.open(visit, "psc", visit.request.query)
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
            return await self._psc_refused(visit, None, Rejected(Reason.PSC_STATE, {"why": "duplicate parameters"}))
        attempt_id = query.get("state", "").partition(".")[0]
        pending = await self._attempts.read(attempt_id)
        if pending is None or pending.method != "psc" or pending.browser != visit.browser:
            return self._entrance.lost(visit, Reason.WRONG_BROWSER if pending else Reason.ATTEMPT_UNKNOWN)
        attempt = await self._attempts.take(attempt_id)
        if attempt is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
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
                facts={name: value for name, value in outcome.evidence.items() if name != "logout_hint"},
            )
        )
        return await self._psc_refused(visit, attempt, outcome)

    async def _psc_refused(self, visit: Visit, attempt: Attempt | None, no: Rejected) -> web.Response:
        space = attempt.space if attempt else self._house.default_space
        why = no.evidence.get("why", "")
        said = _PSC_ERRORS.get(why) if no.reason is Reason.PSC_ERROR else None
        said = said or _PSC.get(no.reason, "La réponse de Pro Santé Connect n'a pas pu être acceptée.")
        actions = [(f"{self._house.prefix}/sign-in?space={space.value}", "Choisir un moyen de connexion", False)]
        hint = no.evidence.get("logout_hint")
        if hint and attempt is not None and self._house.sign_out_elsewhere is not None:
            url = await self._house.sign_out_elsewhere.end_session_url(hint, attempt.id)
            if url is not None:  # R42: PSC would send the same person again
                actions.append((url, "Se déconnecter de Pro Santé Connect et réessayer", False))
        return visit.message(
            "La connexion par Pro Santé Connect n'a pas abouti",
            said,
            "Vous pouvez réessayer, ou choisir un autre moyen de connexion.",
            status=403,
            actions=actions,
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
