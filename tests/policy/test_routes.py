"""Route classes: what is listed may be open, everything else is locked."""

from __future__ import annotations

import pytest

from gateway.identity import Space
from gateway.policy.routes import Route, RouteClass, RouteTable

TABLE = RouteTable(
    [
        Route("/Trajectoire/Pages/AccesLibre/", RouteClass.PUBLIC, "vt", Space.PROFESSIONNEL),
        Route("/Trajectoire/Usager/", RouteClass.USAGER, "vt", Space.PROFESSIONNEL),
        Route("/", RouteClass.PROTECTED, "vt", Space.LIBERAL),
    ]
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/Trajectoire/Pages/AccesLibre/fiche.aspx", RouteClass.PUBLIC),
        ("/trajectoire/PAGES/acceslibre/fiche.aspx", RouteClass.PUBLIC),
        ("/Trajectoire/Pages/AccesLibre", RouteClass.PUBLIC),
        ("/Trajectoire/Pages/AccesLibreX/fiche", RouteClass.PROTECTED),
        ("/Trajectoire/Usager/dossier", RouteClass.USAGER),
        ("/Trajectoire/Pages/AccesRestreint/x", RouteClass.PROTECTED),
        ("/trajectoire/PAGES/accesrestreint/x", RouteClass.PROTECTED),
        ("/", RouteClass.PROTECTED),
        ("/nothing/we/know", RouteClass.PROTECTED),
        # Two readings: a session is needed.
        ("/Trajectoire/Pages/AccesLibre/x;y", RouteClass.PROTECTED),
        ("/Trajectoire/Pages/AccesLibre/x:$DATA", RouteClass.PROTECTED),
        ("/Trajectoire/Pages/AccesLibre/PROGRA~1", RouteClass.PROTECTED),
        ("/Trajectoire/Pages/AccesLibre/été", RouteClass.PROTECTED),
        ("/Trajectoire/Usager/x;y", RouteClass.PROTECTED),
    ],
)
def test_r6_class_of_a_path(path: str, kind: RouteClass) -> None:
    """Prefixes match whole segments without case, and a path with two readings is never open."""
    assert TABLE.match(path).kind is kind


def test_r6_what_no_route_matches_is_protected() -> None:
    """A table without a catch-all still locks what it does not mention."""
    table = RouteTable([Route("/open/", RouteClass.PUBLIC, "vt", Space.LIBERAL)])
    assert table.match("/closed").kind is RouteClass.PROTECTED


def test_r6_an_empty_table_is_refused() -> None:
    """A gateway without routes does not start."""
    with pytest.raises(ValueError, match="at least one"):
        RouteTable([])


def test_r6_memory_of_paths_is_bounded() -> None:
    """A client that invents paths does not make the table grow."""
    for number in range(10_000):
        TABLE.match(f"/invented/{number}")
    assert len(TABLE._seen) <= 4096
