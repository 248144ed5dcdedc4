"""Scopes by the API: lists that show all and only what is there, once; every value with its origin; edits that lose nothing."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from gateway.ports import Update
from tests.administration.world import PLACES, place
from tests.api.office import BASE, Office


async def walked(office: Office, path: str, key: str, who: str) -> list[Any]:
    """Everything a list holds, page by page, by the Link header alone."""
    found: list[Any] = []
    while path:
        async with await office.ask("GET", path, who) as said:
            body = await said.json()
            assert said.status == 200, body
            link = said.headers.get("Link", "")
            assert (f'<{body["next"]}>; rel="next"' == link) if body["next"] else not link
        found += body[key]
        path = body["next"].removeprefix(BASE + "/") if body["next"] else ""
    return found


async def test_r82_pages_of_scopes_show_all_once(office: Office) -> None:
    """Whatever the size of a page and the reach: all that is within reach, each once, nothing else."""
    more = [place(f"ssr-{n:02}", "exemple-sante", "etablissement", "Même nom", f"/nation/aura/rhone/exemple-sante/ssr-{n:02}/")
            for n in range(25)]  # fmt: skip
    await office.world.revisions.write(lambda revision: [_at(one, revision) for one in more])
    await office.world.desk.refresh()
    everything = {one[0] for one in PLACES} | {f"ssr-{n:02}" for n in range(25)}
    region = everything - {"nation", "reunion", "chu"}
    for who, expected in (
        ("national", everything),
        ("region", region),
        ("other", {"reunion", "chu"}),
        ("referent", {"ehpad"}),
    ):
        for limit in (1, 7, 200):
            ids = [one["id"] for one in await walked(office, f"scopes?limit={limit}", "scopes", who)]
            assert len(ids) == len(set(ids))
            assert set(ids) == expected, (who, limit)


def _at(change: Any, revision: int) -> Any:
    change.values["revision"] = revision
    return change


async def test_r91_what_another_worker_wrote_is_what_is_read_and_edited(office: Office) -> None:
    """No news was heard yet: the very next request of an administrator knows it, and its version is the one to write over."""
    await office.world.revisions.write(
        lambda revision: [
            Update("scopes", {"name": "Villa", "version": 2, "revision": revision}, {"id": "ehpad", "version": 1})
        ]
    )
    async with await office.ask("GET", "scopes/ehpad", "region") as said:
        assert (await said.json())["name"] == "Villa"
        headers = {"If-Match": said.headers["ETag"]}
    moved = {"city": "Bron", "reason": "déménagement"}
    async with await office.ask("PATCH", "scopes/ehpad", "region", json=moved, headers=headers) as said:
        assert said.status == 200, await said.text()


async def test_r82_filters(office: Office) -> None:
    """By words, kind, parent and state; the address of the next page keeps them."""
    assert [one["id"] for one in (await office.said("GET", "scopes?q=glycines"))["scopes"]] == ["ehpad"]
    assert [one["id"] for one in (await office.said("GET", "scopes?q=690780036"))["scopes"]] == ["ch"]
    below = await walked(office, "scopes?parent=exemple-sante&limit=1", "scopes", "region")
    assert {one["id"] for one in below} == {"ehpad", "ssr", "ch"}
    assert {one["id"] for one in await walked(office, "scopes?kind=region&limit=1", "scopes", "national")} == {
        "aura",
        "reunion",
    }
    assert (await office.said("GET", "scopes?state=password_only"))["scopes"] == []
    assert await office.status("GET", "scopes?after=chu", "region") == 422  # no page of theirs


async def test_r82_every_value_says_where_it_comes_from(office: Office) -> None:
    """Set here, inherited from above with its name, or the nation's default."""
    await office.said("PATCH", "scopes/aura", json={"code_validity": 900}, tag=1)
    await office.said("PATCH", "scopes/ehpad", json={"session_idle": 600}, tag=1)
    said = await office.said("GET", "scopes/ehpad", "referent")
    policy = said["policy"]
    assert policy["code_validity"] == {
        "value": 900, "from": "aura", "from_name": "Auvergne-Rhône-Alpes", "set_here": False,
    }  # fmt: skip
    assert policy["session_idle"] | {"from_name": ""} == {
        "value": 600,
        "from": "ehpad",
        "from_name": "",
        "set_here": True,
    }
    assert policy["channels"]["from"] is None
    assert set(policy) == {
        "code_validity", "second_factor_memory", "channels", "methods", "session_absolute", "session_idle", "banner",
        "banner_from", "contacts",
    }  # fmt: skip
    assert said["legal"]["otp_mail"]["status"] == "transition"
    assert said["ruling"] == {"strong": True, "why": "cut-off", "scope": None, "until": None}
    assert (said["state"], said["people"], said["parent"], said["version"]) == ("strong", 4, "exemple-sante", 2)


async def test_r91_fields_are_set_bounded_and_inherited_again(office: Office) -> None:
    """Values outside the nation's bounds are refused under their name; null inherits; merge-patch says the same."""
    body = {
        "code_validity": 600, "channels": ["mail", "sms"], "methods": ["psc", "otp_mail"], "banner": "Bonjour",
        "banner_from": "2026-03-01T00:00:00Z", "contacts": [{"label": "Équipe", "url": "tel:3646", "topics": ["cartes"]}],
        "reason": "essai",
    }  # fmt: skip
    async with await office.ask("PATCH", "scopes/ehpad", "region", json=body, tag=1) as said:
        assert (said.status, said.headers["ETag"]) == (200, '"2"')
        policy = (await said.json())["policy"]
    assert (policy["channels"]["value"], policy["contacts"]["value"][0]["topics"]) == (["mail", "sms"], ["cartes"])
    for changes, field in (
        ({"code_validity": 28_801}, "code_validity"), ({"code_validity": 59}, "code_validity"), ({"channels": []}, "channels"),
        ({"code_validity": 60.5}, "code_validity"), ({"code_validity": "600"}, "code_validity"), ({"name": ""}, "name"),
        ({"contacts": [{"label": "x", "url": "javascript:alert(1)"}]}, "contacts"), ({"path": "/"}, "path"),
        ({"second_factor_memory": 3600}, "reason"),
    ):  # fmt: skip
        async with await office.ask("PATCH", "scopes/ehpad", "region", json=changes, tag=2) as said:
            assert said.status == 422, changes
            assert list((await said.json())["faults"]) == [field]
    kind = {"Content-Type": "application/merge-patch+json"}
    said = await office.said("PATCH", "scopes/ehpad", "region", data=b'{"channels": null}', headers=kind, tag=2)
    assert said["policy"]["channels"]["set_here"] is False
    why = {"X-Reason": "M%C3%A9moire%20demand%C3%A9e"}
    said = await office.said("PATCH", "scopes/ehpad", json={"second_factor_memory": 18_000}, headers=why, tag=3)
    assert said["warnings"]
    (row, *_) = reversed(await office.world.audited("policy:change"))
    assert (row["facts"]["why"], row["facts"]["author"][:6]) == ("Mémoire demandée", "token:")


async def test_r87_each_change_needs_its_right(office: Office) -> None:
    """A référent reads; the region sets fields and shape; the legal status is the nation's."""
    legal = {"legal": {"otp_mail": {"status": "interdit"}}, "reason": "essai"}
    assert await office.status("PATCH", "scopes/ehpad", "referent", json={"banner": "x"}, tag=1) == 403
    assert await office.status("PATCH", "scopes/ehpad", "other", json={"banner": "x"}, tag=1) == 404
    assert await office.status("PATCH", "scopes/ehpad", "region", json=legal, tag=1) == 403
    assert await office.status("PATCH", "scopes/ehpad", "region", json={"name": "EHPAD Les Lilas"}, tag=1) == 200
    said = await office.said("PATCH", "scopes/ehpad", "national", json=legal, tag=2)
    assert said["legal"]["otp_mail"] == {
        "status": "interdit", "reference": "", "until": None, "from": "ehpad", "set_here": True,
    }  # fmt: skip


async def test_r91_of_two_editors_one_is_told(office: Office) -> None:
    """Twelve at once over one version: one 200, eleven 412 with the present version, nothing written between."""
    asked = [office.ask("PATCH", "scopes/ehpad", json={"banner": f"n {n}"}, tag=1) for n in range(12)]
    answers = await asyncio.gather(*asked)
    assert sorted(one.status for one in answers) == [200] + [412] * 11
    assert {one.headers["ETag"] for one in answers} == {'"2"'}
    assert await office.status("PATCH", "scopes/ehpad", json={"banner": "x"}) == 428
    assert await office.status("PATCH", "scopes/ehpad", json={"banner": "x"}, headers={"If-Match": 'W/"2"'}) == 412
    assert await office.status("PATCH", "scopes/ehpad", json={"banner": "x"}, headers={"If-Match": "*"}) == 200


async def test_a_scope_is_made_below_another(office: Office) -> None:
    """201 with its address and version; what cannot be is said under the name that was sent."""
    body = {
        "parent": "exemple-sante",
        "kind": "etablissement",
        "name": "SSR des Monts",
        "finess": "690780044",
        "reason": "essai",
    }
    async with await office.ask("POST", "scopes", "region", json={**body, "id": "Pas Bon"}) as said:
        assert (said.status, list((await said.json())["faults"])) in ((422, ["finess"]), (422, ["id"]))
    body.pop("finess")
    async with await office.ask("POST", "scopes", "region", json={**body, "id": "ssr-monts"}) as said:
        assert said.status == 201, await said.text()
        assert urlsplit(said.headers["Location"]).path == f"{BASE}/scopes/ssr-monts"
        assert said.headers["ETag"] == '"1"'
    assert await office.status("GET", "scopes/ssr-monts", "region") == 200
    assert await office.status("POST", "scopes", "referent", json={**body, "parent": "ehpad", "kind": "service"}) == 403
    assert await office.status("POST", "scopes", "other", json=body) == 404


async def test_r88_readiness_as_json_and_as_a_table(office: Office) -> None:
    """Counts of the scope and what lies below; the table when it is asked for by the address or by Accept."""
    said = await office.said("GET", "scopes/exemple-sante/readiness", "region")
    assert (said["people"], said["counts"]["never_strong"], said["counts"]["no_mail"]) == (5, 5, 0)
    for how in ({"headers": {"Accept": "text/csv, */*;q=0.1"}}, {"params": {"format": "csv"}}):
        async with await office.ask("GET", "scopes/exemple-sante/readiness", "region", **how) as answer:
            assert (answer.status, answer.content_type, answer.charset) == (200, "text/csv", "utf-8")
            assert answer.headers["Content-Disposition"].startswith("attachment")
            table = (await answer.read()).decode()
    assert table.startswith("\ufeffCompte;")
    assert table.count("\r\n") == 1 + said["people"]
    json_first = {"headers": {"Accept": "application/json, text/csv"}}
    assert (await office.said("GET", "scopes/exemple-sante/readiness", "region", **json_first))["people"] == 5
    async with await office.ask("GET", "scopes/chu/readiness?format=csv", "region") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with await office.ask("HEAD", "scopes/ehpad/readiness?format=csv", "region") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
