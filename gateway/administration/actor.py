"""Who acts, and why not: the words that every act of administration shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.accounts.account import Grant, Role
from gateway.audit import Act, Record
from gateway.policy.establishments import PolicyBook
from gateway.policy.rights import TABLE, Reach, Right, Verdict, reach, verdict
from gateway.reasons import GatewayError, Reason

SHELL = (Grant(Role.NATIONAL, ""),)  # whoever may run commands beside the gateway's files may do everything


@dataclass(frozen=True, slots=True)
class Actor:
    """``id`` as the audit names them: an account id, ``token:<id>``, ``cli:<user>``; ``name`` as people read it."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    address: str = ""
    correlation: str = ""

    def reach(self, book: PolicyBook) -> Reach:
        return reach(self.grants, book)


class Refused(GatewayError):
    """An act that is not done. ``sentence`` is French, for people."""

    reason = Reason.NOT_ALLOWED

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotThere(Refused):
    """It does not exist, or lies outside the actor's reach: nothing tells the two apart (404)."""

    reason = Reason.NOT_THERE

    def __init__(self) -> None:
        super().__init__("Cet élément n'existe pas.")


class NotYours(Refused):
    """It is within reach and not the actor's to do (403)."""


class ChangedMeanwhile(Refused):
    """Somebody else changed it since the actor read it (409 on pages, 412 in the API). ``version`` is the present one."""

    reason = Reason.CHANGED_MEANWHILE

    def __init__(self, version: int) -> None:
        super().__init__("Quelqu'un d'autre a modifié cet élément pendant ce temps. Rien n'a été enregistré.")
        self.version = version


class Faulty(Refused):
    """What was typed cannot be taken (422). ``faults``: by field, French sentences; ``""`` is the whole form."""

    reason = Reason.BAD_INPUT

    def __init__(self, faults: Mapping[str, Sequence[str]]) -> None:
        super().__init__(" ".join(sentence for sentences in faults.values() for sentence in sentences))
        self.faults = faults


def require(actor: Actor, right: Right, scope_id: str, book: PolicyBook, *, referent_enables: bool = False) -> None:
    """Raise ``NotThere`` or ``NotYours`` unless the actor may do this to this scope."""
    said = verdict(actor.grants, right, scope_id, book, referent_enables=referent_enables)
    if said is Verdict.HIDDEN or book.scope(scope_id) is None:
        raise NotThere
    if said is Verdict.FORBIDDEN:
        raise NotYours(reserved(right))


def reserved(right: Right) -> str:
    """To whom this belongs, in a sentence."""
    team = "régionale" if right in TABLE[Role.REGION] else "nationale"
    return f"Cette action est réservée à l'équipe {team}."


def record(
    act: Act, actor: Actor, now: datetime, *, account: str | None = None, scope: str | None = None, **facts: str
) -> Record:
    """The audit record of an act of administration: who, when, on what, and the facts (R93)."""
    return Record(
        act,
        now,
        account,
        scope=scope,
        address=actor.address or None,
        correlation=actor.correlation or None,
        facts={**facts, "author": actor.id, "author_name": actor.name},
    )


def checked_reason(text: str, field: str = "reason") -> str:
    """A reason as it is kept: one line of 3 to 200 printable characters; raises ``Faulty``."""
    line = " ".join(text.split())
    if not 3 <= len(line) <= 200 or not line.isprintable():
        raise Faulty({field: ["Indiquez un motif, de 3 à 200 caractères."]})
    return line
