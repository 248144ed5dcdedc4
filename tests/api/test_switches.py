"""Switches by the API: one scope and many, seen before, undone after, in an emergency, and asked for (R83–R87, G26)."""

from __future__ import annotations

from datetime import timedelta

from tests.api.office import BASE, Office


def at(office: Office, **after: float) -> str:
    """An instant so long after the present, as a program writes it."""
    return (office.world.now + timedelta(**after)).isoformat()


async def test_r83_r84_one_scope_off_and_on_again(office: Office) -> None:
    """A step back needs its end; the answer names the act, and the scope says the new state and what comes next."""
    off = {"state": "password_only", "reason": "Le temps de former l'équipe"}
    async with await office.ask("POST", "scopes/ehpad/switch", "region", json=off) as said:
        assert (said.status, list((await said.json())["faults"])) == (422, ["until"])
    until = at(office, days=30)
    async with await office.ask("POST", "scopes/ehpad/switch", "region", json={**off, "until": until}, tag=1) as said:
        body = await said.json()
        assert said.status == 201, body
        assert said.headers["Location"] == f"{BASE}/switches/{body['batch']}"
        assert [one["scope"] for one in body["switches"]] == ["ehpad"]
    scope = await office.said("GET", "scopes/ehpad", "referent")
    assert (scope["state"], scope["ruling"]["why"], scope["version"]) == ("password_only", "derogation", 2)
    assert scope["next_change"] == scope["ruling"]["until"] == scope["switches"][0]["until"]
    again = {"state": "strong", "reason": "L'équipe est prête"}
    assert await office.status("POST", "scopes/ehpad/switch", "region", json=again, tag=1) == 412
    dated = {**again, "from": at(office, hours=2), "announce": True}
    assert await office.status("POST", "scopes/ehpad/switch", "region", json=dated, tag=2) == 201
    assert (await office.said("GET", "scopes/ehpad"))["state"] == "password_only"
    office.world.ambient.advance(7300)
    assert (await office.said("GET", "scopes/ehpad"))["state"] == "strong"
    both = {**off, "until": until, "derogation_until": at(office, days=31)}
    async with await office.ask("POST", "scopes/ehpad/switch", "region", json=both) as said:
        assert list((await said.json())["faults"]) == ["until"]
    past = {**again, "from": at(office, days=-3)}
    async with await office.ask("POST", "scopes/ssr/switch", "region", json=past) as said:
        assert list((await said.json())["faults"]) == ["from"]


async def test_r83_many_scopes_are_one_act(office: Office) -> None:
    """Seen first, switched all or none, undone in part and whole; a scope changed since stops the whole act."""
    body = {"scopes": ["ehpad", "ssr", "ehpad"], "state": "password_only", "until": at(office, days=10)}
    seen = await office.said("POST", "switches/preview", "region", json=body)
    assert [one["scope"]["id"] for one in seen["effects"]] == ["ehpad", "ssr"]
    assert (seen["people"], seen["faults"], seen["effects"][0]["after"]["why"]) == (5, {}, "derogation")
    versions = {one["scope"]["id"]: one["version"] for one in seen["effects"]}
    act = {**body, "reason": "Panne du relais de messagerie", "versions": versions}
    assert await office.status("POST", "switches", "region", json={**act, "versions": {"ssr": 7}}) == 412
    assert await office.status("POST", "switches", "region", json={**act, "scopes": ["ehpad", "chu"]}) == 404
    assert (await office.said("GET", "scopes/ehpad"))["version"] == 1
    made = await office.said("POST", "switches", "region", json=act)
    batch = await office.said("GET", f"switches/{made['batch']}", "region")
    assert (batch["state"], batch["undone"], len(batch["switches"])) == ("password_only", False, 2)
    assert await office.status("GET", f"switches/{made['batch']}", "other") == 404
    undo = f"switches/{made['batch']}/undo"
    part = {"reason": "Rétabli", "scopes": ["ssr"]}
    assert await office.said("POST", undo, "region", json=part) == {"undone": 1}
    assert await office.status("POST", undo, "referent", json={"reason": "Rétabli", "scopes": ["ehpad"]}) == 403
    assert await office.said("POST", undo, "region", json={"reason": "Rétabli"}) == {"undone": 1}
    assert await office.status("POST", undo, "region", json={"reason": "Rétabli"}) == 422
    assert (await office.said("GET", "scopes/ehpad"))["state"] == "strong"
    (old,) = (await office.said("GET", "scopes/ehpad/history", "referent"))["switches"]
    assert (old["cancel_reason"], old["batch"]) == ("Rétabli", made["batch"])


async def test_r84_a_preview_says_what_it_would_be_refused_for(office: Office) -> None:
    """Under the names of the API; no reason is asked for before the act."""
    seen = await office.said("POST", "switches/preview", "region", json={"scopes": ["ehpad"], "state": "password_only"})
    assert list(seen["faults"]) == ["until"]
    assert await office.status("POST", "switches/preview", "region", json={"scopes": [], "state": "strong"}) == 422
    assert await office.status("POST", "switches", "region", json={"scopes": ["ehpad"], "state": "strong"}) == 422
    assert await office.status("POST", "switches/preview", "region", json={"scopes": ["chu"], "state": "strong"}) == 404


async def test_g26_an_emergency_is_for_a_day_and_not_for_a_referent(office: Office) -> None:
    """At most 24 hours; it opens at once, and its act undoes it."""
    body = {"until": at(office, hours=2), "reason": "La messagerie est en panne"}
    path = "scopes/ehpad/breakglass"
    assert await office.status("POST", path, "referent", json=body) == 403
    async with await office.ask("POST", path, "region", json={**body, "until": at(office, hours=25)}) as said:
        assert (said.status, list((await said.json())["faults"])) == (422, ["until"])
    made = await office.said("POST", path, "region", json=body)
    scope = await office.said("GET", "scopes/ehpad")
    assert (scope["ruling"]["why"], scope["state"]) == ("breakglass", "password_only")
    assert await office.said("POST", f"switches/{made['batch']}/undo", "region", json={"reason": "Rétablie"}) == {
        "undone": 1
    }
    assert (await office.said("GET", "scopes/ehpad"))["state"] == "strong"


async def test_r87_a_referent_asks_and_the_region_answers(office: Office) -> None:
    """Seen within reach only; answered once."""
    path = "scopes/ehpad/requests"
    assert await office.status("POST", path, "referent", json={"reason": "ok", "from": at(office, days=2)}) == 422
    async with await office.ask(
        "POST", path, "referent", json={"reason": "Prêts", "from": at(office, days=-2)}
    ) as said:
        assert list((await said.json())["faults"]) == ["from"]
    made = await office.said("POST", path, "referent", json={"reason": "Toute l'équipe est prête"})
    (seen,) = (await office.said("GET", "requests", "region"))["requests"]
    assert (seen["id"], seen["scope"], seen["outcome"]) == (made["id"], "ehpad", None)
    assert (await office.said("GET", "requests", "other"))["requests"] == []
    answer = f"requests/{made['id']}/answer"
    body = {"outcome": "done", "reason": "C'est fait"}
    assert await office.status("POST", answer, "referent", json=body) == 403
    assert await office.status("POST", answer, "other", json=body) == 404
    assert await office.status("POST", answer, "region", json=body) == 204
    assert (await office.said("GET", "requests", "region"))["requests"] == []
    (seen,) = (await office.said("GET", "requests?all=1", "region"))["requests"]
    assert seen["outcome"] == "done"
