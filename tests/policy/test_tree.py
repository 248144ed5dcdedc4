"""Looking for scopes: pages, filters, reach, and what is taken over from the tree before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.accounts.account import Grant, Role
from gateway.policy.establishments import Defaults, PolicyBook, Scope, State, Switch, SwitchKind
from gateway.policy.rights import Reach, reach
from gateway.policy.tree import ScopeTree, Wanted
from tests.ambient import START

ALL = Reach(("/",))
OFF = Switch(State.PASSWORD_ONLY, START - timedelta(days=9), START + timedelta(days=9))


def scope(scope_id: str, parent: Scope | None, kind: str, name: str, **more: object) -> Scope:
    path = f"{parent.path if parent else '/'}{scope_id}/"
    return replace(Scope(scope_id, parent.id if parent else None, kind, name, path=path), **more)  # type: ignore[arg-type]


NATION = scope("nation", None, "nation", "France")
AURA = scope("aura", NATION, "region", "Auvergne-Rhône-Alpes")
REUNION = scope("reunion", NATION, "region", "La Réunion")
EHPAD = scope("ehpad", AURA, "etablissement", "EHPAD Les Glycines", city="Écully", finess="690780010")
CH = scope("ch", AURA, "etablissement", "CH de l'Exemple", city="Lyon", finess="690780036", switches=(OFF,))
OLD = scope("old", AURA, "etablissement", "Ancien hôpital", retired=True)
UNIT = scope("unit", CH, "service", "Gériatrie")
CHU = scope("chu", REUNION, "etablissement", "CHU de l'Île", city="Saint-Denis")
LOST = Scope("lost", "nowhere", "etablissement", "Perdu")
SCOPES = [UNIT, CH, NATION, OLD, EHPAD, REUNION, CHU, AURA, LOST]
BOOK = PolicyBook(Defaults(START - timedelta(days=60)), SCOPES)
TREE = ScopeTree(BOOK)


def found(wanted: Wanted = Wanted(), within: Reach = ALL, tree: ScopeTree = TREE, after: str = "") -> list[str]:  # noqa: B008
    return [one.id for one in tree.find(within, wanted, START, after)]


def test_r82_the_order_is_by_level_then_by_name() -> None:
    """Accents and capitals do not part names; what hangs on nothing is nobody's to see."""
    assert found() == ["nation", "aura", "reunion", "ch", "chu", "ehpad", "unit"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(text="glycines"), ["ehpad"]),
        (Wanted(text="GLYC ehp"), ["ehpad"]),
        (Wanted(text="ecully"), ["ehpad"]),
        (Wanted(text="690780036"), ["ch"]),
        (Wanted(text="l'exemple"), ["ch"]),
        (Wanted(text="glycines lyon"), []),
        (Wanted(text="  "), ["nation", "aura", "reunion", "ch", "chu", "ehpad", "unit"]),
        (Wanted(text="%"), []),
        (Wanted(kind="region"), ["aura", "reunion"]),
        (Wanted(kind="galaxy"), []),
        (Wanted(state=State.PASSWORD_ONLY), ["ch", "unit"]),
        (Wanted(state=State.STRONG, kind="etablissement"), ["chu", "ehpad"]),
        (Wanted(parent="aura"), ["ch", "ehpad"]),
        (Wanted(parent="nowhere"), []),
        (Wanted(retired=True), ["old"]),
    ],
)
def test_r83_filters(wanted: Wanted, expected: list[str]) -> None:
    assert found(wanted) == expected


def test_r87_lists_end_at_ones_reach() -> None:
    """A region lists itself and what lies below; nobody lists nothing; the parent asked for opens no door."""
    region = reach([Grant(Role.REGION, "aura")], BOOK)
    assert found(within=region) == ["aura", "ch", "ehpad", "unit"]
    assert found(Wanted(parent="reunion"), region) == []
    assert found(within=Reach(())) == []


@pytest.mark.parametrize("after", ["nation", "reunion", "chu", "unit"])
def test_r83_a_page_goes_on_behind_the_last_scope(after: str) -> None:
    """Also when that scope is not wanted any more; an unknown one finds nothing."""
    whole = found()
    assert found(after=after) == whole[whole.index(after) + 1 :]
    assert found(Wanted(kind="service"), after="old") == ["unit"]
    assert found(after="nowhere") == []


def test_r82_below_is_the_scope_and_all_under_it_parents_first() -> None:
    assert [one.id for one in TREE.below("aura")] == ["aura", "old", "ch", "unit", "ehpad"]
    assert list(TREE.below("nowhere")) == []
    assert [one.id for one in TREE.children["nation"]] == ["aura", "reunion"]


def test_r82_a_circle_in_the_data_ends_the_walk_below() -> None:
    book = PolicyBook(Defaults(START), [Scope("a", "b", "service", "A"), Scope("b", "a", "service", "B")])
    assert [one.id for one in ScopeTree(book).below("a")] == ["a", "b"]


def test_r94_states_count_living_scopes_of_a_kind_within_reach() -> None:
    assert TREE.states(ALL, START) == {State.STRONG: 2, State.PASSWORD_ONLY: 1}
    assert TREE.states(reach([Grant(Role.REGION, "reunion")], BOOK), START) == {State.STRONG: 1}
    assert TREE.states(ALL, START, "service") == {State.PASSWORD_ONLY: 1}


def test_r94_a_state_taken_from_above_is_the_ruling_of_the_scope() -> None:
    """Lists ask a scope without switches no more than the one above it; the answer is that of its own ruling."""
    on = Switch(State.STRONG, START - timedelta(days=1))
    emergency = Switch(State.PASSWORD_ONLY, START, START + timedelta(hours=1), SwitchKind.BREAKGLASS)
    loop = [Scope("a", "b", "service", "A", path="/a/"), Scope("b", "a", "service", "B", path="/b/")]
    book = BOOK.with_scopes([replace(UNIT, switches=(on,)), replace(REUNION, switches=(on, emergency)), *loop])
    tree = ScopeTree(book)
    for state in State:
        expected = {one.id for one in tree.find(ALL, Wanted(), START) if book.ruling(one.id, START).state is state}
        assert set(found(Wanted(state=state), tree=tree)) == expected
    assert "chu" in found(Wanted(state=State.PASSWORD_ONLY), tree=tree)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CH, switches=()),
        replace(CH, name="Zénith"),
        replace(CH, city="Bron"),
        replace(CH, kind="service"),
        replace(CH, finess="690780028"),
        replace(CH, retired=True),
        scope("new", REUNION, "etablissement", "Nouveau"),
    ],
)
def test_r83_a_tree_made_from_the_one_before_is_the_same_as_a_new_one(changed: Scope) -> None:
    """Words and order that are taken over are those a fresh walk would find."""
    before = ScopeTree(BOOK)
    assert found(tree=before)
    book = BOOK.with_scopes([changed])
    quick, fresh = ScopeTree(book, before), ScopeTree(book)
    assert list(quick.order) == list(fresh.order)
    for wanted in (Wanted(), Wanted(text="zenith"), Wanted(text="bron"), Wanted(text="exemple"), Wanted(retired=True)):
        assert found(wanted, tree=quick) == found(wanted, tree=fresh)


def test_r83_a_switch_spells_no_names_again() -> None:
    """What a switch among 100 000 scopes costs: the order is kept, with the changed scope in it."""
    before = ScopeTree(BOOK)
    assert before.order
    after = ScopeTree(BOOK.with_scopes([replace(CH, switches=())]), before)
    assert after._order is not None
    assert next(one for one in after.order if one.id == "ch").switches == ()
