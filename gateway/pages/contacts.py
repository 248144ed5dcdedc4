"""Changing mail, mobile and postal address under « Mon compte » (R73, R96, G12, G44).

Mail and telephone need a fresh proof, the new one is proved before it serves, and the old address hears of it. A code
to a new mobile is single use and dies after five wrong entries, like every code.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from datetime import timedelta

from aiohttp import web

from gateway import texts
from gateway.accounts.phone import mobile, shown, telephone
from gateway.accounts.register import mail_key
from gateway.audit import Act, Record
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.proving import TAKEN, MailProof
from gateway.pages.registration import generic_mailbox, plain_line, postal_faults
from gateway.pages.stepup import late, need_fresh
from gateway.ports import Message, Value
from gateway.providers.code import mask_mail, mask_phone
from gateway.reasons import Reason, SenderFailed, Stale

_LIFE = timedelta(minutes=10)
_WRONG = 5
_DELIVERY = 3.0  # seconds
_DELAY = 30  # seconds between two codes (R71)
_SENDS = 20  # a day, together with the codes of sign-ins
_CHANGED = "Votre compte a changé entre-temps dans un autre onglet. Vérifiez, puis recommencez."


class Contacts:
    """The pages of one's own contact data."""

    def __init__(self, house: House, proof: MailProof) -> None:
        self._house = house
        self._proof = proof

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/account/mail", self.mail_page),
            ("POST", "/account/mail", self.mail),
            ("POST", "/account/mail/resend", self.mail_again),
            ("POST", "/account/mail/cancel", self.mail_cancel),
            ("GET", "/account/phone", self.phone_page),
            ("POST", "/account/phone", self.phone),
            ("POST", "/account/phone/code", self.phone_code),
            ("GET", "/account/address", self.address_page),
            ("POST", "/account/address", self.address),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    # Mail

    async def mail_page(self, visit: Visit) -> web.StreamResponse:
        return await need_fresh(visit, "/account/mail") or await self._mail_form(visit)

    async def _mail_form(
        self, visit: Visit, *, typed: str = "", faults: tuple[str, ...] = (), status: int = 200
    ) -> web.Response:
        assert visit.account is not None  # noqa: S101 - fresh means signed in
        pending = await self._proof.pending(visit.account.id)
        waiting = pending.mail if pending is not None and pending.change else ""
        current = visit.account.mail or ""
        return visit.page("change_mail", status=status, current=current, waiting=waiting, typed=typed, faults=faults)

    async def mail(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        if visit.session is None:
            return late(visit, fields, "/account/mail")
        if (wait := await need_fresh(visit, "/account/mail")) is not None:
            return wait
        account, house = visit.account, self._house
        assert account is not None  # noqa: S101 - fresh means signed in
        typed = fields.get("email", "").strip()
        key = mail_key(typed)
        wrong: str | None = None
        if key is None:
            wrong = "Cette adresse n'est pas valable."
        elif account.mail and key == mail_key(account.mail):
            wrong = "C'est déjà l'adresse de votre compte."
        elif generic_mailbox(house, typed) and house.generic_mailbox == "refuse":
            wrong = "Cette adresse semble partagée. Indiquez une adresse personnelle."
        elif (owner := await house.register.by_mail(typed)) is not None and owner.id != account.id:
            wrong = TAKEN
        if wrong is not None:
            visit.log(Reason.BAD_INPUT, 422)
            return await self._mail_form(visit, typed=typed[:254], faults=(wrong,), status=422)
        await house.audit.record(
            Record(Act.MAIL_CHANGE_ASKED, visit.now, account.id, address=visit.client, correlation=visit.request_id)
        )
        notice = texts.mail_change_asked_mail(mask_mail(typed), visit.now, zone=visit.zone)
        house.notices.post(account, notice, "notice", visit.request_id)
        if not await self._proof.send(visit, account, typed, change=True):
            return await self._mail_form(
                visit, typed=typed, faults=("Trop de liens ont été envoyés aujourd'hui.",), status=429
            )
        return await self._mail_form(visit)

    async def mail_again(self, visit: Visit) -> web.StreamResponse:
        """The same link once more: of the address that waits, or of the account's own while it is not proved."""
        await visit.form()
        account = visit.account
        if account is None:
            return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}")
        pending = await self._proof.pending(account.id)
        changing = pending is not None and pending.change
        address = pending.mail if pending is not None and pending.change else account.mail
        sent = bool(address) and await self._proof.send(visit, account, address or "", change=changing)
        return go(f"{self._house.prefix}/account?said={'sent' if sent else 'too-many'}")

    async def mail_cancel(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        if visit.account is not None:
            await self._proof.cancel(visit.account.id)
        return go(f"{self._house.prefix}/account")

    # Telephone

    async def phone_page(self, visit: Visit) -> web.StreamResponse:
        return await need_fresh(visit, "/account/phone") or self._phone_form(visit)

    def _phone_form(
        self,
        visit: Visit,
        *,
        typed: str | None = None,
        faults: tuple[str, ...] = (),
        sent_to: str = "",
        status: int = 200,
    ) -> web.Response:
        account = visit.account
        assert account is not None  # noqa: S101 - fresh means signed in
        current = shown(account.phone) if account.phone else ""
        return visit.page(
            "change_phone",
            status=status,
            current=current,
            proved=account.phone_proved_at is not None,
            sms=self._house.sms is not None,
            typed=current if typed is None else typed,
            faults=faults,
            sent_to=sent_to,
        )

    async def phone(self, visit: Visit) -> web.StreamResponse:
        """A new number. A mobile is proved by a code first, where SMS can be sent; anything else is a contact only."""
        fields = await visit.form()
        if visit.session is None:
            return late(visit, fields, "/account/phone")
        if (wait := await need_fresh(visit, "/account/phone")) is not None:
            return wait
        typed = fields.get("phone", "").strip()
        if not typed:
            return await self._set_phone(visit, None, proved=False)
        number = mobile(typed)
        if number is None or self._house.sms is None:
            other = telephone(typed)
            if other is None:
                visit.log(Reason.BAD_INPUT, 422)
                return self._phone_form(
                    visit, typed=typed[:40], faults=("Ce numéro de téléphone n'est pas valable.",), status=422
                )
            return await self._set_phone(visit, other, proved=False)
        return await self._send_code(visit, number, typed)

    async def _send_code(self, visit: Visit, number: str, typed: str) -> web.Response:
        house, now, account = self._house, visit.now, visit.account
        assert account is not None and house.sms is not None  # noqa: S101 - looked at by the caller
        (raw,) = await house.store.read(self._key(visit))
        if raw is not None and now.timestamp() < json.loads(raw)["sent"] + _DELAY:
            faults = ("Un code vient d'être envoyé. Attendez quelques instants avant d'en demander un autre.",)
            return self._phone_form(visit, typed=typed, faults=faults, status=429)
        if not await house.tries.spend(f"sends:{account.id}", _SENDS, now):
            return self._phone_form(
                visit, typed=typed, faults=("Trop de codes ont été envoyés aujourd'hui.",), status=429
            )
        digits = house.ambient.digits(6)
        until = now + _LIFE
        record = {"phone": number, "digest": self._digest(account.id, digits), "until": until.timestamp(), "wrong": 0,
                  "sent": now.timestamp()}  # fmt: skip
        await house.store.write(self._key(visit), json.dumps(record).encode(), _LIFE)
        message = Message(number, "", texts.code_sms(digits, _LIFE), None, "proof", visit.request_id, until)
        try:
            async with asyncio.timeout(_DELIVERY):
                await house.sms.send(message)
        except (SenderFailed, TimeoutError):
            await house.store.swap(self._key(visit), json.dumps(record).encode(), None)  # void, and asked anew at once
            visit.log(Reason.DELIVERY_FAILED, 503)
            faults = ("Le SMS n'a pas pu être envoyé. Réessayez dans quelques minutes.",)
            return self._phone_form(visit, typed=typed, faults=faults, status=503)
        await house.audit.record(Record(Act.CODE_SENT, now, account.id, facts={"channel": "sms", "for": "proof"}))
        return self._phone_form(visit, typed=typed, sent_to=mask_phone(number))

    async def phone_code(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        if visit.session is None:
            return late(visit, fields, "/account/phone")
        if (wait := await need_fresh(visit, "/account/phone")) is not None:
            return wait
        account, house = visit.account, self._house
        assert account is not None  # noqa: S101 - fresh means signed in
        typed = "".join(fields.get("code", "")[:32].split())
        while True:
            (raw,) = await house.store.read(self._key(visit))
            record = json.loads(raw) if raw else None
            if record is None or record["wrong"] >= _WRONG or visit.now.timestamp() >= record["until"]:
                return self._phone_form(
                    visit, faults=("Code incorrect ou expiré. Demandez-en un nouveau.",), status=401
                )
            right = hmac.compare_digest(record["digest"], self._digest(account.id, typed))
            after = None if right else json.dumps({**record, "wrong": record["wrong"] + 1}).encode()
            if await house.store.swap(self._key(visit), raw, after, _LIFE):
                break
        if not right:
            visit.log(Reason.WRONG_CODE, 401)
            sent_to = mask_phone(record["phone"])
            return self._phone_form(visit, faults=("Code incorrect ou expiré.",), sent_to=sent_to, status=401)
        return await self._set_phone(visit, record["phone"], proved=True)

    async def _set_phone(self, visit: Visit, number: str | None, *, proved: bool) -> web.Response:
        account, house, now = visit.account, self._house, visit.now
        assert account is not None  # noqa: S101 - looked at by the callers
        await house.audit.record(
            Record(
                Act.PHONE_CHANGED,
                now,
                account.id,
                address=visit.client,
                correlation=visit.request_id,
                facts={"proved": "yes" if proved else "no"},
            )
        )
        values: dict[str, Value] = {"phone": number, "phone_proved_at": now if proved else None}
        try:
            await house.register.change(account, now, **values)
        except Stale:
            return self._phone_form(visit, faults=(_CHANGED,), status=409)
        await house.changed(account.id)
        masked = mask_phone(number) if number else "aucun numéro"
        notice = texts.phone_changed_mail(masked, now, zone=visit.zone)
        house.notices.post(account, notice, "notice", visit.request_id)
        return go(f"{house.prefix}/account?said=phone")

    def _key(self, visit: Visit) -> str:
        assert visit.account is not None  # noqa: S101 - looked at by the callers
        return f"phone-proof:{visit.account.id}:{visit.browser_id()[:32]}"

    def _digest(self, account_id: str, digits: str) -> str:
        return hmac.new(self._house.csrf_key, f"phone:{account_id}:{digits}".encode(), "sha256").hexdigest()

    # Postal address: no identity, so the session is enough

    async def address_page(self, visit: Visit) -> web.StreamResponse:
        if visit.account is None:
            prefix = self._house.prefix
            return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={prefix}/account/address")
        account = visit.account
        typed = {"address": account.address, "postal_code": account.postal_code, "city": account.city}
        return self._address_form(visit, {name: value or "" for name, value in typed.items()}, {})

    def _address_form(
        self, visit: Visit, typed: dict[str, str], faults: dict[str, list[str]], status: int = 200
    ) -> web.Response:
        kept = {name: typed.get(name, "")[:300] for name in ("address", "postal_code", "city")}
        return visit.page("change_address", status=status, typed=kept, faults=faults)

    async def address(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        account, house = visit.account, self._house
        if account is None:
            return late(visit, fields, "/account/address")
        wrong = postal_faults(house, fields)
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return self._address_form(visit, fields, wrong, 422)
        values: dict[str, Value] = {name: plain_line(fields.get(name)) for name in ("address", "postal_code", "city")}
        await house.audit.record(
            Record(Act.ACCOUNT_CHANGED, visit.now, account.id, correlation=visit.request_id, facts={"what": "address"})
        )
        try:
            await house.register.change(account, visit.now, **values)
        except Stale:
            return self._address_form(visit, fields, {"address": [_CHANGED]}, 409)
        await house.changed(account.id)
        return go(f"{house.prefix}/account?said=address")
