"""Who may do what to which scope: one total table (R87, R100). Pure.

What lies outside somebody's reach is *hidden*: to them it does not exist, and nothing may tell otherwise (a 404). What
lies inside and is not theirs to do is *forbidden* (a 403). What the table does not mention is forbidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.accounts.account import Grant, Role
from gateway.policy.establishments import PolicyBook


class Right(StrEnum):
    """What can be done to a scope or to its people."""

    SEE = "see"  # the scope, its policy, its people, its readiness, its history
    ASK = "ask"  # request a switch
    PEOPLE = "people"  # invite, correct a mail, attach, detach, suspend, wake, end sessions
    EXPLAIN = "explain"
    SWITCH = "switch"  # on, off with a derogation, undo
    POLICY = "policy"  # the fields of R91
    BREAKGLASS = "breakglass"
    SHAPE = "shape"  # create, rename, move, retire scopes below; import them
    IMPORT = "import"  # accounts from VT
    DELEGATIONS = "delegations"  # end one; find out who sent a request (R149)
    REFERENTS = "referents"  # appoint and dismiss référents
    ROLES = "roles"  # appoint and dismiss administrators; tokens
    LEGAL = "legal"  # the legal status of means


_REFERENT = frozenset({Right.SEE, Right.ASK, Right.PEOPLE, Right.EXPLAIN})
_REGION = _REFERENT | {
    Right.SWITCH, Right.POLICY, Right.BREAKGLASS, Right.SHAPE, Right.IMPORT, Right.DELEGATIONS, Right.REFERENTS,
}  # fmt: skip
TABLE: Mapping[Role, frozenset[Right]] = {
    Role.REFERENT: _REFERENT,
    Role.REGION: _REGION,
    Role.NATIONAL: frozenset(Right),
}
RANK: Mapping[Role, int] = {Role.REFERENT: 1, Role.REGION: 2, Role.NATIONAL: 3}


class Verdict(StrEnum):
    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Reach:
    """The tops of what somebody sees, as paths: everything at or below one of them. ``("/",)`` is everything."""

    paths: tuple[str, ...]

    def __contains__(self, path: str) -> bool:
        return path.startswith(self.paths)

    @property
    def everything(self) -> bool:
        return "/" in self.paths


def reach(grants: Sequence[Grant], book: PolicyBook) -> Reach:
    """What these grants let somebody see; nothing when there are none."""
    if any(grant.role is Role.NATIONAL for grant in grants):
        return Reach(("/",))
    tops = sorted({scope.path for grant in grants if (scope := book.scope(grant.scope)) and scope.path})
    return Reach(tuple(top for top in tops if not any(top != other and top.startswith(other) for other in tops)))


def roles_at(grants: Sequence[Grant], scope_id: str, book: PolicyBook) -> frozenset[Role]:
    """The roles that bear on this scope: held on it or on one above it."""
    above = {scope.id for scope in book.chain(scope_id)}
    if not above:
        return frozenset()
    return frozenset(grant.role for grant in grants if grant.role is Role.NATIONAL or grant.scope in above)


def verdict(
    grants: Sequence[Grant], right: Right, scope_id: str, book: PolicyBook, *, referent_enables: bool = False
) -> Verdict:
    """May the holder of these grants do this there? ``referent_enables``: ``policy.referent_can_enable``; it lets
    référents switch strong authentication on, and the caller asks it for nothing else."""
    held = roles_at(grants, scope_id, book)
    if not held:
        return Verdict.HIDDEN
    if any(right in TABLE.get(role, ()) for role in held):
        return Verdict.ALLOWED
    if referent_enables and right is Right.SWITCH and Role.REFERENT in held:
        return Verdict.ALLOWED
    return Verdict.FORBIDDEN


def rank(grants: Sequence[Grant]) -> int:
    """The height of the highest role; 0 for nobody's. Nobody acts on the account of somebody higher."""
    return max((RANK[grant.role] for grant in grants), default=0)
