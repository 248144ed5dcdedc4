"""Who may do what where: the whole table, role by right by place (R87, R100)."""

from __future__ import annotations

import itertools

import pytest

from gateway.accounts.account import Grant, Role
from gateway.policy.establishments import Defaults, PolicyBook, Scope
from gateway.policy.rights import RANK, Reach, Right, Verdict, rank, reach, roles_at, verdict
from tests.ambient import START

_PARENTS = {
    "nation": None, "aura": "nation", "rhone": "aura", "ehpad": "rhone", "unit": "ehpad", "ssr": "rhone",
    "reunion": "nation", "chu": "reunion",
}  # fmt: skip


def path_of(scope: str) -> str:
    parent = _PARENTS[scope]
    return f"{path_of(parent) if parent else '/'}{scope}/"


BOOK = PolicyBook(
    Defaults(START),
    [Scope(one, parent, "x", one, path=path_of(one)) for one, parent in _PARENTS.items()],
)
HELD = {Role.NATIONAL: "nation", Role.REGION: "aura", Role.REFERENT: "ehpad"}
# Where, seen from the role's own scope.
PLACES = {
    Role.NATIONAL: {"own": "nation", "below": "chu"},
    Role.REGION: {"own": "aura", "below": "ehpad", "above": "nation", "sibling": "reunion", "elsewhere": "chu"},
    Role.REFERENT: {"own": "ehpad", "below": "unit", "above": "rhone", "sibling": "ssr", "elsewhere": "chu"},
}
INSIDE = {"own", "below"}
# The first role, from the bottom up, that may.
LEAST = {
    Right.SEE: Role.REFERENT,
    Right.ASK: Role.REFERENT,
    Right.PEOPLE: Role.REFERENT,
    Right.EXPLAIN: Role.REFERENT,
    Right.SWITCH: Role.REGION,
    Right.POLICY: Role.REGION,
    Right.BREAKGLASS: Role.REGION,
    Right.SHAPE: Role.REGION,
    Right.IMPORT: Role.REGION,
    Right.DELEGATIONS: Role.REGION,
    Right.REFERENTS: Role.REGION,
    Right.ROLES: Role.NATIONAL,
    Right.LEGAL: Role.NATIONAL,
}
CASES = [(role, right, where) for role, right in itertools.product(Role, Right) for where in (*PLACES[role], "unknown")]


@pytest.mark.parametrize(("role", "right", "where"), CASES)
@pytest.mark.parametrize("enables", [False, True])
def test_r87_the_whole_table(role: Role, right: Right, where: str, enables: bool) -> None:
    """Inside one's scope what the role may; outside, and where nothing is, hidden whatever the right."""
    scope = PLACES[role].get(where, "nowhere")
    if where not in INSIDE:
        expected = Verdict.HIDDEN
    elif RANK[role] >= RANK[LEAST[right]] or (enables and role is Role.REFERENT and right is Right.SWITCH):
        expected = Verdict.ALLOWED
    else:
        expected = Verdict.FORBIDDEN
    assert verdict([Grant(role, HELD[role])], right, scope, BOOK, referent_enables=enables) is expected


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("scope", [*_PARENTS, "nowhere"])
def test_r100_without_a_role_nothing_exists(right: Right, scope: str) -> None:
    assert verdict([], right, scope, BOOK, referent_enables=True) is Verdict.HIDDEN


def test_r87_of_several_roles_the_one_that_bears_on_the_scope_counts() -> None:
    """Référent of one place and administrator of another region: each where it is held."""
    grants = [Grant(Role.REFERENT, "ehpad"), Grant(Role.REGION, "reunion")]
    assert verdict(grants, Right.SWITCH, "chu", BOOK) is Verdict.ALLOWED
    assert verdict(grants, Right.SWITCH, "ehpad", BOOK) is Verdict.FORBIDDEN
    assert verdict(grants, Right.SEE, "ssr", BOOK) is Verdict.HIDDEN
    assert roles_at(grants, "unit", BOOK) == frozenset({Role.REFERENT})


def test_r87_a_role_on_a_scope_that_is_no_more_gives_nothing() -> None:
    grants = [Grant(Role.REGION, "gone")]
    assert reach(grants, BOOK) == Reach(())
    assert verdict(grants, Right.SEE, "aura", BOOK) is Verdict.HIDDEN


def test_r87_reach_is_the_tops_alone() -> None:
    """What lies below another top is not listed twice; the nation is everything; nobody sees nothing."""
    several = [Grant(Role.REFERENT, "unit"), Grant(Role.REFERENT, "ehpad"), Grant(Role.REGION, "reunion")]
    assert reach(several, BOOK).paths == ("/nation/aura/rhone/ehpad/", "/nation/reunion/")
    assert reach([Grant(Role.NATIONAL, "")], BOOK).everything
    assert not reach(several, BOOK).everything
    assert "/nation/" not in reach([], BOOK)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/nation/aura/", True),
        ("/nation/aura/rhone/", True),
        ("/nation/aura2/", False),
        ("/nation/", False),
        ("", False),
    ],
)
def test_r87_reach_ends_at_whole_names(path: str, seen: bool) -> None:
    """« aura2 » is not below « aura »; a scope that hangs on nothing is in nobody's reach."""
    assert (path in reach([Grant(Role.REGION, "aura")], BOOK)) is seen


@pytest.mark.parametrize("scope", _PARENTS)
@pytest.mark.parametrize("role", [Role.REGION, Role.REFERENT])
def test_r87_reach_and_verdict_see_the_same(scope: str, role: Role) -> None:
    """Lists and single looks never disagree about what exists."""
    grants = [Grant(role, HELD[role])]
    assert (path_of(scope) in reach(grants, BOOK)) is (verdict(grants, Right.SEE, scope, BOOK) is not Verdict.HIDDEN)


def test_r100_rank_orders_people() -> None:
    assert rank([]) < rank([Grant(Role.REFERENT, "a")]) < rank([Grant(Role.REGION, "a")])
    assert rank([Grant(Role.REFERENT, "a"), Grant(Role.NATIONAL, "")]) == RANK[Role.NATIONAL]
