"""Scopes from our own table and from the national extraction of FINESS (R82)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor
from gateway.administration.imports import Imports
from gateway.administration.scopes import Bounds, ScopeOffice
from gateway.policy.territories import DEPARTMENTS, REGIONS, department, of_finess
from gateway.ports import Change, Delete, Insert, Row, Update
from tests.administration.importing import Importing, csv_of, importing_in, numbered
from tests.administration.world import AURA, CLI, NATIONAL, REUNION, person, place, world_on
from tests.ambient import START
from tests.servers import postgres_server

SEEDED = ("nation", "aura", "rhone", "exemple-sante", "ch", "reunion")
UNKNOWN = "Cet élément n'existe pas."
HEAD = ("id", "parent", "kind", "name", "finess", "city")
EJ, ET, ET2, ET3 = numbered("69078181"), numbered("69000001"), numbered("69000002"), numbered("38000003")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Importing]:
    async with importing_in(tmp_path) as made:
        yield made


async def scope(desk: Importing, scope_id: str) -> Row:
    (row,) = await desk.world.records.find("scopes", {"id": scope_id})
    return row


def et(number: str, owner: str, name: str, departement: str, town: str = "69001 LYON 01", commune: str = "381") -> str:
    """A line of etalab-cs1100502."""
    cells = [
        "structureet",
        number,
        owner,
        name[:20],
        name,
        "",
        "",
        "1",
        "R",
        "DE LA PAIX",
        "",
        "",
        commune,
        departement,
    ]
    return ";".join([*cells, "LIBELLE", town, *["x"] * 16]) + "\n"


def ej(number: str, name: str, departement: str, town: str = "69001 LYON 01") -> str:
    """A line of etalab-cs1100501."""
    cells = ["structureej", number, name[:20], name, "", "1", "R", "DE LA PAIX", "", "", "", "381", town, departement]
    return ";".join([*cells, "LIBELLE", *["x"] * 8]) + "\n"


FIRST = "finess;etalab;111;2026-05-12\n"


async def test_r82_table_with_parents_after_their_children(desk: Importing) -> None:
    """Parents may come anywhere; paths, source and revision are set; workers see it; the same file again changes nothing."""
    content = csv_of(
        HEAD,
        ("new-service", "new-place", "service", "Accueil de jour", "", ""),
        ("new-place", "new-owner", "Établissement", "Les Lilas", ET, "Bron"),
        ("new-owner", "rhone", "Entité juridique", "Association", EJ, ""),
    )
    counts, report, fault = await desk.load("scopes", content)
    assert (counts, fault) == ({"created": 3}, "")
    assert [one["line"] for one in report] == [2, 3, 4]
    row = await scope(desk, "new-service")
    assert (
        row["path"]
        == "/nation/aura/rhone/exemple-sante/".replace("exemple-sante", "new-owner") + "new-place/new-service/"
    )
    assert row["source"] == "csv"
    assert cast(int, row["revision"]) > 0
    worker = await desk.world.worker()
    assert [one.id for one in worker.book.chain("new-service")][:2] == ["new-service", "new-place"]
    before = await desk.dump("scopes", "revisions")
    assert (await desk.load("scopes", content))[0] == {"unchanged": 3}
    assert await desk.dump("scopes", "revisions") == before


async def test_r82_trial_of_a_tree(desk: Importing) -> None:
    """A dry run knows what it would have made, and writes nothing."""
    content = csv_of(
        HEAD,
        ("s1", "p1", "service", "Un", "", ""),
        ("p1", "o1", "etablissement", "Lilas", ET, ""),
        ("o1", "rhone", "entite", "Association", EJ, ""),
        ("s2", "p2", "service", "Deux", "", ""),
        ("p1", "o1", "etablissement", "Encore", "", ""),
        ("p3", "o1", "etablissement", "Autre", ET, ""),
        ("s3", "ch-geriatrie", "service", "Trois", "", ""),
    )
    before = await desk.dump("scopes", "revisions")
    trial = await desk.load("scopes", content, AURA, dry_run=True)
    assert await desk.dump("scopes", "revisions") == before
    assert trial == await desk.load("scopes", content, AURA)
    counts, report, _ = trial
    assert counts == {"created": 3, "refused": 4}
    assert {one["line"]: one["detail"] for one in report if one["outcome"] == "refused"} == {
        5: UNKNOWN,
        6: "Déjà à la ligne 3.",
        7: "Déjà à la ligne 3.",
        8: "Un élément de type service ne peut pas dépendre d'un élément de type service.",
    }


async def test_r82_existing_scopes_keep_id_policy_and_parent(desk: Importing) -> None:
    """Found by number, a scope takes the new name and town; its policy and, without the option, its parent stay."""
    await desk.world.records.write(
        Update("scopes", {"banner": "Bonjour", "code_validity": 900, "version": 4}, {"id": "ehpad"})
    )
    content = csv_of(HEAD, ("", "aura", "etablissement", "EHPAD Les Iris", "690780010", "Oullins"))
    counts, report, _ = await desk.load("scopes", content)
    assert counts == {"updated": 1}
    assert "Rattachement conservé" in report[0]["detail"]
    row = await scope(desk, "ehpad")
    assert (row["name"], row["city"], row["parent_id"]) == ("EHPAD Les Iris", "Oullins", "exemple-sante")
    assert (row["banner"], row["code_validity"], row["version"]) == ("Bonjour", 900, 5)
    assert await desk.world.records.count("scopes", {"finess": "690780010"}) == 1


async def test_r82_move_takes_along_what_lies_below(desk: Importing) -> None:
    """With the option the scope hangs elsewhere and all paths below follow; again, nothing changes."""
    content = csv_of(HEAD, ("ch", "rhone", "etablissement", "CH de l'Exemple", "690780036", "Villeurbanne"))
    assert (await desk.load("scopes", content, AURA, move="1"))[0] == {"updated": 1}
    assert (await scope(desk, "ch"))["path"] == "/nation/aura/rhone/ch/"
    assert (await scope(desk, "ch-geriatrie"))["path"] == "/nation/aura/rhone/ch/ch-geriatrie/"
    assert (await desk.load("scopes", content, AURA, move="1"))[0] == {"unchanged": 1}
    away = csv_of(HEAD, ("ch", "reunion", "etablissement", "CH de l'Exemple", "690780036", "Villeurbanne"))
    _, report, _ = await desk.load("scopes", away, AURA, move="1")
    assert (report[0]["outcome"], report[0]["detail"]) == ("refused", UNKNOWN)


async def test_r93_what_a_file_changes_of_a_scope_stands_in_its_history(desk: Importing) -> None:
    """Old and new, by which import and who; nothing of a trial, of what is new, of a path that only follows."""
    content = csv_of(
        HEAD,
        ("ch", "rhone", "etablissement", "CH renommé", "690780036", "Villeurbanne"),
        ("neuf", "rhone", "entite", "Neuf", "", ""),
    )
    await desk.load("scopes", content, AURA, move="1", dry_run=True)
    assert await desk.world.audited("scope:change") == []
    for _ in range(2):
        await desk.load("scopes", content, AURA, move="1")
        (trace,) = await desk.world.audited("scope:change")
    assert (trace["scope"], trace["facts"]["author"]) == ("ch", "acc_aura")
    assert json.loads(trace["facts"]["old"]) == {"name": "CH de l'Exemple", "parent": "exemple-sante"}
    assert json.loads(trace["facts"]["new"]) == {"name": "CH renommé", "parent": "rhone"}
    assert trace["facts"]["import"].startswith("imp_")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("x", "reunion", "etablissement", "Ailleurs", "", ""), UNKNOWN),
        (("x", "nowhere", "etablissement", "Ailleurs", "", ""), UNKNOWN),
        (("chu", "", "etablissement", "CHU pris", "", ""), UNKNOWN),
        (("", "rhone", "etablissement", "CHU pris", "970408589", ""), UNKNOWN),
        (("reunion", "nation", "region", "Prise", "", ""), UNKNOWN),
        (("x", "nation", "region", "Nouvelle région", "", ""), UNKNOWN),
        (("aura", "nation", "region", "Renommée", "", ""), UNKNOWN),
        (("nation2", "", "nation", "Autre pays", "", ""), UNKNOWN),
    ],
)
async def test_r82_out_of_reach_is_unknown(desk: Importing, row: tuple[str, ...], sentence: str) -> None:
    """A row about somebody else's region says what a row about nothing says; nothing changes."""
    before = await desk.dump("scopes", "revisions")
    counts, report, _ = await desk.load("scopes", csv_of(HEAD, row), AURA)
    assert counts == {"refused": 1}
    assert report[0]["detail"] == sentence
    assert await desk.dump("scopes", "revisions") == before


async def test_r82_below_the_nation_is_national(desk: Importing) -> None:
    """Even who administers the top as a region does not create regions."""
    actor = Actor("acc_top", "Top", (Grant(Role.REGION, "nation"),))
    content = csv_of(HEAD, ("r-53", "nation", "region", "Bretagne", "", ""))
    _, report, _ = await desk.load("scopes", content, actor)
    assert report[0]["detail"] == "Ce qui dépend directement du pays est créé par l'équipe nationale."
    assert (await desk.load("scopes", content, NATIONAL))[0] == {"created": 1}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("x", "rhone", "hopital", "Nom", "", ""), "Type inconnu"),
        (("x", "rhone", "etablissement", "Nom", "690000001", ""), "Numéro FINESS incorrect."),
        (("x", "rhone", "etablissement", "", "", ""), "Le nom manque."),
        (("a/b", "rhone", "etablissement", "Nom", "", ""), "Identifiant incorrect"),
        (("x y", "rhone", "etablissement", "Nom", "", ""), "Identifiant incorrect"),
        (("", "rhone", "service", "Nom", "", ""), "Indiquez un identifiant"),
        (("x", "rhone", "etablissement", "=HYPERLINK(1)", "", ""), "ne peut pas commencer par ="),
        (("x", "rhone", "etablissement", "Nom", "", "@SUM(A1)"), "ne peut pas commencer par @"),
        (("x", "rhone", "etablissement", "a\u202eb", "", ""), "caractères interdits"),
        (("x", "rhone", "etablissement", "n" * 201, "", ""), "plus de 200 caractères"),
        (("x", "", "etablissement", "Nom", "", ""), "Indiquez le rattachement"),
        (("ehpad", "", "service", "Nom", "", ""), "existe déjà, avec le type etablissement"),
        (("ssr", "", "etablissement", "Nom", "690780010", ""), "Ce numéro FINESS est déjà celui d'un autre élément."),
        (
            ("new", "rhone", "etablissement", "Nom", "690780010", ""),
            "Ce numéro FINESS est déjà celui d'un autre élément.",
        ),
        (("x", "", "nation", "Autre pays", "", ""), "Il n'y a qu'un périmètre national."),
        (("x", "ehpad", "region", "Nom", "", ""), "ne peut pas dépendre"),
    ],
)
async def test_r82_bad_rows(desk: Importing, row: tuple[str, ...], sentence: str) -> None:
    """Each row that cannot be taken says why, alone."""
    counts, report, _ = await desk.load("scopes", csv_of(HEAD, row, ("good", "rhone", "etablissement", "Bon", "", "")))
    assert counts == {"refused": 1, "created": 1}
    assert sentence in next(one["detail"] for one in report if one["outcome"] == "refused")


async def test_r82_extraction_builds_the_tree(desk: Importing) -> None:
    """Regions and departments by name or INSEE code, entities from their own records or from their establishments."""
    owner = numbered("38078000")
    content = (
        FIRST
        + et(ET, EJ, "EHPAD DES LILAS", "69")
        + et(ET3, EJ, "ANTENNE DE GRENOBLE", "38", "38000 GRENOBLE")
        + et(numbered("38000004"), owner, 'CLINIQUE "DU LAC"', "38", "38100 GRENOBLE CEDEX")
        + "geolocalisation;" + ET + ";1;2;x;y\n"
        + ej(EJ, "ASSOCIATION DES LILAS", "69")
        + et(numbered("97000041"), numbered("97000018"), "CH DU SUD", "9D", "97410 ST PIERRE")
        + et(numbered("97000052"), "", "CH F DUNAN", "9E", "97500 ST PIERRE")
    )  # fmt: skip
    counts, report, fault = await desk.load("scopes", content)
    assert fault == ""
    refused = [one for one in report if one["outcome"] == "refused"]
    assert [one["detail"] for one in refused] == ["Département inconnu : 9E."]
    row = await scope(desk, f"et-{ET}")
    assert row["path"] == f"/nation/aura/rhone/ej-{EJ}/et-{ET}/"  # the Rhône of this world is found by its name
    assert (row["name"], row["city"], row["source"]) == ("EHPAD DES LILAS", "LYON 01", "finess")
    assert (await scope(desk, f"ej-{EJ}"))["name"] == "ASSOCIATION DES LILAS"
    # In another department than its entity: under its own department.
    assert (await scope(desk, f"et-{ET3}"))["path"] == f"/nation/aura/d-38/et-{ET3}/"
    assert (await scope(desk, f"ej-{owner}"))["name"] == f"Entité juridique {owner}"
    assert (await scope(desk, f"et-{numbered('38000004')}"))["name"] == 'CLINIQUE "DU LAC"'
    overseas = await scope(desk, f"et-{numbered('97000041')}")
    assert str(overseas["path"]).startswith("/nation/reunion/d-974/")
    # Two departments, three entities (one known from 9D only), four establishments.
    assert counts["created"] == len(report) - 1 == await desk.world.records.count("scopes", {"revision": [1, 2, 3, 4]})
    before = await desk.dump("scopes", "revisions")
    again, _, _ = await desk.load("scopes", content)
    assert again == {"unchanged": 5, "refused": 1}
    assert await desk.dump("scopes", "revisions") == before


async def test_r82_entities_after_their_establishments(desk: Importing) -> None:
    """The second extraction gives the entity its name; trial and run agree, in latin-9 as the ministry writes."""
    await desk.load("scopes", FIRST + et(ET, EJ, "EHPAD", "69"))
    content = (FIRST + ej(EJ, "FONDATION DU CŒUR", "69")).encode("iso-8859-15")
    trial = await desk.load("scopes", content, dry_run=True)
    assert trial == await desk.load("scopes", content)
    assert trial[0] == {"updated": 1}
    assert (await scope(desk, f"ej-{EJ}"))["name"] == "FONDATION DU CŒUR"


async def test_r82_extraction_of_a_region_by_its_team(desk: Importing) -> None:
    """A regional team takes its own establishments out of the national file; the others are unknown to it."""
    content = FIRST + et(ET, EJ, "EHPAD", "69") + et(numbered("97000041"), numbered("97000018"), "CH DU SUD", "9D")
    counts, report, _ = await desk.load("scopes", content, AURA)
    assert counts == {"created": 2, "refused": 1}
    assert [(one["line"], one["detail"]) for one in report if one["outcome"] == "refused"] == [(3, UNKNOWN)]
    assert (await desk.load("scopes", content, REUNION))[0] == {"refused": 1, "created": 3}


async def test_r82_absent_establishments(desk: Importing) -> None:
    """Reported within the departments of the file; retired only when asked, and where nobody is attached."""
    four = numbered("69000004")
    await desk.load(
        "scopes",
        FIRST + "".join(et(one, EJ, f"EHPAD {one}", "69") for one in (ET, ET2, four)) + et(ET3, "", "ISERE", "38"),
    )
    await desk.world.records.write(*person("acc_there"))
    await desk.world.records.write(
        place("floor", f"et-{ET2}", "service", "Étage", f"/nation/aura/rhone/ej-{EJ}/et-{ET2}/floor/"),
        Insert("memberships", {"account_id": "acc_there", "scope_id": "floor", "since": START}),
    )
    smaller = FIRST + et(ET, EJ, f"EHPAD {ET}", "69")
    before = await desk.dump("scopes")
    counts, report, _ = await desk.load("scopes", smaller)
    assert counts == {"unchanged": 3}
    assert [(one["line"], one["key"]) for one in report] == [(3, f"et-{ET2}"), (4, f"et-{four}")]
    assert (await desk.load("scopes", smaller, dry_run=True, retire="1"))[0] == {"unchanged": 2, "updated": 1}
    assert await desk.dump("scopes") == before
    counts, report, _ = await desk.load("scopes", smaller, retire="1")
    assert counts == {"unchanged": 2, "updated": 1}
    assert "des personnes y sont rattachées" in report[0]["detail"]
    assert (await scope(desk, f"et-{four}"))["retired_at"] is not None
    (trace,) = await desk.world.audited("scope:change")
    assert (trace["scope"], json.loads(trace["facts"]["new"])) == (f"et-{four}", {"retired": True})
    assert (await scope(desk, f"et-{ET2}"))["retired_at"] is None
    assert (await scope(desk, f"et-{ET3}"))["retired_at"] is None
    assert (await scope(desk, "ehpad"))["retired_at"] is None  # made by hand, not by FINESS
    assert (await desk.load("scopes", smaller, retire="1"))[0] == {"unchanged": 2}


async def test_r82_bad_line_is_not_an_absence(desk: Importing) -> None:
    """An establishment whose line cannot be taken is still in the extraction."""
    await desk.load("scopes", FIRST + et(ET, EJ, "EHPAD", "69"))
    counts, _, _ = await desk.load("scopes", FIRST + et(ET, EJ, "", "69") + et(ET2, EJ, "Autre", "69"), retire="1")
    assert counts == {"refused": 1, "created": 1}
    assert (await scope(desk, f"et-{ET}"))["retired_at"] is None


async def test_r82_someone_edits_at_the_same_time(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another writes between reading and writing is not lost: the batch is decided again."""
    records, write, once = desk.world.records, desk.world.records.write, [True]

    async def crossed(*changes: Insert) -> None:
        if once and any(change.table == "scopes" for change in changes):
            once.clear()
            await write(Update("scopes", {"banner": "Important", "version": 9}, {"id": "ehpad"}))
        await write(*changes)

    monkeypatch.setattr(records, "write", crossed)
    content = csv_of(HEAD, ("ehpad", "", "etablissement", "Nouveau nom", "", ""))
    assert (await desk.load("scopes", content))[0] == {"updated": 1}
    row = await scope(desk, "ehpad")
    assert (row["banner"], row["name"], row["version"]) == ("Important", "Nouveau nom", 10)


async def crossed_by_a_move(
    desk: Importing, monkeypatch: pytest.MonkeyPatch, content: str, moved: str, to: str, **options: str
) -> Mapping[str, str]:
    """The import of this, while somebody moves a scope between its reading and its writing; all paths after it."""
    world, write, once = desk.world, desk.world.records.write, [True]
    hour = timedelta(hours=1)
    office = ScopeOffice(
        world.records, world.revisions, world.audit, world.desk, world.ambient, Bounds(hour, hour, hour, hour)
    )

    async def crossed(*changes: Change) -> None:
        if once and any(change.table == "scopes" for change in changes):
            once.clear()
            await office.edit(NATIONAL, moved, None, {"parent": to}, "rattachement", world.now)
        await write(*changes)

    monkeypatch.setattr(world.records, "write", crossed)
    await desk.load("scopes", content, NATIONAL, **options)
    assert not once
    return {str(row["id"]): str(row["path"]) for row in await world.records.find("scopes", {})}


async def test_r82_a_place_is_made_below_one_that_moves(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made lies where its parent lies by now: the people of the old region do not see into the new one."""
    content = csv_of(HEAD, ("neuf", "exemple-sante", "etablissement", "Neuf", "", ""))
    found = await crossed_by_a_move(desk, monkeypatch, content, "exemple-sante", "reunion")
    assert found["exemple-sante"] == "/nation/reunion/exemple-sante/"
    assert found["neuf"] == "/nation/reunion/exemple-sante/neuf/"


async def test_r82_two_moves_at_the_same_time(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file moves an entity while somebody moves an establishment into it: every path says where its scope lies."""
    content = csv_of(HEAD, ("exemple-sante", "reunion", "entite", "Exemple Santé", "690000013", ""))
    found = await crossed_by_a_move(desk, monkeypatch, content, "chu", "exemple-sante", move="1")
    assert found["ch-geriatrie"] == "/nation/reunion/exemple-sante/ch/ch-geriatrie/"
    assert found["chu"] == "/nation/reunion/exemple-sante/chu/"


def test_r82_territories() -> None:
    """Eighteen regions, 101 departments, and the letters of FINESS for those overseas."""
    assert (len(REGIONS), len(DEPARTMENTS)) == (18, 101)
    assert {region for _, region in DEPARTMENTS.values()} == set(REGIONS)
    assert [department(one) for one in ("69", " 1", "2a", "9A", "9F", "974", "9E", "99", "")] == [
        "69", "01", "2A", "971", "976", "974", None, None, None,
    ]  # fmt: skip
    assert [of_finess(one) for one in ("690781810", "970400024", "980500003", "2A0000014", "990000000", "")] == [
        "69", "974", "976", "2A", None, None,
    ]  # fmt: skip


async def test_r82_one_nation(tmp_path: Path) -> None:
    """An empty deployment begins with its nation; there is one, even within one file."""
    async with importing_in(tmp_path) as desk:
        await desk.world.records.write(*(Delete("scopes", {"parent_id": one}) for one in reversed(SEEDED)))
        await desk.world.records.write(Delete("scopes", {"id": "nation"}))
        fresh = await desk.world.worker()
        desk.imports = Imports(
            desk.world.records, desk.world.ambient, desk.world.audit, desk.world.revisions, fresh, desk.bus
        )
        content = FIRST + et(ET, EJ, "EHPAD", "69")
        assert "périmètre national" in (await desk.load("scopes", content, CLI))[2]
        two = csv_of(HEAD, ("nation", "", "nation", "France", "", ""), ("other", "", "nation", "Autre", "", ""))
        trial = await desk.load("scopes", two, CLI, dry_run=True)
        assert trial == await desk.load("scopes", two, CLI)
        assert trial[0] == {"created": 1, "refused": 1}
        assert (await scope(desk, "nation"))["path"] == "/nation/"
        # Region, department, entity, establishment.
        assert (await desk.load("scopes", content, CLI))[0] == {"created": 4}
        assert (await scope(desk, f"et-{ET}"))["path"] == f"/nation/r-84/d-69/ej-{EJ}/et-{ET}/"


async def test_r82_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same on the other engine: paths, moves, batches that collide, twice the same."""
    with postgres_server(tmp_path_factory.mktemp("pg")) as server:
        async with world_on(server.url) as world:
            desk = Importing(world, tmp_path_factory.mktemp("files"))
            content = FIRST + ej(EJ, "ASSOCIATION", "69") + et(ET, EJ, "EHPAD", "69") + et(ET2, EJ, "SSR", "69")
            trial = await desk.load("scopes", content, AURA, dry_run=True)
            assert trial == await desk.load("scopes", content, AURA)
            assert trial[0] == {"created": 3}
            assert (await desk.load("scopes", content, AURA))[0] == {"unchanged": 3}
            counts, _, _ = await desk.load("scopes", FIRST + et(ET, EJ, "EHPAD", "69"), AURA, retire="1")
            assert counts == {"unchanged": 1, "updated": 1}
            moved = csv_of(HEAD, ("ch", "rhone", "etablissement", "CH", "", ""))
            assert (await desk.load("scopes", moved, AURA, move="1"))[0] == {"updated": 1}
            assert (await scope(desk, "ch-geriatrie"))["path"] == "/nation/aura/rhone/ch/ch-geriatrie/"
            head = ("identifiant", "nom", "prenom", "mail", "finess", "mot_de_passe")
            people = [(f"u{n}", "Martin", "Alice", f"u{n}@x.test", ET, "") for n in range(300)]
            table = csv_of(head, *people, ("twin", "Petit", "Bob", "u7@x.test", ET, ""))
            assert (await desk.load("accounts", table, AURA))[0] == {"created": 301}
            assert (await desk.load("accounts", table, AURA))[0] == {"unchanged": 301}
            assert await world.records.count("accounts", {"mail_key": None}) == 2
            await desk.imports.close()
