"""What every page shares: its collaborators, who asks, the form token, the answer's headers, the error boundary.

* Who the client is comes from the headers that the door stamps (``request``); pages look at nothing else for it.
* A form is accepted from the browser it was given to: its hidden token is bound to the browser's cookie, and
  ``Origin`` or ``Sec-Fetch-Site`` must not say otherwise (H4).
* Each answer is ``no-store`` and carries the security headers; each refusal has a reference found in the log (R155).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol

import structlog
from aiohttp import web

from gateway import html
from gateway.accounts.account import Account
from gateway.accounts.password import Passwords
from gateway.accounts.register import Register
from gateway.answer import reference_of
from gateway.identity import Space
from gateway.ports import Ambient, Audit, Sender, Store
from gateway.providers.base import Provider
from gateway.reasons import GatewayError, Reason
from gateway.session.keeper import Keeper, digest_of
from gateway.session.model import Lifetimes, Session

SESSION, BROWSER = "__Host-vtgw", "__Host-vtgw-browser"
_BROWSER_LIFE = 400 * 86400
# Mailboxes that several people read (R20).
GENERIC_NAMES = frozenset(
    {
        "accueil",
        "secretariat",
        "secrétariat",
        "contact",
        "direction",
        "admission",
        "admissions",
        "ehpad",
        "info",
        "infos",
    }
)
_log = structlog.get_logger("gateway.pages")


class Rules(Protocol):
    """The policy in force, for pages."""

    def strong(self, account: Account, now: datetime) -> bool: ...

    def lifetimes(self, account: Account, now: datetime, *, shared: bool) -> Lifetimes: ...


class SignOutElsewhere(Protocol):
    """A provider whose own session ends with ours (R44)."""

    async def end_session_url(self, id_token: str, state: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Charter:
    """The charter in force: its version, its text (trusted HTML) and the hash of that text."""

    version: str
    text: str

    @property
    def stamp(self) -> str:
        """Version and hash, as an acceptance records them (R27)."""
        return f"{self.version} {hashlib.sha256(self.text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Contact:
    """Who helps, for which topics (R158)."""

    label: str
    url: str
    topics: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything the pages work with; filled by the composition root."""

    prefix: str
    public_url: str
    card_urls: Sequence[str]
    form_targets: Sequence[str]  # origins a form's answer may lead to (Chromium applies form-action to redirects)
    ambient: Ambient
    store: Store
    keeper: Keeper
    register: Register
    providers: Mapping[str, Provider]
    methods: Mapping[Space, Sequence[str]]
    default_space: Space
    card_direct: bool
    passwords: Passwords
    rules: Rules
    audit: Audit
    mail: Sender | None
    charter: Charter
    links: Any
    contacts: Sequence[Contact]
    physicians: frozenset[str]
    required_fields: frozenset[str]
    generic_mailbox: str
    least_bits: float
    dormancy: timedelta
    proof_life: timedelta
    form_life: timedelta
    reset_life: timedelta
    csrf_key: bytes
    seal: Callable[[str], str]
    unseal: Callable[[str], str | None]
    key_set: Callable[[], bytes]
    changed: Callable[[str], Awaitable[None]]  # tells all workers that an account changed
    sign_out_elsewhere: SignOutElsewhere | None = None
    generic_names: frozenset[str] = GENERIC_NAMES


HOUSE = web.AppKey("house", House)


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
    new_browser: str | None = None  # a cookie to set with the answer

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
        return hmac.new(self.house.csrf_key, self.browser_id().encode(), "sha256").hexdigest()

    def certificate(self) -> bytes | None:
        """The certificate the door hands over (RFC 9440), as DER."""
        value = self.request.headers.get("client-cert", "")
        if len(value) < 3 or not value.startswith(":") or not value.endswith(":"):
            return None
        return base64.b64decode(value[1:-1])

    def page(self, template: str, *, status: int = 200, **facts: Any) -> web.Response:
        house = self.house

        def static(name: str) -> str:
            return f"{house.prefix}/static/{name}?v={html.static(name)[1]}"

        page = SimpleNamespace(
            prefix=house.prefix,
            csrf=self.csrf(),
            static=static,
            account=self.account,
            links=house.links,
            contacts=house.contacts,
        )
        text = html.render(template, page=page, **facts)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def message(
        self,
        title: str,
        *lines: str,
        status: int = 200,
        actions: Sequence[tuple[str, str, bool]] = (),
        reason: Reason | None = None,
    ) -> web.Response:
        """A page that says something; with a reason it is a refusal, logged under the reference shown."""
        if reason is not None:
            self.log(reason, status)
        shown = [SimpleNamespace(url=url, label=label, post=post) for url, label, post in actions]
        reference = self.reference if reason is not None else ""
        return self.page("message", status=status, title=title, lines=lines, actions=shown, reference=reference)

    def log(self, reason: Reason, status: int, **facts: str) -> None:
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
        data = await self.request.post()
        fields = {name: value for name, value in data.items() if isinstance(value, str)}
        origin = self.request.headers.get("Origin")
        own = f"{self.request.headers.get('vtgw-scheme', '')}://{self.request.headers.get('vtgw-host', '')}"
        site = self.request.headers.get("Sec-Fetch-Site", "same-origin")
        foreign = origin is not None and origin not in (self.house.public_url, own)
        known = self.browser is not None and hmac.compare_digest(fields.get("csrf", "").encode(), self.csrf().encode())
        if foreign or site not in ("same-origin", "none") or not known:
            raise ForeignForm
        return fields


class ForeignForm(Exception):
    """A form that was not given to this browser."""


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


async def visit_of(request: web.Request) -> Visit:
    """Who asks: client as the door says, browser by its cookie, session by its ticket."""
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
            visit.account = await house.register.by_id(session.account)
            visit.session = session if visit.account is not None else None
    return visit


def handle(work: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A page: finds out who asks, does the work, turns accidents into pages, sets headers and the browser's cookie."""

    async def handler(request: web.Request) -> web.StreamResponse:
        visit: Visit | None = None
        try:
            visit = await visit_of(request)
            answer = await work(visit)
        except ForeignForm:
            assert visit is not None  # noqa: S101 - raised by the work alone
            answer = visit.message(
                "Ce formulaire n'est plus valable",
                "La page est restée ouverte trop longtemps, ou a été ouverte dans un autre navigateur.",
                status=403,
                actions=[(f"{visit.house.prefix}/sign-in", "Recommencer", False)],
                reason=Reason.CSRF,
            )
        except GatewayError as error:
            house = request.app[HOUSE]
            visit = visit or Visit(
                house, request, house.ambient.now(), "", request.headers.get("vtgw-request-id", ""), None
            )
            visit.account = None
            _log.warning("dependency down", reason=error.reason.value, error=str(error), correlation=visit.request_id)
            answer = visit.message(
                "Le service est momentanément indisponible",
                "Réessayez dans quelques instants. Vous n'avez pas été déconnecté.",
                status=503,
                reason=error.reason,
            )
            answer.headers["Retry-After"] = "5"
        dress(request, answer, visit)
        return answer

    return handler


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
        f"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action {targets}; "
        "frame-ancestors 'none'"
    )
    if request.headers.get("vtgw-scheme") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if visit is not None and visit.new_browser is not None:
        set_cookie(answer, BROWSER, visit.new_browser, _BROWSER_LIFE)


def set_cookie(answer: web.StreamResponse, name: str, value: str, life: int | None = None) -> None:
    """One of our cookies: ``__Host-`` rules, HttpOnly, SameSite=Lax (R144)."""
    answer.set_cookie(name, value, max_age=life, path="/", secure=True, httponly=True, samesite="Lax")


def go(url: str) -> web.Response:
    """303: whatever was done, the next page is a GET."""
    return web.Response(status=303, headers={"Location": url})
