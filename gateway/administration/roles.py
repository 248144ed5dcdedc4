"""Which role fits which scope, and what a role is called. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.accounts.account import Role
from gateway.policy.establishments import Scope
from gateway.policy.rights import Right

_KINDS: Mapping[Role, frozenset[str]] = {
    Role.NATIONAL: frozenset({"nation"}),
    Role.REGION: frozenset({"region"}),
    Role.REFERENT: frozenset({"entite", "etablissement", "service"}),
}
_FAULTS: Mapping[Role, str] = {
    Role.NATIONAL: "Un administrateur national est nommé pour tout le pays.",
    Role.REGION: "Un administrateur régional est nommé pour une région.",
    Role.REFERENT: "Un référent est nommé pour une entité juridique, un établissement ou un service.",
}


def misfit(role: Role, scope: Scope) -> str:
    """The sentence that says why this role cannot be held there; empty when it can."""
    if scope.retired:
        return "Cet établissement est fermé."
    return "" if scope.kind in _KINDS[role] else _FAULTS[role]


def right_to_give(role: Role) -> Right:
    """What somebody needs, on a scope, to give or take this role there."""
    return Right.REFERENTS if role is Role.REFERENT else Right.ROLES
