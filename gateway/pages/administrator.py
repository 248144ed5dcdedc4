"""Who administers, as pages and API find out: by the roles of the account that is signed in.

* Nobody signed in is asked to sign in; somebody without a role gets the page of an address that does not exist.
* Who has a role proves it by one of the means left to administrators (G59): a session opened by less is stepped up.
* What lies outside one's reach gets the very page of an unknown address (R87): nothing tells the two apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, NotThere, NotYours, Refused
from gateway.identity import Assurance
from gateway.pages.base import ForeignForm, Handler, Visit, go
from gateway.reasons import Reason

Work = Callable[[Visit, Actor], Awaitable[web.StreamResponse]]


def actor_of(visit: Visit) -> Actor | None:
    """Who acts; ``None`` when nobody is signed in, or somebody without a role."""
    account = visit.account
    if account is None or visit.session is None or not account.grants:
        return None
    name = f"{account.given_name} {account.family_name}".strip()
    return Actor(account.id, name, account.grants, address=visit.client, correlation=visit.request_id)


def weak(visit: Visit) -> bool:
    """Whether the session was not opened, or stepped up, by a means left to administrators (G59)."""
    session = visit.session
    return (
        session is None or session.assurance < Assurance.SUBSTANTIAL or session.method not in visit.house.admin_methods
    )


def entrance(visit: Visit, then: str) -> web.Response | None:
    """``None`` when the visitor may come in; otherwise the way there. ``then``: where to come back, below the prefix.

    Raises ``HTTPNotFound`` for somebody without a role: to them there is no administration.
    """
    prefix = visit.house.prefix
    if visit.session is None or visit.account is None:
        return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={quote(prefix + then)}")
    if not visit.account.grants:
        raise web.HTTPNotFound
    if weak(visit):
        return go(f"{prefix}/step-up?then={quote(then)}&level=strong")
    return None


def administered(work: Work) -> Handler:
    """A page of administration: lets in who may come, and turns what is refused into pages.

    Pages catch ``Faulty`` and ``ChangedMeanwhile`` themselves where a form can be shown again; here is what remains.
    """

    async def handler(visit: Visit) -> web.StreamResponse:
        request = visit.request
        address = request.rel_url.raw_path_qs
        if request.method == "POST":  # whoever comes back finds the page of the form, which lies above its action
            address = request.rel_url.raw_path.rpartition("/")[0]
        then = address.removeprefix(visit.house.prefix)
        answer = entrance(visit, then)
        if answer is not None:
            return answer if request.method == "GET" else await _late(visit, then)
        actor = actor_of(visit)
        assert actor is not None  # noqa: S101 - the entrance lets nobody else in
        await visit.house.rules.catch_up()
        try:
            return await work(visit, actor)
        except NotThere:
            raise web.HTTPNotFound from None
        except Refused as refused:
            back = f"{visit.house.prefix}{then}" if request.method == "POST" else f"{visit.house.prefix}/admin"
            return refusal(visit, refused, back)

    return handler


def refusal(visit: Visit, refused: Refused, back: str, typed: Mapping[str, str] | None = None) -> web.Response:
    """The page of an act that was not done, for pages that have no form to show again."""
    title, status = "Cette action n'a pas été faite", 403
    lines = [refused.sentence]
    if isinstance(refused, NotYours):
        title = "Cette action ne vous est pas ouverte"
    elif isinstance(refused, ChangedMeanwhile):
        title, status = "Modifié entre-temps", 409
        lines.append("Revenez à la page pour voir ce qui a changé, puis recommencez.")
    elif isinstance(refused, Faulty):
        status = 422
        lines = [sentence for sentences in refused.faults.values() for sentence in sentences]
    return visit.message(
        title, *lines, status=status, actions=[(back, "Revenir", False)], reason=refused.reason, typed=typed
    )


async def _late(visit: Visit, then: str) -> web.Response:
    """A form sent after the session's end, or after its proof no longer counts: refused, with what was typed."""
    prefix = visit.house.prefix
    try:
        typed = {} if visit.request.content_type.startswith("multipart/") else await visit.form()
    except ForeignForm as form:
        typed = dict(form.fields)
    if visit.session is None:
        title, way = "Votre session est fermée", f"{prefix}/sign-in?return={quote(prefix + then)}"
        status, label = 401, "Se connecter"
    else:
        title, way = "Confirmez que c'est bien vous", f"{prefix}/step-up?then={quote(then)}&level=strong"
        status, label = 403, "Confirmer par carte ou e-CPS"
    return visit.message(
        title,
        "Rien n'a été enregistré.",
        status=status,
        actions=[(way, label, False)],
        reason=Reason.FORM_EXPIRED if status == 401 else Reason.STEP_UP_NEEDED,
        typed=typed,
    )
