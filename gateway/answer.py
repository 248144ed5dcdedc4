"""What is said when the answer is no: a redirect, a French page, or JSON; chosen once, for every exit of the door.

A page gets a redirect to sign in; a script call gets 401 problem+json with the address to sign in at, by the same
function on every exit. No protocol word, address or library name reaches the user: a sentence, what to do now, and a
short reference found in the log (R155).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from gateway.policy.decision import Challenge, Refuse
from gateway.reasons import Reason
from gateway.request import Answer, RequestHead

# Reason: status, sentence for the user, what to do now. Total over what the door may refuse; the rest is 403.
_SAYS: dict[Reason, tuple[int, str, str]] = {
    Reason.BAD_REQUEST: (400, "La demande n'est pas valide.", "Revenez en arrière et recommencez."),
    Reason.BAD_TARGET: (400, "L'adresse demandée n'est pas valide.", "Vérifiez l'adresse."),
    Reason.AMBIGUOUS_PATH: (400, "L'adresse demandée n'est pas valide.", "Vérifiez l'adresse."),
    Reason.BAD_HOST: (400, "L'adresse demandée n'est pas valide.", "Vérifiez l'adresse."),
    Reason.UNKNOWN_HOST: (421, "Ce site n'est pas servi à cette adresse.", "Vérifiez l'adresse."),
    Reason.BAD_HEADER: (400, "La demande n'est pas valide.", "Fermez le navigateur et recommencez."),
    Reason.BAD_FRAMING: (400, "La demande n'est pas valide.", "Recommencez."),
    Reason.BAD_METHOD: (405, "Cette action n'est pas possible.", "Revenez en arrière."),
    Reason.BAD_VERSION: (505, "Ce navigateur n'est pas pris en charge.", "Mettez votre navigateur à jour."),
    Reason.BAD_EXPECT: (417, "La demande n'est pas valide.", "Recommencez."),
    Reason.HEAD_TOO_LARGE: (431, "La demande est trop longue.", "Effacez les cookies de ce site, puis recommencez."),
    Reason.TARGET_TOO_LONG: (414, "L'adresse demandée est trop longue.", "Revenez en arrière."),
    Reason.BODY_TOO_LARGE: (413, "Le document envoyé est trop volumineux.", "Envoyez un document plus petit."),
    Reason.TOO_MANY_CONNECTIONS: (503, "Le service est très sollicité.", "Réessayez dans quelques instants."),
    Reason.REQUEST_TIMEOUT: (408, "La demande a mis trop de temps à arriver.", "Recommencez."),
    Reason.UPGRADE_REFUSED: (400, "Cette connexion n'est pas possible.", "Rechargez la page."),
    Reason.ORIGIN_REFUSED: (403, "Cette connexion n'est pas autorisée.", "Rechargez la page."),
    Reason.TLS_REQUIRED: (403, "Une connexion sécurisée est nécessaire.", "Utilisez une adresse en https."),
    Reason.ACCOUNT_SUSPENDED: (403, "Votre compte est suspendu.", "Contactez votre référent structure."),
    Reason.NOT_ALLOWED: (403, "Cette page ne vous est pas ouverte.", "Revenez à l'accueil."),
    Reason.DELEGATION_ENDED: (
        403,
        "Cette délégation n'est plus en cours.",
        "Rien n'a été envoyé. Revenez à l'accueil\u00a0: vous y continuerez en votre nom.",
    ),
    Reason.STORE_DOWN: (503, "Le service est momentanément indisponible.", "Réessayez dans quelques instants."),
    Reason.RECORDS_DOWN: (503, "Le service est momentanément indisponible.", "Réessayez dans quelques instants."),
    Reason.KEY_DOWN: (503, "Le service est momentanément indisponible.", "Réessayez dans quelques instants."),
    Reason.INTERNAL: (503, "Le service est momentanément indisponible.", "Réessayez dans quelques instants."),
    Reason.NO_BACKEND: (503, "ViaTrajectoire est momentanément indisponible.", "Réessayez dans quelques instants."),
    Reason.BACKEND_DOWN: (502, "ViaTrajectoire ne répond pas.", "Réessayez dans quelques instants."),
    Reason.BACKEND_TIMEOUT: (504, "ViaTrajectoire met trop de temps à répondre.", "Réessayez dans quelques instants."),
    Reason.BACKEND_GARBAGE: (502, "ViaTrajectoire a donné une réponse illisible.", "Réessayez dans quelques instants."),
}
_FIRST = {
    "charter": "Charte à accepter",
    "password/renew": "Mot de passe à changer",
    "delegations/ended": "Cette délégation n'est plus en cours",
}
_OTHER = (403, "Cette page ne vous est pas ouverte.", "Revenez à l'accueil.")
_RETRY_AFTER = b"5"  # seconds
_COMMON = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
)

Page = Callable[[int, str, str, str], str]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of the door. ``page(status, sentence, advice, reference)`` gives the HTML of an error page;
    ``held(address, reference)`` that of a form which came after the session's end."""

    public_url: str
    prefix: str
    page: Page
    held: Callable[[str, str], str]

    def challenge(self, head: RequestHead, decision: Challenge) -> Answer:
        """Somebody has to sign in (or accept the charter, or renew a password) first.

        A page gets 302, a script call 401 or 403. A form gets a page instead of a redirect: the browser keeps what was
        typed and sends it again when that page is reloaded, signed in by then; a redirect would lose it.
        """
        where = self._address(head, decision)
        signing = decision.to == "sign-in"
        if decision.reason is Reason.DELEGATION_ENDED and head.method not in ("GET", "HEAD") and not head.is_script:
            return self.fault(head, decision.reason, head.request_id)  # not to be sent again: it was meant for another
        if head.is_script:
            body = {
                "type": f"urn:vt-gateway:{decision.reason}",
                "title": "Connexion nécessaire" if signing else _FIRST.get(decision.to, "Étape nécessaire"),
                "status": 401 if signing else 403,
                "reason": decision.reason.value,
                "reference": reference_of(head.request_id),
                "sign_in" if signing else decision.to.partition("/")[0]: self.public_url + where,
            }
            challenge = ((b"www-authenticate", b'VT-Gateway realm="ViaTrajectoire"'),) if signing else ()
            return self._problem(401 if signing else 403, body, decision.reason, challenge)
        if head.method not in ("GET", "HEAD"):
            text = self.held(where, reference_of(head.request_id)).encode()
            headers = (*_COMMON, (b"content-type", b"text/html; charset=utf-8"))
            return Answer(401 if signing else 403, headers, text, decision.reason)
        return Answer(302, (*_COMMON, (b"location", where.encode("ascii"))), b"", decision.reason)

    def refuse(self, head: RequestHead, decision: Refuse) -> Answer:
        return self.fault(head, decision.reason, head.request_id)

    def verdict(self, asked: RequestHead, decision: Challenge | Refuse) -> Answer:
        """To a front proxy that asked about a request: 401 with the address to sign in at, 403, or 503."""
        extra: tuple[tuple[bytes, bytes], ...] = ()
        if isinstance(decision, Challenge):
            where = self.public_url + self._address(asked, decision)
            status = 401 if decision.to == "sign-in" else 403
            extra = ((b"location", where.encode("ascii")),)
            body: dict[str, object] = {"title": "Connexion nécessaire", "status": status, "sign_in": where}
        else:
            told = _SAYS.get(decision.reason, _OTHER)
            status = 503 if told[0] >= 500 else 403
            body = {"title": told[1], "status": status}
            if status == 503:
                extra = ((b"retry-after", _RETRY_AFTER),)
        body |= {"reason": decision.reason.value, "reference": reference_of(asked.request_id)}
        return self._problem(status, body, decision.reason, extra)

    def fault(self, head: RequestHead | None, reason: Reason, request_id: str) -> Answer:
        """A refusal of the door or of the gate, as a page or as JSON."""
        status, sentence, advice = _SAYS.get(reason, _OTHER)
        reference = reference_of(request_id)
        extra = ((b"retry-after", _RETRY_AFTER),) if status == 503 else ()
        if head is not None and head.is_script:
            body = {
                "type": f"urn:vt-gateway:{reason}",
                "title": sentence,
                "status": status,
                "reason": reason.value,
                "reference": reference,
            }
            return self._problem(status, body, reason, extra)
        text = self.page(status, sentence, advice, reference).encode()
        headers = (*_COMMON, *extra, (b"content-type", b"text/html; charset=utf-8"))
        return Answer(status, headers, text, reason)

    def _problem(
        self, status: int, body: Mapping[str, object], reason: Reason, extra: tuple[tuple[bytes, bytes], ...] = ()
    ) -> Answer:
        text = json.dumps(body, ensure_ascii=False).encode()
        return Answer(status, (*_COMMON, *extra, (b"content-type", b"application/problem+json")), text, reason)

    def _address(self, head: RequestHead, decision: Challenge) -> str:
        """The page to go to, with the way back for a request that can be repeated (R2); never for a POST."""
        # A form cannot be repeated by an address: its way back is the page that says to reload it.
        target = head.target.decode("ascii") if head.method in ("GET", "HEAD") else f"{self.prefix}/resume"
        back = quote(target, safe="/")
        if decision.to != "sign-in":
            return f"{self.prefix}/{decision.to}?return={back}"
        return f"{self.prefix}/{decision.to}?space={decision.space.value}&reason={decision.reason.value}&return={back}"


def reference_of(request_id: str) -> str:
    """The short reference a user reads to the assistance: the last eight characters of the request id, in two groups.

    The last, because the first are the same for all requests of one process.
    """
    short = request_id[-8:].upper()
    if not short.isalnum():  # an id of another make, in groups
        short = "".join(character for character in request_id.upper() if character.isalnum())[-8:]
    return f"{short[:4]}-{short[4:]}"
