"""What the pages of « Mes délégations » share: who asks, who may not, and what was typed.

* Giving belongs to a médecin libéral who acts for nobody else: everybody else is refused before any page is made (R106).
* A form that asks for a fresh proof comes back as it was typed: the proof is given in another tab, and then the same
  form is sent again. Nothing typed travels in an address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from aiohttp import web

from gateway.administration.actor import Faulty, NotThere, NotYours, Refused
from gateway.delegations.author import By
from gateway.delegations.office import DelegationOffice
from gateway.pages.base import Handler, Visit, go
from gateway.pages.house import House
from gateway.pages.stepup import late
from gateway.reasons import Reason

_TOO_MANY = 500  # values of one name in one form
DIRECTORY_DOWN = (
    "L'annuaire national des professionnels ne répond pas. Aucune délégation n'a été créée. Réessayez dans quelques "
    "minutes."
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What came with a form or an address: one value by name, and for boxes all of them."""

    fields: Mapping[str, str]
    rights: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    @property
    def version(self) -> int:
        """The version the form was filled in for; raises ``HTTPBadRequest`` for a form that is not ours."""
        text = self.fields.get("version", "")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise web.HTTPBadRequest
        return int(text)


async def typed_in(visit: Visit) -> Typed:
    """The posted form, once it is known to be ours; raises ``ForeignForm``."""
    fields = await visit.form()
    data = await visit.request.post()
    rights = [one for one in data.getall("rights", []) if isinstance(one, str)]
    if len(rights) > _TOO_MANY:
        raise web.HTTPBadRequest
    return Typed(fields, tuple(dict.fromkeys(rights)))


def by_of(visit: Visit) -> By | None:
    """Who asks, for the offices; ``None`` when nobody is signed in."""
    if visit.account is None or visit.session is None:
        return None
    return By(visit.account, visit.session, visit.client, visit.request_id)


def sign_in(visit: Visit, then: str) -> web.Response:
    """To the sign-in page, and back to ``then``: a path below the prefix, with its query."""
    prefix = visit.house.prefix
    return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={quote(prefix + then)}")


def step_up(visit: Visit, then: str) -> str:
    """Where a fresh proof is given before ``then``."""
    return f"{visit.house.prefix}/step-up?then={quote(then)}"


def asked_again(visit: Visit, then: str) -> str:
    """``then`` with what the address asks for, where it is the page itself."""
    here = visit.request.rel_url
    own = here.raw_path == visit.house.prefix + then and here.raw_query_string
    return f"{then}?{here.raw_query_string}" if own else then


def merged(*found: Faulty | None) -> dict[str, Sequence[str]]:
    """The faults of several readings of one form, by field."""
    faults: dict[str, Sequence[str]] = {}
    for one in found:
        for name, said in one.faults.items() if one is not None else ():
            faults[name] = (*faults.get(name, ()), *said)
    return faults


Work = Callable[[Visit, By, Typed], Awaitable[web.StreamResponse]]


class DelegationRoom:
    """Some pages of a doctor who gives rights. ``then``: where a sign-in or a step-up leads back to, below the prefix."""

    def __init__(self, house: House, office: DelegationOffice) -> None:
        self.house = house
        self.office = office

    def today(self, visit: Visit) -> date:
        """The day it is where delegations begin and end."""
        return visit.now.astimezone(self.office.rules.zone).date()

    def url(self, path: str) -> str:
        return f"{self.house.prefix}/delegations{path}"

    def done(self, said: str) -> web.Response:
        return go(self.url(f"?said={said}"))

    def giving(self, work: Work, then: str) -> Handler:
        """A page of somebody who may give rights; everybody else hears why not, and keeps what they typed."""

        async def handler(visit: Visit) -> web.StreamResponse:
            posted = visit.request.method == "POST"
            typed = await typed_in(visit) if posted else Typed(dict(visit.request.query))
            by = by_of(visit)
            if by is None:
                return late(visit, typed.fields, then) if posted else sign_in(visit, asked_again(visit, then))
            try:
                self.office.may(by, visit.now)
                return await work(visit, by, typed)
            except NotThere as error:
                return self._absent(visit, error)
            except NotYours as error:
                if error.reason is Reason.LEVEL_TOO_LOW and not posted:
                    return go(step_up(visit, asked_again(visit, then)))
                return self._refused(visit, error, typed, then)

        return handler

    def _absent(self, visit: Visit, error: NotThere) -> web.Response:
        return visit.message(
            "Cette délégation n'existe pas",
            "Elle n'est pas parmi celles que vous avez données.",
            status=404,
            actions=[(self.url(""), "Revenir à «\u00a0Mes délégations\u00a0»", False)],
            reason=error.reason,
        )

    def _refused(self, visit: Visit, error: Refused, typed: Typed, then: str) -> web.Response:
        actions = [(self.url(""), "Revenir à «\u00a0Mes délégations\u00a0»", False)]
        if error.reason is Reason.LEVEL_TOO_LOW:
            actions.insert(0, (step_up(visit, then), "Confirmer que c'est bien moi", False))
        return visit.message(
            "Vous ne pouvez pas gérer de délégations ici",
            error.sentence,
            status=403,
            actions=actions,
            reason=error.reason,
            typed=typed.fields,
        )
