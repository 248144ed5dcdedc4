"""A scope as people name it in a form: by its number, its id, or words of its name. What fits several is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.admin.frame import Typed
from gateway.administration.actor import Actor
from gateway.administration.offices import Offices
from gateway.policy.establishments import Scope
from gateway.policy.tree import Wanted

_MOST = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The scope, or the choices to show, or the sentence that says why there is none."""

    scope: Scope | None = None
    choices: Sequence[tuple[str, str]] = ()
    fault: str = ""


def place_of(offices: Offices, actor: Actor, typed: Typed, now: datetime) -> Found:
    """``scope``: an id chosen from a list; otherwise ``place``: what somebody wrote. Only what the actor sees counts."""
    book = offices.desk.book
    reach = actor.reach(book)
    chosen = book.scope(typed.get("scope")) if typed.get("scope") else None
    if chosen is not None and chosen.path in reach:
        return Found(chosen)
    text = typed.get("place")
    if not text:
        return Found(fault="Indiquez l'établissement ou le service.")
    named = book.scope(text)
    if named is not None and named.path in reach:
        return Found(named)
    found, more = offices.scopes.find(actor, Wanted(text=text[:200]), now, limit=_MOST)
    if len(found) == 1:
        return Found(found[0])
    if not found:
        return Found(fault="Aucun établissement ni service ne répond à ces mots.")
    choices = [
        (one.id, ", ".join(part for part in (one.name, one.city or "", one.finess or "") if part)) for one in found
    ]
    many = (
        f"Plus de {_MOST} réponses\u00a0: précisez, ou choisissez dans la liste."
        if more
        else "Choisissez dans la liste."
    )
    return Found(choices=choices, fault=many)
