"""Passkeys: the way in, and one's own list of them under « Mon compte ».

* Adding one takes a fresh card or e-CPS, removing one a fresh proof of any strong kind (R96). A name is free.
* The options of a ceremony travel in the page; the browser's answer comes back in a form, with the id of its attempt,
  which is used once and in its browser alone.
* Without script nobody can use a passkey: the pages say so and lead back to the other means.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import quote

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.passkeys import MOST, NAME_LENGTH, Passkey, PasskeyRegister, clean_name, reference_of
from gateway.audit import Act, Record
from gateway.identity import Assurance, Method, Proof
from gateway.pages.arrival import arrive
from gateway.pages.attempts import Attempts
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.entrance import Entrance
from gateway.pages.house import House
from gateway.pages.stepup import need_fresh
from gateway.pages.words import MEANS
from gateway.providers.base import Attempt, Rejected, Reply
from gateway.providers.passkey import Passkeys
from gateway.reasons import Reason, Taken

_HERE = "/account/passkeys"
_ADD = f"{_HERE}/add"
_ENROL = "passkey-enrol"  # the name of attempts that add a passkey: no sign-in begins with one
_SAID = {
    "added": "Votre clé d'accès est ajoutée. Elle peut servir dès la prochaine connexion.",
    "removed": "La clé d'accès est retirée. Effacez-la aussi dans l'appareil ou le gestionnaire qui la gardait.",
    "renamed": "Le nom est enregistré.",
}
_NO_NAME = f"Donnez un nom de 1 à {NAME_LENGTH}\u00a0caractères."
_LATE = "La demande a attendu trop longtemps."
_REFUSED = {
    "late": _LATE,
    "empty": "Le navigateur n'a rien transmis. Les clés d'accès ont besoin de JavaScript.",
    "verification": "L'appareil n'a pas vérifié que c'était vous. Activez son code, son empreinte ou la reconnaissance du "
    "visage.",
    "counter": "Cette clé d'accès semble exister en deux exemplaires. Par prudence, retirez-la dans «\u00a0Mon compte\u00a0» "
    "après une connexion par carte CPS ou e-CPS.",
}
_UNKNOWN = (
    "Cette clé d'accès n'est liée à aucun compte. Elle a peut-être été retirée\u00a0: effacez-la de votre appareil, puis "
    "ajoutez-en une autre dans «\u00a0Mon compte\u00a0»."
)


class PasskeyPages:
    """The pages; made only where passkeys are a means."""

    def __init__(self, house: House, provider: Passkeys, register: PasskeyRegister) -> None:
        self._house = house
        self._provider = provider
        self._register = register
        self._entrance = Entrance(house)
        self._attempts = Attempts(house.store, house.ambient)

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/sign-in/passkey", self.start),
            ("POST", "/sign-in/passkey", self.sign_in),
            ("GET", _HERE, self.page),
            ("POST", _HERE, self.add),
            ("GET", _ADD, self.add_page),
            ("POST", f"{_HERE}/rename", self.rename),
            ("POST", f"{_HERE}/remove", self.remove),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    # Signing in

    async def start(self, visit: Visit) -> web.StreamResponse:
        attempt = await self._entrance.open(visit, "passkey", visit.request.query)
        form = await self._provider.begin(attempt, visit.now)
        await self._attempts.keep(self._attempts.remember(attempt, form.memory))
        return visit.page(
            "passkey_sign_in",
            options=form.facts["options"],
            attempt=attempt.id,
            life=self._life(),
            other=self._other_means(attempt),
        )

    async def sign_in(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        pending = await self._attempts.read(fields.get("attempt", ""))
        if pending is None or pending.method != "passkey" or pending.browser != visit.browser:
            return self._entrance.lost(visit, Reason.WRONG_BROWSER if pending else Reason.ATTEMPT_UNKNOWN)
        attempt = await self._attempts.take(pending.id)
        if attempt is None:
            return self._entrance.lost(visit, Reason.ATTEMPT_UNKNOWN)
        reply = Reply(fields, address=visit.client, correlation=visit.request_id)
        outcome = await self._provider.complete(attempt, reply, visit.now)
        if isinstance(outcome, Proof):
            return await arrive(visit, attempt, outcome)
        await self._house.audit.record(
            Record(
                Act.SIGN_IN_REFUSED,
                visit.now,
                reason=outcome.reason,
                address=visit.client,
                correlation=visit.request_id,
                facts={"method": "passkey", **outcome.evidence},
            )
        )
        return self._not_in(visit, attempt, outcome)

    def _not_in(self, visit: Visit, attempt: Attempt, no: Rejected) -> web.Response:
        why = _REFUSED.get(no.evidence.get("why", ""), "La réponse de votre appareil n'a pas pu être acceptée.")
        again = f"{self._house.prefix}/sign-in/passkey?{_place(attempt)}"
        return visit.message(
            "La connexion par clé d'accès n'a pas abouti",
            _UNKNOWN if no.reason is Reason.PASSKEY_UNKNOWN else why,
            "Vous pouvez réessayer, ou choisir un autre moyen de connexion.",
            status=403,
            actions=[(again, "Réessayer", False), (self._other_means(attempt), "Choisir un autre moyen", False)],
            reason=no.reason,
        )

    def _other_means(self, attempt: Attempt) -> str:
        return f"{self._house.prefix}/sign-in?{_place(attempt)}"

    def _life(self) -> int:
        """How many seconds a page may wait before its challenge is too old; a little less than the provider allows."""
        return max(10, int(self._provider.challenge_life.total_seconds()) - 15)

    # One's own passkeys

    async def page(self, visit: Visit) -> web.StreamResponse:
        if visit.account is None:
            return self._nobody()
        return await self._show(visit, visit.account, notice=_SAID.get(visit.request.query.get("said", ""), ""))

    async def _show(
        self, visit: Visit, account: Account, *, notice: str = "", problem: str = "", status: int = 200
    ) -> web.Response:
        mine = await self._register.list(account.id)
        return visit.page(
            "passkeys",
            status=status,
            adding=False,
            passkeys=[_shown(one, visit) for one in mine],
            full=len(mine) >= MOST,
            most=MOST,
            name_length=NAME_LENGTH,
            notice=notice,
            problem=problem,
        )

    async def add_page(self, visit: Visit) -> web.StreamResponse:
        """The creation options, in a page; they are good for one answer."""
        account = visit.account
        if account is None:
            return self._nobody()
        if (refused := await self._refused(visit, account)) is not None:
            return refused
        mine = await self._register.list(account.id)
        if len(mine) >= MOST:
            return self._full(visit)
        options, memory = self._provider.enrol_options(account, mine, visit.now)
        assert visit.session is not None  # noqa: S101 - fresh, as seen above
        attempt = await self._attempts.open(
            visit.browser_id(), visit.session.space, "/", _ENROL, visit.client, visit.now
        )
        await self._attempts.keep(self._attempts.remember(attempt, memory))
        return visit.page(
            "passkeys",
            adding=True,
            options=options,
            attempt=attempt.id,
            life=self._life(),
            name_length=NAME_LENGTH,
            notice="",
            problem="",
        )

    async def add(self, visit: Visit) -> web.StreamResponse:
        """What the device made becomes a means of the account."""
        fields = await visit.form()
        house, account, now = self._house, visit.account, visit.now
        if account is None:
            return self._nobody()
        if (refused := await self._refused(visit, account)) is not None:
            return refused
        pending = await self._attempts.read(fields.get("attempt", ""))
        if pending is None or pending.method != _ENROL or pending.browser != visit.browser:
            return self._not_added(visit, Reason.ATTEMPT_UNKNOWN, _LATE)
        attempt = await self._attempts.take(pending.id)
        if attempt is None:  # clicked twice: the other request adds it
            return self._not_added(visit, Reason.ATTEMPT_UNKNOWN, "Cette page a déjà servi.")
        name = fields.get("name", "")
        made = self._provider.enrol(account, attempt.memory, fields.get("credential", ""), name, now)
        if isinstance(made, Rejected):
            why = made.evidence.get("why", "")
            said = _REFUSED.get(why, "La réponse de votre appareil n'a pas pu être acceptée.")
            return self._not_added(visit, made.reason, said, why=why)
        if await self._register.count(account.id) >= MOST:
            return self._full(visit)
        await self._record(visit, account, Act.MEANS_ADDED, reference_of(made.id))
        try:
            added = await self._register.add(account.id, made, now)
        except Taken:
            said = "Cette clé d'accès est déjà enregistrée."
            return self._not_added(visit, Reason.PASSKEY_REFUSED, said, why="taken")
        if not added:  # another tab added the tenth at this instant
            return self._full(visit)
        await house.changed(account.id)
        mail = texts.means_added_mail(MEANS[Method.PASSKEY], now, zone=visit.zone)
        house.notices.post(account, mail, "notice", visit.request_id)
        return go(f"{house.prefix}{_HERE}?said=added")

    async def rename(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        account = visit.account
        if account is None:
            return self._nobody()
        name = clean_name(fields.get("name", ""))
        if not name:
            visit.log(Reason.BAD_INPUT, 422)
            return await self._show(visit, account, problem=_NO_NAME, status=422)
        passkey = await self._named(account, fields)
        if passkey is not None and await self._register.rename(account.id, passkey.id, name):
            return go(f"{self._house.prefix}{_HERE}?said=renamed")
        return go(self._house.prefix + _HERE)  # removed in another tab: the list says so

    async def remove(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        house, account, now = self._house, visit.account, visit.now
        if account is None:
            return self._nobody()
        if (wait := await need_fresh(visit, _HERE)) is not None:
            return wait
        passkey = await self._named(account, fields)
        if passkey is not None:
            await self._record(visit, account, Act.MEANS_REMOVED, passkey.reference)
            await self._register.remove(account.id, passkey.id)
            await house.changed(account.id)
            mail = texts.means_removed_mail(MEANS[Method.PASSKEY], now, zone=visit.zone)
            house.notices.post(account, mail, "notice", visit.request_id)
        return go(f"{house.prefix}{_HERE}?said=removed")

    async def _named(self, account: Account, fields: Mapping[str, str]) -> Passkey | None:
        """The passkey of this account that a form is about."""
        wanted = fields.get("id", "")
        return next((one for one in await self._register.list(account.id) if one.reference == wanted), None)

    async def _record(self, visit: Visit, account: Account, act: Act, reference: str) -> None:
        facts = {"means": "passkey", "credential": reference[:8]}
        await self._house.audit.record(
            Record(act, visit.now, account.id, address=visit.client, correlation=visit.request_id, facts=facts)
        )

    # What is told instead

    def _nobody(self) -> web.Response:
        prefix = self._house.prefix
        return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={prefix}{_HERE}")

    async def _refused(self, visit: Visit, account: Account) -> web.Response | None:
        """Why this person cannot add one now: not accepted where they work, or not fresh enough."""
        allowed = self._house.rules.methods(account, visit.now)
        if allowed is not None and Method.PASSKEY not in allowed:
            return visit.message(
                "Les clés d'accès ne sont pas acceptées ici",
                "Votre établissement n'accepte pas ce moyen de connexion. Celles que vous avez restent dans votre compte.",
                status=403,
                actions=[self._back()],
                reason=Reason.METHOD_DISABLED,
            )
        return await need_fresh(visit, _ADD, least=Assurance.SUBSTANTIAL)

    def _not_added(self, visit: Visit, reason: Reason, said: str, *, why: str = "") -> web.Response:
        visit.log(reason, 403, **({"why": why} if why else {}))
        again = (f"{self._house.prefix}{_ADD}", "Recommencer", False)
        return visit.page(
            "message",
            status=403,
            title="La clé d'accès n'a pas été ajoutée",
            lines=(said, "Si votre appareil l'a gardée, effacez-la de ses réglages avant de recommencer."),
            actions=[SimpleNamespace(url=url, label=label, post=post) for url, label, post in (again, self._back())],
            reference=visit.reference,
            typed=(),
        )

    def _full(self, visit: Visit) -> web.Response:
        return visit.message(
            f"Votre compte a déjà {MOST}\u00a0clés d'accès",
            "Retirez-en une qui ne sert plus avant d'en ajouter une autre.",
            status=403,
            actions=[(self._house.prefix + _HERE, "Revenir à mes clés d'accès", False)],
            reason=Reason.BAD_INPUT,
        )

    def _back(self) -> tuple[str, str, bool]:
        return self._house.prefix + _HERE, "Revenir à mes clés d'accès", False


def _place(attempt: Attempt) -> str:
    return f"space={attempt.space.value}&return={quote(attempt.return_to, safe='/')}"


def _shown(one: Passkey, visit: Visit) -> SimpleNamespace:
    """A passkey as its holder reads it."""
    used = texts.moment(one.last_used_at, zone=visit.zone) if one.last_used_at else "jamais"
    return SimpleNamespace(
        reference=one.reference,
        name=one.name,
        added=texts.day(one.created_at, zone=visit.zone),
        used=used,
        shared=one.backed_up,
    )
