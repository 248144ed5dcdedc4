"""Imports by the API: a table comes in three ways, is tried or done, and leaves a report (R102)."""

from __future__ import annotations

from aiohttp import FormData

from tests.api.office import BASE, Office

HEAD = "identifiant;nom;prenom;mail;scope\n"
CSV = {"Content-Type": "text/csv"}


def people(count: int, scope: str = "ehpad") -> str:
    lines = [f"personne{n};NOM{chr(65 + n % 26)};Prénom;personne{n}@example.test;{scope}\n" for n in range(count)]
    return HEAD + "".join(lines)


async def test_r102_a_trial_writes_nothing_and_says_what_would_be(office: Office) -> None:
    """dry_run=1: the counts of an import, and nobody more than before; then the import; then the same again, unchanged."""
    data = people(3).encode()
    async with await office.ask("POST", "accounts/import?dry_run=1", "region", data=data, headers=CSV) as said:
        body = await said.json()
        assert (said.status, body["state"], body["dry_run"], body["counts"]) == (200, "done", True, {"created": 3}), (
            body
        )
        assert said.headers["Location"] == f"{BASE}/imports/{body['id']}"
    assert (await office.said("GET", "accounts?q=personne1%40example.test"))["accounts"] == []
    form = FormData()
    form.add_field("file", data, filename="people.csv", content_type="text/csv")
    body = await office.said("POST", "accounts/import", "region", data=form)
    assert (body["counts"], body["dry_run"]) == ({"created": 3}, False)
    assert len((await office.said("GET", "accounts?q=personne1%40example.test"))["accounts"]) == 1
    body = await office.said("POST", "accounts/import?dry_run=false", "region", json={"csv": people(3)})
    assert body["counts"] == {"unchanged": 3}
    assert list((office.uploads).iterdir()) == []


async def test_r102_the_report_goes_page_by_page_and_as_a_table(office: Office) -> None:
    """Lines out of reach are refused one by one; pages hold every line once; only its author and the nation see it."""
    data = (people(5) + people(4, "chu").removeprefix(HEAD).replace("personne", "autre")).encode()
    body = await office.said("POST", "accounts/import?dry_run=1", "region", data=data, headers=CSV)
    assert body["counts"] == {"created": 5, "refused": 4}
    path, lines = f"imports/{body['id']}/report?limit=2", []
    while path:
        page = await office.said("GET", path, "region")
        lines += page["lines"]
        path = (page["next"] or "").removeprefix(BASE + "/")
    assert [one["line"] for one in lines] == list(range(2, 11))
    assert {one["outcome"] for one in lines[5:]} == {"refused"}
    for how in ({"headers": {"Accept": "text/csv"}}, {"params": {"format": "csv"}}):
        async with await office.ask("GET", f"imports/{body['id']}/report", "national", **how) as said:
            assert (said.status, said.content_type) == (200, "text/csv")
            table = (await said.read()).decode()
            assert table.startswith("\ufeff")
            assert table.count("\r\n") == 10
    for who, expected in (("national", 200), ("other", 404), ("referent", 404)):
        assert await office.status("GET", f"imports/{body['id']}", who) == expected
        assert await office.status("GET", f"imports/{body['id']}/report?format=csv", who) == expected


async def test_r102_scopes_come_the_same_way(office: Office) -> None:
    """With the options of scopes; a référent imports nothing, and nothing of a refused upload stays."""
    data = b"id;parent;kind;name\nssr-2;exemple-sante;etablissement;SSR du Parc\n"
    body = await office.said("POST", "scopes/import?move=1&retire=0", "region", data=data, headers=CSV)
    assert (body["kind"], body["counts"]) == ("scopes", {"created": 1}), body
    await office.world.desk.refresh()  # as workers do every second
    assert await office.status("GET", "scopes/ssr-2", "region") == 200
    for size in (10, 500_000):  # too large or not: nothing of it is read
        assert await office.status("POST", "scopes/import", "referent", data=b"x" * size, headers=CSV) == 403
    assert await office.status("POST", "accounts/import?move=1", "region", data=data, headers=CSV) == 422
    assert await office.status("POST", "accounts/import", "region", data=data) == 415
    assert await office.status("POST", "accounts/import", "region", data=b"x" * 400_001, headers=CSV) == 413
    assert await office.status("POST", "scopes/import", "other", data=b"", headers=CSV) == 422
    assert list((office.uploads).iterdir()) == []


async def test_r102_a_file_that_is_no_table_fails_as_an_import(office: Office) -> None:
    """The upload was taken; the import says why it could not be read."""
    body = await office.said("POST", "accounts/import", "region", data=b"PK\x03\x04 no table", headers=CSV)
    assert (body["state"], body["lines"]) == ("failed", [])
    assert "CSV" in body["fault"]
