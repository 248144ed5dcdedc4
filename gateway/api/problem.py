"""Why not, as ``application/problem+json`` (RFC 9457): one shape for every refusal of the API.

``detail`` is French, for people; ``reason`` is the word of ``reasons.Reason``, for programs; ``reference`` is found in
the log (R155). What lies outside one's reach is said with the very body of what does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web

from gateway.administration.actor import ChangedMeanwhile, Faulty, NotThere, Refused
from gateway.pages.base import Visit
from gateway.reasons import GatewayError, Reason, Stale, Taken

JSON = "application/problem+json"
TITLES: Mapping[int, str] = {
    400: "La demande n'est pas valide",
    401: "Un jeton ou une session est nécessaire",
    403: "Cette action n'est pas permise",
    404: "Cet élément n'existe pas",
    405: "Cette méthode n'est pas servie ici",
    409: "L'élément change en ce moment",
    412: "L'élément a été modifié entre-temps",
    413: "L'envoi est trop volumineux",
    414: "L'adresse est trop longue",
    415: "Ce format n'est pas lu ici",
    422: "Des valeurs ne peuvent pas être prises",
    428: "La version de l'élément est nécessaire",
    429: "Trop d'essais depuis cette adresse",
    500: "Une erreur s'est produite",
    503: "Le service est momentanément indisponible",
}
_BEARER = 'Bearer realm="ViaTrajectoire"'


class Problem(Exception):
    """A request that gets no as its answer. ``faults``: by field, French sentences."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        detail: str = "",
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.status = status
        self.reason = reason
        self.detail = detail or TITLES[status] + "."
        self.faults = faults
        self.headers = dict(headers or {})
        if status == 401:
            wrong = ', error="invalid_token"' if reason is Reason.TOKEN_REFUSED else ""
            self.headers["WWW-Authenticate"] = _BEARER + wrong


def nothing_there() -> Problem:
    """The one answer for what does not exist and for what must not be seen."""
    return problem_of(NotThere())


def faulty(faults: Mapping[str, Sequence[str]]) -> Problem:
    """What was sent was read, and cannot be taken."""
    return problem_of(Faulty(faults))


def problem_of(error: GatewayError) -> Problem:
    """An act that was not done, as the API says it. First match."""
    if isinstance(error, ChangedMeanwhile):
        return Problem(412, error.reason, error.sentence, headers={"ETag": f'"{error.version}"'})
    if isinstance(error, Faulty):
        return Problem(422, error.reason, faults=error.faults)
    if isinstance(error, Refused):
        return Problem(404 if isinstance(error, NotThere) else 403, error.reason, error.sentence)
    if isinstance(error, Stale):
        return Problem(409, Reason.CHANGED_MEANWHILE, "Quelqu'un d'autre le modifie en ce moment. Recommencez.")
    if isinstance(error, Taken):
        return Problem(422, error.reason, faults={"": ["Cette valeur appartient à un autre élément."]})
    return Problem(503, error.reason, "Réessayez dans quelques instants.", headers={"Retry-After": "5"})


def answer(visit: Visit, problem: Problem) -> web.Response:
    """The problem as an answer, and its line in the log."""
    visit.log(problem.reason, problem.status)
    body: dict[str, object] = {
        "type": f"urn:vt-gateway:{problem.reason.value}",
        "title": TITLES[problem.status],
        "status": problem.status,
        "detail": problem.detail,
        "reason": problem.reason.value,
        "reference": visit.reference,
    }
    if problem.faults is not None:
        body["faults"] = {name: list(sentences) for name, sentences in problem.faults.items()}
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=problem.status, headers=problem.headers, body=text, content_type=JSON)
