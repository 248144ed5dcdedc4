"""The card, by mutual TLS on its own listener (R29), or forwarded by a trusted terminator (R37): the same judgement.

``begin`` leads to a card origin; ``complete`` reads the certificate that the handshake proved. The code porteur is a
matter between the card and its holder: nothing here ever asks for it (R36).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import RevocationView
from gateway.providers.base import Attempt, Redirect, Rejected, Reply
from gateway.providers.certificates import CardFacts, CardTrust, CardType, Refused, judge

_METHODS: Mapping[CardType, Method] = {
    CardType.CPS: Method.CPS,
    CardType.CPF: Method.CPF,
    CardType.CPE: Method.CPE,
    CardType.CPA: Method.CPA,
}


@dataclass(frozen=True, slots=True)
class CardSettings:
    """Where cards are read, in order of « ré-essayer », and which families each space accepts (R32)."""

    origins: Sequence[str]
    prefix: str
    accept: Mapping[Space, frozenset[CardType]]


class Smartcard:
    """The provider ``card``."""

    name = "card"

    def __init__(self, settings: CardSettings, trust: CardTrust, revocation: RevocationView) -> None:
        self._settings = settings
        self._trust = trust
        self._revocation = revocation

    async def begin(self, attempt: Attempt, now: datetime) -> Redirect:
        return Redirect(self.address(attempt.id, 0))

    def address(self, attempt: str, turn: int) -> str:
        """Where the card is read at this turn: browsers remember « no certificate » per origin, so turns rotate."""
        origins = self._settings.origins
        origin = origins[turn % len(origins)]
        return f"{origin}{self._settings.prefix}/card?attempt={attempt}&turn={turn}"

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        accept = self._settings.accept[attempt.space]
        found = judge(reply.certificate, self._trust, self._revocation, now, resumed=reply.resumed, accept=accept)
        if isinstance(found, Refused):
            return Rejected(found.reason, {**found.evidence, "step": str(found.step)}, over=False)
        return proof_of(found, now)

    def judge(self, der: bytes | None, now: datetime) -> CardFacts | Refused:
        """The judgement alone, for the command line."""
        return judge(der, self._trust, self._revocation, now)


def proof_of(card: CardFacts, now: datetime) -> Proof:
    """A card that was accepted, as a proof. A student's card gives no profession: only a future one (CPF)."""
    claims = {"card_type": card.type.value}
    if card.structure:
        claims["structure"] = card.structure
    if card.future_profession:
        claims["future_profession"] = card.future_profession
    identifier: NationalId = card.id
    return Proof(
        identity=Identity(
            id=identifier,
            family_name=card.family_name,
            given_name=card.given_name,
            profession=card.profession if card.type is CardType.CPS else None,
            specialty=card.specialties[0] if len(card.specialties) == 1 else None,
            claims=claims,
        ),
        method=_METHODS[card.type],
        assurance=Assurance.SUBSTANTIAL,
        at=now,
        evidence={
            "issuer": card.issuer,
            "serial": card.serial,
            "card": card.card_number or "",
            "revocation": "known" if card.revocation_known else "unknown",
        },
    )
