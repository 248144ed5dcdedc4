"""What every page shares: its collaborators, who asks, the form token, the answer's headers, the error boundary.

* Who the client is comes from the headers that the door stamps (``request``); pages look at nothing else for it.
* A form is accepted from the browser it was given to: its hidden token is bound to the browser's cookie, and
  ``Origin`` or ``Sec-Fetch-Site`` must not say otherwise (H4). Tabs opened at the same instant each make a cookie and
  the last one stays: the tokens of the others are still ours, and count when the browser itself says "same origin".
* Each answer is ``no-store`` and carries the security headers; each refusal has a reference found in the log (R155).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway import html, texts
from gateway.accounts.account import Account, Standing
from gateway.answer import reference_of
from gateway.delegations.context import Context
from gateway.pages.house import HOUSE, House
from gateway.pages.regions import Region
from gateway.reasons import GatewayError, Reason
from gateway.session.keeper import digest_of
from gateway.session.model import Session

SESSION, BROWSER, REGION = "__Host-vtgw", "__Host-vtgw-browser", "__Host-vtgw-region"
LAST = "__Host-vtgw-last"  # the means last used in this browser: a convenience, and says nothing of who
BROWSER_LIFE = 400 * 86400
_TOUCH_STEP = timedelta(seconds=15)
# Typed text worth showing again when a form is refused; everything else may be a secret (lesson 17).
_SHOWN_AGAIN = {
    "email": "Email",
    "phone": "Téléphone",
    "address": "Adresse",
    "postal_code": "Code postal",
    "city": "Ville",
    "name": "Nom",
    "family_name": "Nom",
    "given_name": "Prénom",
    "mail": "Email",
    "reason": "Motif",
    "profession": "Profession",
    "start": "Premier jour",
    "end": "Dernier jour",
}
_ALIKE = frozenset({"sign_in", "code"})  # pages that must be equal to the letter, whatever was wrong (R55, R81)
_log = structlog.get_logger("gateway.pages")


@dataclass(slots=True)
class Visit:
    """One request to a page, and who makes it."""

    house: House
    request: web.Request
    now: datetime
    client: str
    request_id: str
    browser: str | None  # digest of the browser's cookie
    session: Session | None = None
    account: Account | None = None
    acting: Context | None = None  # for whom, when not for themselves (R129)
    new_browser: str | None = None  # a cookie to set with the answer
    logged: bool = False  # whether this refusal stands in the log under its reference

    @property
    def reference(self) -> str:
        return reference_of(self.request_id)

    def browser_id(self) -> str:
        """The digest that names this browser; makes its cookie when it has none."""
        if self.browser is None:
            self.new_browser = self.house.ambient.token(32)
            self.browser = hashlib.sha256(self.new_browser.encode()).hexdigest()
        return self.browser

    def csrf(self) -> str:
        """The token of a form given to this browser: who it was given to, and our word for it."""
        who = self.browser_id()[:32]
        return f"{who}.{self._word(who)}"

    def _word(self, who: str) -> str:
        return hmac.new(self.house.csrf_key, who.encode(), "sha256").hexdigest()[:32]

    def certificate(self) -> bytes | None:
        """The certificate the door hands over (RFC 9440), as DER."""
        value = self.request.headers.get("client-cert", "")
        if len(value) < 3 or not value.startswith(":") or not value.endswith(":"):
            return None
        return base64.b64decode(value[1:-1])

    @property
    def region(self) -> Region:
        account = self.account  # who works nowhere may look after a place
        scopes = (*account.scopes, *(grant.scope for grant in account.grants)) if account else ()
        return self.house.regions.of(self.request.cookies.get(REGION), scopes, self.house.rules.above)

    @property
    def zone(self) -> ZoneInfo:
        """The hour people read here (R154)."""
        return self.region.zone

    def page(self, template: str, *, status: int = 200, **facts: Any) -> web.Response:
        banner = self.house.rules.banner(self.account, self.now) if self.account else ""
        page = frame(
            self.house, self.region, csrf=self.csrf(), account=self.account, banner=banner, keepalive=self._keepalive()
        )
        if self.account is not None:  # the teams an establishment names for its people come first (R91)
            page.contacts = (*self.house.rules.contacts(self.account, self.now), *page.contacts)
            page.acting = self._acting()
        if status >= 400:  # R155: a page that says no says under which reference the log knows it
            if not self.logged:
                self.log(Reason.BAD_INPUT, status)
            page.reference = "" if template in _ALIKE or facts.get("reference") else self.reference
        text = html.render(template, page=page, **facts)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def _acting(self) -> SimpleNamespace | None:
        """For whom this session acts, as every page says it (R129)."""
        context = self.acting
        if context is None:
            return None
        last = context.last  # a day of where delegations are counted, also for who reads elsewhere
        day = texts.day(last, zone=last.tzinfo) if last is not None and isinstance(last.tzinfo, ZoneInfo) else ""
        return SimpleNamespace(doctor=context.doctor, stands=context.refusal is None, until=day)

    def _keepalive(self) -> SimpleNamespace | None:
        """What a page needs to warn before the idle end (G82)."""
        session = self.session
        if session is None:
            return None
        idle = min(session.seen_at + session.lifetimes.idle, session.ends_at)
        return SimpleNamespace(
            warn=int(self.house.warn.total_seconds()),
            idle_at=int(idle.timestamp() * 1000),
            ends_at=int(session.ends_at.timestamp() * 1000),
            now=int(self.now.timestamp() * 1000),
            until=texts.clock(session.ends_at, zone=self.zone),
        )

    def message(
        self,
        title: str,
        *lines: str,
        status: int = 200,
        actions: Sequence[tuple[str, str, bool]] = (),
        reason: Reason | None = None,
        typed: Mapping[str, str] | None = None,
    ) -> web.Response:
        """A page that says something; with a reason it is a refusal, logged under the reference shown. ``typed``: the
        fields of a form that could not be taken, so that nothing a person wrote is lost."""
        if reason is not None:
            self.log(reason, status)
        shown = [SimpleNamespace(url=url, label=label, post=post) for url, label, post in actions]
        reference = self.reference if reason is not None else ""
        kept = [(label, (typed or {})[name]) for name, label in _SHOWN_AGAIN.items() if (typed or {}).get(name)]
        return self.page(
            "message", status=status, title=title, lines=lines, actions=shown, reference=reference, typed=kept
        )

    def log(self, reason: Reason, status: int, **facts: str) -> None:
        self.logged = True
        _log.info(
            "refused",
            reason=reason.value,
            status=status,
            reference=self.reference,
            correlation=self.request_id,
            client=self.client,
            path=self.request.path,
            **facts,
        )

    async def form(self) -> dict[str, str]:
        """The posted fields, once the form is known to come from this browser; raises ``ForeignForm``."""
        try:
            data = await self.request.post()
            for value in data.values():
                if isinstance(value, str):
                    value.encode()  # half a character is nobody's text
        except (
            ValueError,
            LookupError,
            AssertionError,
            RuntimeError,
            HttpProcessingError,
        ) as error:  # charset, boundary, bytes
            raise web.HTTPBadRequest from error
        fields = {name: value for name, value in data.items() if isinstance(value, str)}
        self.check(fields.get("csrf", ""), fields)
        return fields

    def check(self, token: str, fields: Mapping[str, str]) -> None:
        """Raise ``ForeignForm`` (with these fields) unless this token was given to this browser, and the browser does
        not say that another site asks (H4)."""
        origin = self.request.headers.get("Origin")
        own = f"{self.request.headers.get('vtgw-scheme', '')}://{self.request.headers.get('vtgw-host', '')}"
        site = self.request.headers.get("Sec-Fetch-Site")
        foreign = origin is not None and origin not in (self.house.public_url, own)
        if foreign or site not in (None, "same-origin", "none"):
            raise ForeignForm(fields)
        who, _, word = token.partition(".")
        if not hmac.compare_digest(word.encode(), self._word(who).encode()):
            raise ForeignForm(fields)
        if self.browser is None:
            raise ForeignForm(fields, Reason.COOKIES_REFUSED)
        said_same = site == "same-origin" or (site is None and origin is not None)
        if not hmac.compare_digest(who.encode(), self.browser[:32].encode()) and not said_same:
            raise ForeignForm(fields)


class ForeignForm(Exception):
    """A form that was not given to this browser, or whose cookie did not come back with it."""

    def __init__(self, fields: Mapping[str, str], reason: Reason = Reason.CSRF) -> None:
        super().__init__(reason.value)
        self.fields = fields
        self.reason = reason


def frame(
    house: House,
    region: Region,
    *,
    csrf: str = "",
    account: Account | None = None,
    banner: str = "",
    keepalive: SimpleNamespace | None = None,
) -> SimpleNamespace:
    """What is around every page: region, contacts, links, who is signed in."""

    def static(name: str) -> str:
        return f"{house.prefix}/static/{name}?v={html.static(name)[1]}"

    return SimpleNamespace(
        prefix=house.prefix,
        csrf=csrf,
        static=static,
        account=account,
        region=house.regions.shown(region),
        links=region.links,
        contacts=region.contacts,
        banner=banner,
        keepalive=keepalive,
        acting=None,
        accessibility=house.accessibility,
        reference="",
    )


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


async def visit_of(request: web.Request, *, quiet: bool = False) -> Visit:
    """Who asks: client as the door says, browser by its cookie, session by its ticket. Being here is activity, unless
    the page only asks how long it may stay (``quiet``)."""
    house = request.app[HOUSE]
    now = house.ambient.now()
    cookie = request.cookies.get(BROWSER, "")
    browser = hashlib.sha256(cookie.encode()).hexdigest() if 20 <= len(cookie) <= 100 else None
    visit = Visit(
        house,
        request,
        now,
        request.headers.get("vtgw-client", ""),
        request.headers.get("vtgw-request-id", "0" * 32),
        browser,
    )
    ticket = request.cookies.get(SESSION, "")
    if ticket:
        session = await house.keeper.resume(digest_of(ticket), now)
        if session is not None:
            account = await house.register.by_id(session.account)
            if account is not None and account.standing(now, house.dormancy) in (Standing.OPEN, Standing.DORMANT):
                visit.account = account
                visit.session = session if quiet else await _touched(house, session, now)
                visit.acting = await house.contexts.of(visit.session, account, now)
    return visit


async def _touched(house: House, session: Session, now: datetime) -> Session:
    if now - session.seen_at < _TOUCH_STEP:
        return session
    await house.keeper.touch(session, now)
    return replace(session, seen_at=max(now, session.seen_at))


def handle(work: Handler, *, quiet: bool = False) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A page: finds out who asks, does the work, turns accidents into pages, sets headers and the browser's cookie."""

    async def handler(request: web.Request) -> web.StreamResponse:
        visit: Visit | None = None
        try:
            visit = await visit_of(request, quiet=quiet)
            answer = await work(visit)
        except ForeignForm as form:
            assert visit is not None  # noqa: S101 - raised by the work alone
            answer = _foreign(visit, form)
        except GatewayError as error:
            visit = _nameless(request, visit)
            _log.warning("dependency down", reason=error.reason.value, error=str(error), correlation=visit.request_id)
            answer = unavailable(visit, error.reason)
        except web.HTTPException:
            raise
        except Exception as error:  # a fault of ours: one page, one line, and everybody else goes on (G3)
            visit = _nameless(request, visit)
            _log.exception("page failed", error=type(error).__name__, correlation=visit.request_id, path=request.path)
            answer = unavailable(visit, Reason.INTERNAL)
        dress(request, answer, visit)
        return answer

    return handler


def _nameless(request: web.Request, visit: Visit | None) -> Visit:
    """The visit without who makes it: for pages that must not depend on what just failed."""
    house = request.app[HOUSE]
    correlation = request.headers.get("vtgw-request-id", "0" * 32)
    visit = visit or Visit(house, request, house.ambient.now(), "", correlation, None)
    visit.account = visit.session = visit.acting = None
    return visit


def unavailable(visit: Visit, reason: Reason) -> web.Response:
    """Something did not answer: nobody was signed out by that (R7)."""
    answer = visit.message(
        "Le service est momentanément indisponible",
        "Réessayez dans quelques instants. Vous n'avez pas été déconnecté.",
        status=503,
        reason=reason,
    )
    answer.headers["Retry-After"] = "5"
    return answer


def _foreign(visit: Visit, form: ForeignForm) -> web.Response:
    actions = [(f"{visit.house.prefix}/sign-in", "Recommencer", False)]
    if form.reason is Reason.COOKIES_REFUSED:
        return visit.message(
            "Votre navigateur n'a pas gardé le cookie de connexion",
            "Autorisez les cookies de ce site (ils ne servent qu'à la connexion), puis recommencez.",
            status=403,
            actions=actions,
            reason=form.reason,
            typed=form.fields,
        )
    return visit.message(
        "Ce formulaire n'est plus valable",
        "La page est restée ouverte trop longtemps, ou a été ouverte dans un autre navigateur. Rien n'a été enregistré.",
        status=403,
        actions=actions,
        reason=form.reason,
        typed=form.fields,
    )


def dress(request: web.Request, answer: web.StreamResponse, visit: Visit | None) -> None:
    """Security headers on every own answer (H1, H2), and the browser's cookie if it is new."""
    house = request.app[HOUSE]
    headers = answer.headers
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    targets = " ".join(["'self'", *house.form_targets])
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
        f"base-uri 'none'; form-action {targets}; frame-ancestors 'none'"
    )
    if request.headers.get("vtgw-scheme") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if visit is not None and visit.new_browser is not None:
        set_cookie(answer, BROWSER, visit.new_browser, BROWSER_LIFE)


def set_cookie(answer: web.StreamResponse, name: str, value: str, life: int | None = None) -> None:
    """One of our cookies: ``__Host-`` rules, HttpOnly, SameSite=Lax (R144)."""
    answer.set_cookie(name, value, max_age=life, path="/", secure=True, httponly=True, samesite="Lax")


def go(url: str) -> web.Response:
    """303: whatever was done, the next page is a GET."""
    return web.Response(status=303, headers={"Location": url})
