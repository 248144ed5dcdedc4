"""The first connection of practice staff who accept an invitation: what their form asks besides, and what the link proves
(R113, R114).

* The form is theirs when the card led from an invitation and no physician holds it. A profession is asked when the card
  states none; it is kept as the person's own words, and never told to an application as a profession.
* The invited address stands in the form, and counts as proved, only for the person whose name the doctor wrote down,
  and only while the link is good: with another person's card it is neither shown nor proved (R112).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.accounts.register import mail_key
from gateway.identity import Proof
from gateway.pages.base import Visit
from gateway.pages.house import House
from gateway.pages.joining_marker import FINALISE, marked
from gateway.policy.delegation import same_person
from gateway.session.keeper import decode_proof

OTHER = "autre"  # the choice that asks for words of one's own
PROFESSIONS = (
    "Secrétaire médicale",
    "Assistant médical",
    "Infirmier",
    "Infirmier en pratique avancée",
    "Aide-soignant",
    "Assistant de service social",
    "Coordinateur",
    "Secrétaire",
)
_LONGEST = 80
_MISSING = "Ce champ est obligatoire."


class Links(Protocol):
    """``delegations.receiving``."""

    async def invited(self, token: str, now: datetime) -> tuple[Delegation, Account] | None: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """What the form says and asks. ``doctor``: who invites, as people read it, '' when that is no longer known; ``mail``:
    the address the link went to, '' when it proves nothing here; ``login``: what the person will type later."""

    doctor: str
    mail: str
    login: str
    asks_profession: bool

    def proves(self, address: str) -> bool:
        """Whether the link was sent to this very address."""
        return bool(self.mail) and mail_key(address) == mail_key(self.mail)

    def lacks(self, particulars: Mapping[str, Any]) -> bool:
        """Whether a form that was filled before, elsewhere or for something else, misses what is asked here."""
        return self.asks_profession and not particulars.get("stated_profession")

    def faults(self, fields: Mapping[str, str]) -> dict[str, list[str]]:
        """What is wrong with the profession, by field."""
        chosen, own = fields.get("profession", ""), _line(fields.get("profession_other", ""))
        if not self.asks_profession or chosen in PROFESSIONS:
            return {}
        if chosen != OTHER:
            return {"profession": [_MISSING]}
        if not any(one.isalpha() for one in own):
            return {"profession_other": ["Indiquez votre profession."]}
        return {"profession_other": ["Ce texte est trop long."]} if len(own) > _LONGEST else {}

    def profession(self, fields: Mapping[str, str]) -> str | None:
        """The profession in the person's own words, once it has no faults; ``None`` when the card states one."""
        if not self.asks_profession:
            return None
        chosen = fields.get("profession", "")
        return _line(fields.get("profession_other", "")) if chosen == OTHER else chosen

    def typed(self, particulars: Mapping[str, Any]) -> dict[str, str]:
        """The profession as the form's two fields held it."""
        stated = particulars.get("stated_profession") or ""
        return (
            {"profession": stated}
            if stated in ("", *PROFESSIONS)
            else {"profession": OTHER, "profession_other": stated}
        )


class StaffRegistration:
    """Who comes by an invitation, read anew at each step."""

    def __init__(self, house: House, links: Links) -> None:
        self._house = house
        self._links = links

    async def of(self, visit: Visit, record: Mapping[str, Any]) -> Joining | None:
        """The joining this pending registration belongs to; ``None`` for any other first connection.

        Where it leads decides, not whether the invitation is still remembered: waiting must not spare anybody a step.
        """
        if record["return"] != self._house.prefix + FINALISE:
            return None
        proof = decode_proof(record["proof"])
        professions = {proof.identity.profession, *proof.identity.claims.get("professions", "").split(",")}
        if professions & self._house.physicians:
            return None
        marker = await marked(visit)
        found = await self._links.invited(marker.token, visit.now) if marker is not None else None
        mail = (found[0].mail or "") if found is not None and same_person(found[0], proof.identity) else ""
        doctor = marker.doctor if marker is not None else ""
        return Joining(doctor, mail, _login(proof), asks_profession=not proof.identity.profession)


def _login(proof: Proof) -> str:
    return proof.identity.id.text if proof.identity.id is not None else ""


def _line(text: str) -> str:
    """One line without control characters and double spaces."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
