"""First connection: the form, the charter, the account. Nothing is an account before the charter (R21).

Identity comes from the proof; what is posted under those names is ignored (R11). The account is made in one
transaction whose constraints hold uniqueness (R17, R18, R23).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from gateway import texts
from gateway.accounts.password import common_passwords
from gateway.accounts.password_rule import PasswordFault, faults
from gateway.accounts.phone import telephone
from gateway.accounts.register import Particulars, mail_key
from gateway.accounts.towns import Towns
from gateway.audit import Act, Record
from gateway.clocks import lately
from gateway.identity import Identity, Proof, Space
from gateway.pages.arrival import arrive, open_session
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.pages.proving import TAKEN, MailProof
from gateway.pages.staff_registration import OTHER, Joining, StaffRegistration
from gateway.pages.staff_registration import PROFESSIONS as STAFF
from gateway.pages.words import PROFESSIONS, SPECIALTIES
from gateway.providers.base import Attempt
from gateway.reasons import Reason, Stale, Taken
from gateway.session.keeper import decode_proof

FAULTS = {
    PasswordFault.TOO_SHORT: "Le mot de passe doit avoir au moins 8 caractères.",
    PasswordFault.TOO_LONG: "Le mot de passe est trop long.",
    PasswordFault.NO_LOWER: "Le mot de passe doit contenir au moins une minuscule.",
    PasswordFault.NO_UPPER: "Le mot de passe doit contenir au moins une majuscule.",
    PasswordFault.NO_DIGIT: "Le mot de passe doit contenir au moins un chiffre.",
    PasswordFault.COMMON: "Ce mot de passe est trop courant.",
    PasswordFault.PERSONAL: "Le mot de passe ne doit contenir ni votre nom, ni votre numéro, ni votre adresse.",
    PasswordFault.WEAK: "Ce mot de passe n'est pas assez long ou pas assez varié.",
}
_MISSING = "Ce champ est obligatoire."
_GENERIC = "Cette adresse semble partagée. Indiquez une adresse personnelle."
GENERIC_WARNING = (
    "Votre adresse de messagerie semble être lue par plusieurs personnes. Les codes de connexion y arriveront\u00a0: "
    "une adresse personnelle est préférable. Vous pouvez la changer sous «\u00a0Mon compte\u00a0»."
)
_POSTAL = ("address", "postal_code", "city")


def password_faults(house: House, password: str, identity: Identity, mail: str) -> list[str]:
    """Messages for everything wrong with a new password (R14, R15)."""
    rpps = identity.id.value if identity.id else ""
    personal = [rpps, *identity.family_name.split(), mail.partition("@")[0]]
    found = faults(password, personal=personal, common=common_passwords(), least_bits=house.least_bits)
    return [FAULTS[one] for one in found]


def generic_mailbox(house: House, mail: str) -> bool:
    """Whether an address is one that several people read (R20)."""
    return mail.strip().partition("@")[0].casefold() in house.generic_mailboxes


def postal_faults(house: House, fields: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with address, postal code and town, by field (R12, R13)."""
    wrong: dict[str, list[str]] = {}
    for name, inputs in (("address", ("address",)), ("postal", ("postal_code", "city"))):
        for one in inputs:
            if name in house.required_fields and not fields.get(one, "").strip():
                wrong[one] = [_MISSING]
    for one in _POSTAL:
        if len(fields.get(one, "")) > 200:
            wrong[one] = ["Ce texte est trop long."]
    return wrong


class Registration:
    """The pages of the first connection, and of the charter for everybody."""

    def __init__(self, house: House, proof: MailProof, towns: Towns, staff: StaffRegistration) -> None:
        self._house = house
        self._proof = proof
        self._towns = towns
        self._staff = staff

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/register", self.page),
            ("POST", "/register", self.fill),
            ("GET", "/charter", self.charter_page),
            ("POST", "/charter", self.accept),
            ("GET", "/charter/text", self.charter_text),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    # What waits

    async def _pending(self, visit: Visit) -> dict[str, Any] | None:
        """The registration of this browser, while its proof is fresh enough (R22)."""
        if visit.browser is None:
            return None
        (raw,) = await self._house.store.read(_key(visit))
        if raw is None:
            return None
        record: dict[str, Any] = json.loads(raw)
        proved = datetime.fromtimestamp(record["proved"], UTC)
        return record if lately(proved, visit.now, self._house.proof_life) else None

    def _expired(self, visit: Visit, typed: Mapping[str, str] | None = None) -> web.Response:
        return visit.message(
            "Votre inscription a attendu trop longtemps",
            "Connectez-vous de nouveau par carte CPS ou e-CPS\u00a0: ce que vous aviez validé est gardé un jour.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in", "Se connecter", False)],
            reason=Reason.REGISTRATION_EXPIRED,
            typed=typed,
        )

    # The form

    async def page(self, visit: Visit) -> web.StreamResponse:
        pending = await self._pending(visit)
        if pending is None:
            return go("/") if visit.session is not None else self._expired(visit)
        joining = await self._staff.of(visit, pending)
        typed = {"email": joining.mail} if joining is not None else {}
        return self._form(visit, decode_proof(pending["proof"]), typed, {}, joining=joining)

    def _form(
        self,
        visit: Visit,
        proof: Proof,
        typed: dict[str, str],
        wrong: dict[str, list[str]],
        status: int = 200,
        *,
        joining: Joining | None,
        towns: Sequence[tuple[str, str]] = (),
    ) -> web.Response:
        profession, specialty = proof.identity.profession or "", proof.identity.specialty or ""
        return visit.page(
            "register",
            status=status,
            identity=proof.identity,
            profession=PROFESSIONS.get(profession, profession),
            specialty=SPECIALTIES.get(specialty, specialty),
            towns=towns,
            warning="",
            typed={name: value[:300] for name, value in typed.items() if "password" not in name},
            faults=wrong,
            required=self._house.required_fields,
            joining=joining,
            professions=STAFF,
            other=OTHER,
        )

    async def fill(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        pending = await self._pending(visit)
        if pending is None:
            return go("/") if visit.session is not None else self._expired(visit, fields)
        proof = decode_proof(pending["proof"])
        joining = await self._staff.of(visit, pending)
        if fields.get("find"):  # « Chercher la ville », without script
            return await self._find_town(visit, proof, fields, joining)
        wrong = await self._faults(fields, proof.identity) | (joining.faults(fields) if joining is not None else {})
        if wrong:
            visit.log(Reason.BAD_INPUT, 422, fields=",".join(sorted(wrong)))
            return self._form(visit, proof, fields, wrong, 422, joining=joining)
        hashed = await self._house.passwords.hash(fields["password"])
        pending["particulars"] = {
            "mail": fields["email"].strip(),
            "password_hash": hashed,
            "phone": telephone(fields.get("phone", "")),
            "stated_profession": joining.profession(fields) if joining is not None else None,
            **{name: plain_line(fields.get(name)) for name in _POSTAL},
        }
        store, life = self._house.store, self._house.form_life
        await store.write(_key(visit), json.dumps(pending).encode(), life)
        await store.write(_form_of(proof), json.dumps(pending["particulars"]).encode(), life)
        return go(f"{self._house.prefix}/charter")

    async def _find_town(
        self, visit: Visit, proof: Proof, fields: dict[str, str], joining: Joining | None
    ) -> web.Response:
        """The towns that fit what was typed; one alone fills both fields. Nothing typed is lost but the passwords."""
        asked = fields.get("city", "").strip() or fields.get("postal_code", "").strip()
        found = await asyncio.to_thread(self._towns.find, asked[:80]) if asked else ()
        towns = [(town.postal_code, town.name) for town in found]
        if len(towns) == 1:
            fields = {**fields, "postal_code": towns[0][0], "city": towns[0][1]}
        wrong = {} if towns else {"city": ["Aucune ville ne correspond. Vérifiez le code postal ou le nom."]}
        return self._form(visit, proof, fields, wrong, joining=joining, towns=towns)

    async def _faults(self, fields: dict[str, str], identity: Identity) -> dict[str, list[str]]:
        """What is wrong, by field, in the order of the form (R12)."""
        house = self._house
        wrong: dict[str, list[str]] = {}
        mail = fields.get("email", "").strip()
        if not mail:
            wrong["email"] = [_MISSING]
        elif mail_key(mail) is None:
            wrong["email"] = ["Cette adresse n'est pas valable."]
        elif await house.register.by_mail(mail) is not None:
            wrong["email"] = [TAKEN]
        elif house.generic_mailbox == "refuse" and generic_mailbox(house, mail):
            wrong["email"] = [_GENERIC]
        password, again = fields.get("password", ""), fields.get("repeat_password", "")
        if not password:
            wrong["password"] = [_MISSING]
        elif found := password_faults(house, password, identity, mail):
            wrong["password"] = found
        if not again:
            wrong["repeat_password"] = [_MISSING]
        elif again != password:
            wrong["repeat_password"] = ["Les deux mots de passe sont différents."]
        phone = fields.get("phone", "").strip()
        if phone and telephone(phone) is None:
            wrong["phone"] = ["Ce numéro de téléphone n'est pas valable."]
        elif not phone and "phone" in house.required_fields:
            wrong["phone"] = [_MISSING]
        wrong |= postal_faults(house, fields)
        return wrong

    # The charter

    async def charter_text(self, visit: Visit) -> web.StreamResponse:
        return self._charter(visit, ask=False)

    def _charter(
        self, visit: Visit, *, ask: bool, back: str = "/", problem: str = "", warning: str = "", status: int = 200
    ) -> web.Response:
        charter = self._house.charter
        return visit.page(
            "charter",
            status=status,
            text=charter.text,
            version=charter.version,
            ask=ask,
            back=back,
            problem=problem,
            warning=warning,
        )

    async def charter_page(self, visit: Visit) -> web.StreamResponse:
        back = safe_return(visit.request.query.get("return"), self._house.prefix)
        if visit.account is not None:
            asked = visit.account.charter_version != self._house.charter.stamp
            return self._charter(visit, ask=asked, back=back)
        pending = await self._pending(visit)
        particulars = pending["particulars"] if pending else None
        if pending is not None and particulars is not None and await self._incomplete(visit, pending):
            return go(f"{self._house.prefix}/register")
        shared = particulars is not None and generic_mailbox(self._house, particulars["mail"])
        return self._charter(visit, ask=particulars is not None, back=back, warning=GENERIC_WARNING if shared else "")

    async def accept(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        back = safe_return(fields.get("return"), self._house.prefix)
        accepted = fields.get("accept", "") not in ("", "0", "false", "off")
        pending = await self._pending(visit) if visit.account is None else None
        if visit.account is None and (pending is None or not pending["particulars"]):
            return self._expired(visit)
        if pending is not None and await self._incomplete(visit, pending):
            return go(f"{self._house.prefix}/register")
        if not accepted:  # R26: checked here, whatever the page did
            visit.log(Reason.CHARTER_MISSING, 422)
            problem = "Cochez la case pour accepter les conditions."
            return self._charter(visit, ask=True, back=back, problem=problem, status=422)
        if pending is not None:
            return await self._create(visit, pending)
        return await self._accept_again(visit, back)

    async def _incomplete(self, visit: Visit, record: dict[str, Any]) -> bool:
        """Whether the form has to come again before the charter: what was filled before was another form (R113)."""
        joining = await self._staff.of(visit, record)
        return joining is not None and joining.lacks(record["particulars"])

    async def _accept_again(self, visit: Visit, back: str) -> web.Response:
        account, session = visit.account, visit.session
        assert account is not None and session is not None  # noqa: S101 - a session has its account
        stamp = self._house.charter.stamp
        await self._house.audit.record(
            Record(Act.CHARTER_ACCEPTED, visit.now, account.id, correlation=visit.request_id, facts={"version": stamp})
        )
        try:
            await self._house.register.accept_charter(account, stamp, session.method.value, visit.now)
        except Stale:  # the other tab was quicker, or something else changed: the page asks again if need be
            visit.log(Reason.INTERNAL, 303)
        await self._house.changed(account.id)
        return go(back)

    async def _create(self, visit: Visit, record: dict[str, Any]) -> web.Response:
        house = self._house
        proof, space = decode_proof(record["proof"]), Space(record["space"])
        stamp = house.charter.stamp
        joining = await self._staff.of(visit, record)
        particulars = Particulars(**record["particulars"])
        if joining is not None and joining.proves(particulars.mail):
            particulars = replace(particulars, mail_proved=True)
        await house.audit.record(
            Record(
                Act.ACCOUNT_CREATED,
                visit.now,
                None,
                address=visit.client,
                correlation=visit.request_id,
                facts={"method": proof.method.value, "charter": stamp}
                | ({"mail": "proved by invitation"} if particulars.mail_proved else {}),
            )
        )
        try:
            account, made = await house.register.create(proof, particulars, space, stamp, visit.now)
        except Taken:
            visit.log(Reason.MAIL_TAKEN, 422)
            kept: dict[str, str | None] = record["particulars"]
            typed = {name: kept.get(name) or "" for name in ("phone", *_POSTAL)} | {"email": kept["mail"] or ""}
            typed |= joining.typed(kept) if joining is not None else {}
            await self._forget_form(visit, proof, record)
            return self._form(visit, proof, typed, {"email": [TAKEN]}, 422, joining=joining)
        if record["hint"]:
            hint = house.unseal(record["hint"])
            proof = proof if hint is None else _with_hint(proof, hint)
        if made:
            welcome = texts.account_created_mail(visit.now, zone=visit.zone)
            house.notices.post(account, welcome, "notice", visit.request_id)
            if house.verify_mail != "off" and account.mail and account.mail_proved_at is None:
                await self._proof.send(visit, account, account.mail, change=False)
        attempt = Attempt(
            "", visit.browser_id(), space, record["return"], "register", visit.now, shared=record["shared"]
        )
        if made:
            answer = await open_session(visit, account, proof, attempt)
        else:  # the account of another tab or browser: judged like any arrival
            answer = await arrive(visit, attempt, proof)
        # Last, so that a second click still finds its way to the same account (R23).
        for key, left in ((_key(visit), json.dumps({**record, "done": True}).encode()), (_form_of(proof), None)):
            (raw,) = await house.store.read(key)
            if raw is not None:
                await house.store.swap(key, raw, left, timedelta(minutes=2))
        return answer

    async def _forget_form(self, visit: Visit, proof: Proof, record: dict[str, Any]) -> None:
        """A form that cannot become an account begins anew, here and at the next sign-in."""
        store = self._house.store
        fresh = json.dumps({**record, "particulars": None}).encode()
        await store.write(_key(visit), fresh, self._house.form_life)
        (raw,) = await store.read(_form_of(proof))
        if raw is not None:
            await store.swap(_form_of(proof), raw, None)


def _key(visit: Visit) -> str:
    return f"registration:{visit.browser_id()}"


def _form_of(proof: Proof) -> str:
    """Where the filled form of a person is kept, to be resumed in any browser."""
    assert proof.identity.id is not None  # noqa: S101 - nobody registers without one
    return f"registered-form:{proof.identity.id.text}"


def _with_hint(proof: Proof, hint: str) -> Proof:
    return replace(proof, evidence={**proof.evidence, "logout_hint": hint})


def plain_line(text: str | None) -> str | None:
    """One line without control characters, or nothing."""
    clean = "".join(c for c in (text or "") if c.isprintable()).strip()
    return clean or None
