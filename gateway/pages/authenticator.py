"""The authenticator application under « Mon compte »: adding, removing, new recovery codes (R96).

Adding it takes a fresh card or e-CPS; accounts that never have one (made by a référent, R79) add it after a fresh code.
The secret not yet confirmed waits in the store, sealed, under browser and account: it never travels in a form. Secret
and recovery codes are shown once.
"""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account, Origin
from gateway.accounts.authenticator import DIGITS, Authenticators
from gateway.audit import Act, Record
from gateway.identity import Assurance
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.stepup import need_fresh
from gateway.reasons import Reason, Stale, StoreUnavailable, Taken

_HERE = "/account/authenticator"
_PENDING = timedelta(minutes=15)
_TURNS = 5
_LABEL = "application d'authentification"
_MALFORMED = f"Le code de l'application compte {DIGITS}\u00a0chiffres."
_WRONG = (
    "Ce code n'est pas le bon. Attendez le suivant dans l'application, et vérifiez que l'heure de votre téléphone est "
    "réglée automatiquement."
)
_TOO_OLD = "Cette page est restée ouverte trop longtemps. Scannez le nouveau QR code ci-dessous."
_ALREADY = "L'application est déjà active. Si vous n'avez pas pu noter vos codes de secours, demandez-en de nouveaux ci-dessous."


class AuthenticatorPages:
    """The pages of one's own application."""

    def __init__(self, house: House, authenticators: Authenticators) -> None:
        self._house = house
        self._authenticators = authenticators

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", _HERE, self.page),
            ("POST", _HERE, self.add),
            ("POST", f"{_HERE}/remove", self.remove),
            ("POST", f"{_HERE}/recovery", self.recovery),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def page(self, visit: Visit) -> web.StreamResponse:
        account = visit.account
        if account is None:
            return self._nobody()
        if await self._authenticators.enrolled(account.id):
            return await need_fresh(visit, _HERE) or await self._enrolled(visit, account)
        return await self._refused(visit, account) or await self._form(visit, account)

    async def add(self, visit: Visit) -> web.StreamResponse:
        """The first code of the application: it becomes a means of the account, and the recovery codes are shown."""
        fields = await visit.form()
        house, account, now = self._house, visit.account, visit.now
        if account is None:
            return self._nobody()
        if await self._authenticators.enrolled(account.id):  # « Valider » clicked twice, or another tab
            return await need_fresh(visit, _HERE) or await self._enrolled(visit, account, problem=_ALREADY, status=409)
        if (refused := await self._refused(visit, account)) is not None:
            return refused
        secret, typed = await self._pending(visit, account), fields.get("code", "")[:32]
        if secret is None:
            return await self._form(visit, account, problem=_TOO_OLD, status=422)
        digits = "".join(typed.split())
        if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
            visit.log(Reason.BAD_INPUT, 422)
            return await self._form(visit, account, typed=typed, faults=(_MALFORMED,), status=422)
        if not self._authenticators.right(secret, digits, now):
            visit.log(Reason.WRONG_CODE, 401)
            return await self._form(visit, account, faults=(_WRONG,), status=401)
        await self._record(visit, account, Act.MEANS_ADDED, "totp")
        try:
            codes = await self._authenticators.confirm(account.id, secret, digits, now)
        except Taken:
            return await self._enrolled(visit, account, problem=_ALREADY, status=409)
        assert codes is not None  # noqa: S101 - the code was right a moment ago, for the same instant
        notice = texts.means_added_mail(_LABEL, now, zone=visit.zone)
        house.notices.post(account, notice, "notice", visit.request_id)
        await house.changed(account.id)
        await self._forget(visit, account)
        return self._codes(visit, codes, added=True)

    async def remove(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        house, account, now = self._house, visit.account, visit.now
        if account is None:
            return self._nobody()
        if (wait := await need_fresh(visit, _HERE)) is not None:
            return wait
        if await self._authenticators.enrolled(account.id):
            await self._record(visit, account, Act.MEANS_REMOVED, "totp")
            await self._authenticators.remove(account.id)
            await house.changed(account.id)
            notice = texts.means_removed_mail(_LABEL, now, zone=visit.zone)
            house.notices.post(account, notice, "notice", visit.request_id)
        return go(f"{house.prefix}/account?said=means")

    async def recovery(self, visit: Visit) -> web.StreamResponse:
        """New recovery codes; the older ones stop working."""
        await visit.form()
        house, account, now = self._house, visit.account, visit.now
        if account is None:
            return self._nobody()
        if (wait := await need_fresh(visit, _HERE)) is not None:
            return wait
        if not await self._authenticators.enrolled(account.id):
            return go(house.prefix + _HERE)
        await self._record(visit, account, Act.MEANS_ADDED, "recovery")
        try:
            codes = await self._authenticators.renew_recovery(account.id, now)
        except Stale:  # removed in another tab at this instant
            return go(house.prefix + _HERE)
        await house.changed(account.id)
        notice = texts.means_added_mail("nouveaux codes de secours", now, zone=visit.zone)
        house.notices.post(account, notice, "notice", visit.request_id)
        return self._codes(visit, codes, added=False)

    # What is needed, and what is shown

    def _nobody(self) -> web.Response:
        prefix = self._house.prefix
        return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={prefix}{_HERE}")

    async def _refused(self, visit: Visit, account: Account) -> web.Response | None:
        """Why this person cannot add one now: not offered here, or not fresh enough."""
        if "totp" not in self._house.rules.channels(account, visit.now):
            return visit.message(
                "L'application d'authentification n'est pas proposée ici",
                "Vos codes de connexion vous parviennent par les autres moyens de votre compte.",
                status=403,
                actions=[(f"{self._house.prefix}/account", "Revenir à «\u00a0Mon compte\u00a0»", False)],
                reason=Reason.METHOD_DISABLED,
            )
        least = Assurance.TRANSITION if account.origin is Origin.REFERENT else Assurance.SUBSTANTIAL
        return await need_fresh(visit, _HERE, least=least)

    async def _form(
        self,
        visit: Visit,
        account: Account,
        *,
        problem: str = "",
        typed: str = "",
        faults: tuple[str, ...] = (),
        status: int = 200,
    ) -> web.Response:
        secret = await self._pending(visit, account, make=True)
        assert secret is not None  # noqa: S101 - made when there is none
        login = account.login
        uri = self._authenticators.uri(secret, login)
        return visit.page(
            "authenticator",
            status=status,
            state="add",
            qr=self._authenticators.qr(uri),
            uri=uri,
            secret=[secret[place : place + 4] for place in range(0, len(secret), 4)],
            login=login,
            typed=typed,
            problem=problem,
            faults=faults,
        )

    async def _enrolled(self, visit: Visit, account: Account, *, problem: str = "", status: int = 200) -> web.Response:
        return visit.page(
            "authenticator",
            status=status,
            state="enrolled",
            left=await self._authenticators.recovery_left(account.id),
            problem=problem,
            faults=(),
            alone=not account.mail and account.phone_proved_at is None,
        )

    def _codes(self, visit: Visit, codes: tuple[str, ...], *, added: bool) -> web.Response:
        day = texts.day(visit.now, zone=visit.zone)
        return visit.page("recovery_codes", codes=codes, added=added, made=day)

    async def _record(self, visit: Visit, account: Account, act: Act, means: str) -> None:
        await self._house.audit.record(
            Record(
                act,
                visit.now,
                account.id,
                address=visit.client,
                correlation=visit.request_id,
                facts={"means": means},
            )
        )

    # The secret that waits for its first code

    def _key(self, visit: Visit, account: Account) -> str:
        return f"authenticator:{visit.browser_id()[:32]}:{account.id}"

    async def _pending(self, visit: Visit, account: Account, *, make: bool = False) -> str | None:
        """The secret shown in this browser. One for all tabs: whichever is scanned, any tab confirms it."""
        store, key = self._house.store, self._key(visit, account)
        for _ in range(_TURNS):
            (raw,) = await store.read(key)
            secret = self._house.unseal(raw.decode("ascii", "replace")) if raw is not None else None
            if not make:
                return secret
            if secret is not None:  # shown again: it is good for another while
                kept = raw
            else:
                secret = self._authenticators.new_secret()
                kept = self._house.seal(secret).encode("ascii")
            if await store.swap(key, raw, kept, _PENDING):
                return secret
        raise StoreUnavailable("the secret of an application is changed too often")

    async def _forget(self, visit: Visit, account: Account) -> None:
        """Nobody is given this secret again."""
        key = self._key(visit, account)
        (raw,) = await self._house.store.read(key)
        if raw is not None:
            await self._house.store.swap(key, raw, None)
