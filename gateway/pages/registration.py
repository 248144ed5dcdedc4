"""First connection: the form, the charter, the account. Nothing is an account before the charter (R21).

Identity comes from the proof; what is posted under those names is ignored (R11). The account is made in one
transaction whose constraints hold uniqueness (R17, R18, R23).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.accounts.password import common_passwords
from gateway.accounts.password_rule import PasswordFault, faults
from gateway.accounts.register import Particulars, mail_key
from gateway.audit import Act, Record
from gateway.identity import Identity, Proof, Space
from gateway.pages.arrival import open_session
from gateway.pages.base import Handler, House, Visit, go, handle
from gateway.pages.journey import safe_return
from gateway.reasons import Reason, Stale, Taken
from gateway.session.keeper import decode_proof

PROFESSIONS = {
    "10": "Médecin",
    "21": "Pharmacien",
    "40": "Chirurgien-dentiste",
    "50": "Sage-femme",
    "60": "Infirmier",
    "70": "Masseur-kinésithérapeute",
    "80": "Pédicure-podologue",
    "93": "Psychologue",
    "94": "Ergothérapeute",
    "41": "Assistant de service social",
    "99": "Professionnel à rôle",
}
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
_TAKEN = (
    "Cette adresse est déjà utilisée par un autre compte. Indiquez une adresse personnelle, ou demandez à votre référent "
    "structure."
)
_GENERIC = "Cette adresse semble partagée. Indiquez une adresse personnelle."
_PHONE = re.compile(r"\+?[0-9]{9,15}\Z")
_OPTIONAL = {"phone": ("phone",), "address": ("address",), "postal": ("postal_code", "city")}


def password_faults(house: House, password: str, identity: Identity, mail: str) -> list[str]:
    """Messages for everything wrong with a new password (R14, R15)."""
    rpps = identity.id.value if identity.id else ""
    personal = [rpps, *identity.family_name.split(), mail.partition("@")[0]]
    found = faults(password, personal=personal, common=common_passwords(), least_bits=house.least_bits)
    return [FAULTS[one] for one in found]


class Registration:
    """The pages of the first connection, and of the charter for everybody."""

    def __init__(self, house: House) -> None:
        self._house = house

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

    async def _pending(self, visit: Visit) -> tuple[str, dict[str, Any]] | None:
        """The registration of this browser, while its proof is fresh enough (R22)."""
        if visit.browser is None:
            return None
        (who,) = await self._house.store.read(f"registering:{visit.browser}")
        if who is None:
            return None
        idnat = who.decode()
        (raw,) = await self._house.store.read(f"registration:{idnat}")
        if raw is None:
            return None
        record: dict[str, Any] = json.loads(raw)
        proved = datetime.fromtimestamp(record["proved"], UTC)
        fresh = timedelta(0) <= visit.now - proved < self._house.proof_life
        return (idnat, record) if fresh and record["browser"] == visit.browser else None

    def _expired(self, visit: Visit) -> web.Response:
        return visit.message(
            "Votre inscription a attendu trop longtemps",
            "Connectez-vous de nouveau par carte CPS ou e-CPS : ce que vous aviez validé est gardé un jour.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in", "Se connecter", False)],
            reason=Reason.REGISTRATION_EXPIRED,
        )

    # The form

    async def page(self, visit: Visit) -> web.StreamResponse:
        pending = await self._pending(visit)
        if pending is None:
            return go("/") if visit.session is not None else self._expired(visit)
        return self._form(visit, decode_proof(pending[1]["proof"]), {}, {})

    def _form(
        self, visit: Visit, proof: Proof, typed: dict[str, str], wrong: dict[str, list[str]], status: int = 200
    ) -> web.Response:
        profession = proof.identity.profession or ""
        return visit.page(
            "register",
            status=status,
            identity=proof.identity,
            profession=PROFESSIONS.get(profession, profession),
            typed={name: value[:300] for name, value in typed.items() if "password" not in name},
            faults=wrong,
            required=self._house.required_fields,
        )

    async def fill(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        pending = await self._pending(visit)
        if pending is None:
            return go("/") if visit.session is not None else self._expired(visit)
        idnat, record = pending
        proof = decode_proof(record["proof"])
        wrong = await self._faults(fields, proof.identity)
        if wrong:
            visit.log(Reason.BAD_INPUT, 422, fields=",".join(sorted(wrong)))
            return self._form(visit, proof, fields, wrong, 422)
        hashed = await self._house.passwords.hash(fields["password"])
        record["particulars"] = {
            "mail": fields["email"].strip(),
            "password_hash": hashed,
            "phone": _plain(fields.get("phone")),
            "address": _plain(fields.get("address")),
            "postal_code": _plain(fields.get("postal_code")),
            "city": _plain(fields.get("city")),
        }
        record["kept"] = visit.now.timestamp()
        await self._house.store.write(f"registration:{idnat}", json.dumps(record).encode(), self._house.form_life)
        return go(f"{self._house.prefix}/charter")

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
            wrong["email"] = [_TAKEN]
        elif house.generic_mailbox == "refuse" and mail.partition("@")[0].casefold() in house.generic_names:
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
        for name, inputs in _OPTIONAL.items():
            for one in inputs:
                if name in house.required_fields and not fields.get(one, "").strip():
                    wrong[one] = [_MISSING]
        phone = fields.get("phone", "")
        if phone.strip() and not _PHONE.match(re.sub(r"[\s.()-]", "", phone)):
            wrong["phone"] = ["Ce numéro de téléphone n'est pas valable."]
        for one in ("address", "postal_code", "city"):
            if len(fields.get(one, "")) > 200:
                wrong[one] = ["Ce texte est trop long."]
        return wrong

    # The charter

    async def charter_text(self, visit: Visit) -> web.StreamResponse:
        return self._charter(visit, ask=False)

    def _charter(
        self, visit: Visit, *, ask: bool, back: str = "/", problem: str = "", status: int = 200
    ) -> web.Response:
        charter = self._house.charter
        return visit.page(
            "charter", status=status, text=charter.text, version=charter.version, ask=ask, back=back, problem=problem
        )

    async def charter_page(self, visit: Visit) -> web.StreamResponse:
        back = safe_return(visit.request.query.get("return"), self._house.prefix)
        if visit.account is not None:
            asked = visit.account.charter_version != self._house.charter.stamp
            return self._charter(visit, ask=asked, back=back)
        pending = await self._pending(visit)
        return self._charter(visit, ask=bool(pending and pending[1]["particulars"]), back=back)

    async def accept(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        back = safe_return(fields.get("return"), self._house.prefix)
        accepted = fields.get("accept", "") not in ("", "0", "false", "off")
        pending = await self._pending(visit) if visit.account is None else None
        if visit.account is None and (pending is None or not pending[1]["particulars"]):
            return self._expired(visit)
        if not accepted:  # R26: checked here, whatever the page did
            visit.log(Reason.CHARTER_MISSING, 422)
            problem = "Cochez la case pour accepter les conditions."
            return self._charter(visit, ask=True, back=back, problem=problem, status=422)
        if pending is not None:
            return await self._create(visit, *pending)
        return await self._accept_again(visit, back)

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

    async def _create(self, visit: Visit, idnat: str, record: dict[str, Any]) -> web.Response:
        house = self._house
        proof, space = decode_proof(record["proof"]), Space(record["space"])
        stamp = house.charter.stamp
        await house.audit.record(
            Record(
                Act.ACCOUNT_CREATED,
                visit.now,
                None,
                address=visit.client,
                correlation=visit.request_id,
                facts={"method": proof.method.value, "charter": stamp},
            )
        )
        try:
            account, _ = await house.register.create(
                proof, Particulars(**record["particulars"]), space, stamp, visit.now
            )
        except Taken:
            visit.log(Reason.MAIL_TAKEN, 422)
            typed = {"email": record["particulars"]["mail"]}
            return self._form(visit, proof, typed, {"email": [_TAKEN]}, 422)
        if record["hint"]:
            hint = house.unseal(record["hint"])
            proof = proof if hint is None else _with_hint(proof, hint)
        answer = await open_session(
            visit, account, proof, space, record["return"], shared=record["shared"], address=visit.client
        )
        # Last, so that a second click still finds its way to the same account (R23).
        (raw,) = await house.store.read(f"registration:{idnat}")
        if raw is not None:
            done = json.dumps({**record, "particulars": record["particulars"], "done": True}).encode()
            await house.store.swap(f"registration:{idnat}", raw, done, timedelta(minutes=2))
        return answer


def _with_hint(proof: Proof, hint: str) -> Proof:
    return Proof(
        proof.identity, proof.method, proof.assurance, proof.at, proof.until, {**proof.evidence, "logout_hint": hint}
    )


def _plain(text: str | None) -> str | None:
    """One line without control characters, or nothing."""
    clean = "".join(c for c in (text or "") if c.isprintable()).strip()
    return clean or None
