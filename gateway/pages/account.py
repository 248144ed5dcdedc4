"""« Mon compte »: what is held, the means, the last sign-ins, the open sessions; and the switch of space (R95, R24).

Everything here is for somebody who is signed in. Changes live beside it: ``contacts``, ``passwords``, ``authenticator``,
``passkeys``, ``closing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Protocol, cast

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.authenticator import Authenticators
from gateway.accounts.phone import shown
from gateway.audit import Act, Record
from gateway.identity import Assurance, Method, Space
from gateway.pages.arrival import is_fresh, trace_of, way_of
from gateway.pages.base import SESSION, Handler, Visit, go, handle, set_cookie
from gateway.pages.house import House
from gateway.pages.leaving import Leaving, forget_registration
from gateway.pages.proving import MailProof
from gateway.pages.registration import GENERIC_WARNING, generic_mailbox
from gateway.pages.words import MEANS, PROFESSIONS, SPECIALTIES
from gateway.reasons import Reason
from gateway.session.keeper import SessionGone
from gateway.session.model import Session

_SAID = {
    "sent": "Le lien de confirmation est parti. Consultez votre messagerie.",
    "too-many": "Trop de liens ont été envoyés aujourd'hui. Réessayez demain.",
    "phone": "Votre numéro de téléphone est enregistré.",
    "address": "Votre adresse est enregistrée.",
    "password": "Votre mot de passe est changé. Vos autres sessions sont fermées.",
    "session": "La session est fermée.",
    "means": "Vos moyens de connexion sont à jour.",
}


class Passkeys(Protocol):
    """How many passkeys somebody has."""

    async def count(self, account_id: str) -> int: ...


class AccountPages:
    """The page of one's own account."""

    def __init__(
        self,
        house: House,
        proof: MailProof,
        leaving: Leaving,
        authenticators: Authenticators,
        passkeys: Passkeys,
    ) -> None:
        self._house = house
        self._proof = proof
        self._leaving = leaving
        self._authenticators = authenticators
        self._passkeys = passkeys

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/account", self.page),
            ("POST", "/account/sessions/end", self.end_session),
            ("POST", "/account/sign-out-everywhere", self.everywhere),
            ("POST", "/account/space", self.space),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    def _nobody(self, visit: Visit) -> web.Response:
        here = f"{self._house.prefix}/account"
        return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={here}")

    async def page(self, visit: Visit) -> web.StreamResponse:
        account, session = visit.account, visit.session
        if account is None or session is None:
            return self._nobody(visit)
        house, zone = self._house, visit.zone
        pending = await self._proof.pending(account.id)
        enrolled = await self._authenticators.enrolled(account.id)
        given, received = await house.contexts.counted(account, visit.now)
        profession, specialty = account.profession or "", account.specialty or ""
        return visit.page(
            "account",
            account=account,
            identifier=account.login,
            profession=PROFESSIONS.get(profession, profession) or _stated(account),
            specialty=SPECIALTIES.get(specialty, specialty) or "–",
            phone=shown(account.phone) if account.phone else "",
            waiting=pending.mail if pending is not None and pending.change else "",
            unproved=bool(account.mail) and account.mail_proved_at is None and house.verify_mail != "off",
            warning=GENERIC_WARNING if account.mail and generic_mailbox(house, account.mail) else "",
            shared_mail=account.mail_shared,
            sms=house.sms is not None,
            fresh=is_fresh(visit, Assurance.TRANSITION),
            strong=is_fresh(visit, Assurance.SUBSTANTIAL),
            session=session,
            means=MEANS[session.method],
            transition=session.assurance < Assurance.SUBSTANTIAL,
            password_set=texts.day(account.password_set_at, zone=zone) if account.password_set_at else "",
            authenticator=enrolled,
            recovery_left=await self._authenticators.recovery_left(account.id),
            totp_offered=enrolled or "totp" in house.rules.channels(account, visit.now),
            passkeys=await self._passkeys.count(account.id),
            passkey_offered="passkey" in house.providers,
            sign_ins=await self._sign_ins(visit, account),
            sessions=await self._sessions(visit, account, session),
            physician=account.profession in house.physicians,
            given=given,
            received=received,
            notice=_SAID.get(visit.request.query.get("said", ""), ""),
        )

    async def _sign_ins(self, visit: Visit, account: Account) -> Sequence[SimpleNamespace]:
        zone = visit.zone
        rows = await self._house.register.last_sign_ins(account.id)
        return [
            SimpleNamespace(
                at=texts.moment(cast(datetime, row["at"]), zone=zone),
                means=_means(str(row["method"])),
                space="médecin libéral" if row["space"] == Space.LIBERAL.value else "professionnel",
                address=row["address"] or "",
            )
            for row in rows
        ]

    async def _sessions(self, visit: Visit, account: Account, present: Session) -> Sequence[SimpleNamespace]:
        zone = visit.zone
        return [
            SimpleNamespace(
                reference=one.reference,
                here=one.digest == present.digest,
                agent=one.agent or "Navigateur",
                address=one.address,
                means=MEANS[one.method],
                opened=texts.moment(one.opened_at, zone=zone),
                seen=texts.moment(one.seen_at, zone=zone),
            )
            for one in await self._house.keeper.sessions_of(account.id, visit.now)
        ]

    # Sessions

    async def end_session(self, visit: Visit) -> web.StreamResponse:
        """One session among the person's own, named by its public reference (S3)."""
        fields = await visit.form()
        session = visit.session
        if session is None:
            return self._nobody(visit)
        own = await self._house.keeper.sessions_of(session.account, visit.now)
        found = next((one for one in own if one.reference == fields.get("session")), None)
        if found is None:  # it ended by itself meanwhile: what was wanted is so
            return go(f"{self._house.prefix}/account?said=session")
        await self._house.audit.record(
            Record(
                Act.SESSION_REVOKED,
                visit.now,
                session.account,
                address=visit.client,
                correlation=visit.request_id,
                facts={"session": found.reference, "by": "owner"},
            )
        )
        await self._house.keeper.close(found, visit.now)
        if found.digest == session.digest:
            return await self._out(visit)
        return go(f"{self._house.prefix}/account?said=session")

    async def everywhere(self, visit: Visit) -> web.StreamResponse:
        """All sessions, and every browser that holds a second factor (R78)."""
        await visit.form()
        if visit.session is None or visit.account is None:
            return self._nobody(visit)
        house, account = self._house, visit.account
        await house.audit.record(
            Record(Act.SIGN_OUT, visit.now, account.id, correlation=visit.request_id, facts={"where": "everywhere"})
        )
        await house.register.insist(account.id, visit.now, memory_void_at=visit.now)
        await house.keeper.close_all(account.id, visit.now)
        await house.changed(account.id)
        return await self._out(visit)

    async def _out(self, visit: Visit) -> web.Response:
        await forget_registration(visit)
        answer = go(f"{self._house.prefix}/signed-out")
        self._leaving.wipe(visit, answer)
        return answer

    # Space

    async def space(self, visit: Visit) -> web.StreamResponse:
        """R3, R4: the other space, if the policy allows it with what was proved; otherwise prove more, first."""
        fields = await visit.form()
        account, session = visit.account, visit.session
        if account is None or session is None:
            return self._nobody(visit)
        house = self._house
        target = Space.LIBERAL if fields.get("space") == Space.LIBERAL.value else Space.PROFESSIONNEL
        if target is Space.LIBERAL and account.profession not in house.physicians:
            return visit.message(
                "Cet espace est réservé aux médecins",
                "Votre espace est celui des professionnels libéraux ou en établissement.",
                status=403,
                actions=[("/", "Revenir à l'accueil", False)],
                reason=Reason.NOT_A_PHYSICIAN,
            )
        allowed = house.rules.methods(account, visit.now)
        weak = house.rules.strong(account, visit.now) and session.assurance < Assurance.TRANSITION
        offered = way_of(session.method) in house.methods[target]
        if weak or not offered or (allowed is not None and session.method not in allowed):
            return go(f"{house.prefix}/step-up?then=/account&space={target.value}")
        ticket = house.ambient.token(32)
        facts = {"space": target.value, "session": trace_of(ticket), "from": session.digest[:12]}
        if session.acting_under is not None:
            facts["delegation"] = session.acting_under
        await house.audit.record(
            Record(Act.SPACE_CHANGED, visit.now, account.id, correlation=visit.request_id, facts=facts)
        )
        try:
            _, moved = await house.keeper.move(session, target, visit.now, ticket)
        except SessionGone:
            return self._nobody(visit)
        await house.contexts.renewed(session, moved, visit.now)
        answer = go("/")
        set_cookie(answer, SESSION, ticket)
        return answer


def _stated(account: Account) -> str:
    """What somebody said of themselves, whose card names no profession (R113)."""
    return f"{account.stated_profession} (indiquée par vous)" if account.stated_profession else "–"


def _means(word: str) -> str:
    try:
        return MEANS[Method(word)]
    except ValueError:  # a means that this version no longer knows
        return word
