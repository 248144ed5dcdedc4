"""Why a doctor may not give what they ask to give: refusals with their French sentences, and who is the same person."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.accounts.register import mail_key
from gateway.administration.actor import Faulty, NotYours, Refused
from gateway.delegations.author import By
from gateway.identity import Assurance
from gateway.policy.delegation import DelegationRules, keys_of, may_delegate
from gateway.reasons import Reason

_SENTENCES = {
    Reason.ACTING_FOR_ANOTHER: "Vous agissez pour un médecin. Redevenez vous-même pour gérer vos propres délégations.",
    Reason.NOT_A_DELEGATOR: "Seul un médecin, connecté à l'espace médecin libéral, peut donner des droits sur ses dossiers.",
    Reason.LEVEL_TOO_LOW: "Un mot de passe seul ne suffit pas pour gérer des délégations. Connectez-vous par carte, par "
    "e-CPS ou avec un code.",
}
_OVERLAP = (
    "Cette personne a déjà une délégation de votre part sur une partie de cette période. Modifiez celle-ci, ou choisissez "
    "d'autres jours."
)


class Barred(NotYours):
    """This person, or this session, gives no rights at all (R106, R120)."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason = reason


class NotFresh(Refused):
    """Giving and widening rights asks for a proof of a short while ago."""

    reason = Reason.STEP_UP_NEEDED

    def __init__(self) -> None:
        super().__init__("Confirmez d'abord que c'est bien vous, par carte, par e-CPS ou avec un code.")


class TooOften(Refused):
    """``reason`` says of what."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Overlap(Faulty):
    """R124: two delegations of one doctor to one person never share a day."""

    reason = Reason.DELEGATION_OVERLAP

    def __init__(self) -> None:
        super().__init__({"start": [_OVERLAP]})


def require_doctor(by: By, rules: DelegationRules, now: datetime) -> None:
    """Raises ``Barred`` for whoever gives no rights (R106, R120)."""
    if (reason := may_delegate(by.session, by.account, rules, now)) is not None:
        raise Barred(reason)


def is_fresh(by: By, rules: DelegationRules, now: datetime) -> bool:
    """Whether this person proved lately, and by more than a password, that it is they."""
    return by.session.fresh(now, rules.freshness, Assurance.TRANSITION)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has, or is to have, a delegation, by all that is known of them."""

    account: str | None = None
    keys: Collection[str] = ()  # national identifiers
    mail: str | None = None

    @classmethod
    def of(cls, delegation: Delegation) -> Person:
        keys = () if delegation.delegate_key is None else (delegation.delegate_key,)
        return cls(delegation.delegate, keys, delegation.mail)

    @classmethod
    def with_account(cls, account: Account) -> Person:
        return cls(account.id, keys_of(account))

    def has(self, delegation: Delegation) -> bool:
        """Whether this delegation is, or is offered to, the same person."""
        if delegation.delegate is not None and delegation.delegate == self.account:
            return True
        if delegation.delegate_key is not None and delegation.delegate_key in self.keys:
            return True
        if self.mail is None or delegation.mail is None:
            return False
        return mail_key(self.mail) == mail_key(delegation.mail)


def refuse_overlap(
    given: Iterable[Delegation], person: Person, begins: datetime, ends: datetime, now: datetime, *, but: str = ""
) -> None:
    """Raises ``Overlap`` when one of these, still alive, is this person's in these days; ``but``: the id of the one that
    is being changed."""
    for one in given:
        if one.id != but and not one.state(now).over and one.overlaps(begins, ends) and person.has(one):
            raise Overlap


def next_number(given: Iterable[Delegation]) -> int:
    """The number that whoever decides on the strength of ``given`` has to take: of two at once one finds it taken."""
    return max((one.number for one in given), default=0) + 1
