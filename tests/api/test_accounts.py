"""People by the API: found within reach only, invited, corrected, suspended, woken, signed out, attached (R97–R101)."""

from __future__ import annotations

from gateway.ports import Update
from tests.ambient import START
from tests.api.office import BASE, Office
from tests.api.test_scopes import walked


async def test_r100_lists_hold_the_people_of_ones_reach_once(office: Office) -> None:
    """Whatever the size of a page; people without a place are the nation's; another place's people do not exist."""
    everybody = {"anna", "bruno", "chloe", "both", "nobody", "nora", "aude", "remi", "eva"}
    region = {"anna", "bruno", "both", "nora", "aude", "eva"}
    reached = {
        "national": everybody,
        "region": region,
        "other": {"chloe", "both", "remi"},
        "referent": {"anna", "both", "nora", "eva"},
    }
    for who, expected in reached.items():
        for limit in (1, 2, 200):
            ids = [one["id"] for one in await walked(office, f"accounts?limit={limit}", "accounts", who)]
            assert len(ids) == len(set(ids))
            assert set(ids) == expected, (who, limit)
    assert {one["id"] for one in await walked(office, "accounts?scope=ssr", "accounts", "region")} == {"bruno"}
    assert await walked(office, "accounts?scope=ehpad&q=bruno", "accounts", "region") == []
    (found,) = await walked(office, "accounts?q=anna%40example.test", "accounts", "referent")
    assert (found["mail_proved"], found["ready"], "never_strong" in found["categories"]) == (True, True, True)
    assert await walked(office, "accounts?category=no_mail", "accounts", "national") == []
    assert await office.status("GET", "accounts?category=tall") == 422


async def test_r100_an_account_shows_only_the_places_of_ones_reach(office: Office) -> None:
    """Nothing tells a référent that somebody works elsewhere too."""
    seen = await office.said("GET", "accounts/both", "referent")
    assert (seen["scopes"], seen["roles"], seen["standing"]) == (["ehpad"], [], "open")
    assert (await office.said("GET", "accounts/both", "other"))["scopes"] == ["chu"]
    assert (await office.said("GET", "accounts/both"))["scopes"] == ["chu", "ehpad"]
    assert (await office.said("GET", "accounts/eva", "referent"))["roles"] == [{"role": "referent", "scope": "ehpad"}]
    assert (await office.said("GET", "accounts/nora", "referent"))["roles"] == []
    assert "password_hash" not in seen


async def test_r100_a_mail_is_corrected_over_the_version_that_was_read(office: Office) -> None:
    """412 over another version, then it has to be proved again; who sends no version changes what is there."""
    body = {"mail": "anna.martin@example.test", "reason": "Faute de frappe"}
    assert await office.status("PATCH", "accounts/anna", "referent", json=body, tag=7) == 412
    assert await office.status("PATCH", "accounts/anna", "other", json=body, tag=1) == 404
    async with await office.ask("PATCH", "accounts/anna", "referent", json=body, tag=1) as said:
        seen = await said.json()
        assert (said.status, said.headers["ETag"]) == (200, f'"{seen["version"]}"')
    assert (seen["mail"], seen["mail_proved"]) == ("anna.martin@example.test", False)
    for bad, field in (
        ({"mail": "no address", "reason": "essai"}, "mail"), ({"mail": "bruno@example.test", "reason": "essai"}, "mail"),
        ({"mail": "x@example.test"}, "reason"), ({"mail": "x@example.test", "suspended": True, "reason": "essai"}, ""),
        ({"reason": "essai"}, ""), ({"dormant": True, "reason": "essai"}, "dormant"),
        ({"suspended": 1, "reason": "essai"}, "suspended"),
        ({"password": "secret"}, "password"),
    ):  # fmt: skip
        async with await office.ask("PATCH", "accounts/anna", "region", json=bad, headers={"If-Match": "*"}) as said:
            assert (said.status, list((await said.json())["faults"])) == (422, [field]), bad
    pause = {"suspended": True, "reason": "Départ en congé"}
    assert (await office.said("PATCH", "accounts/bruno", "region", json=pause))["standing"] == "suspended"


async def test_r97_r100_suspended_woken_and_signed_out(office: Office) -> None:
    """Each with its reason; sessions end at once; nobody acts on somebody higher."""
    await office.signed_in("bruno")
    assert await office.said("POST", "accounts/bruno/sign-out", "region") == {
        "ended": 1
    }  # and the second factor is forgotten
    assert await office.status("POST", "accounts/bruno/sign-out", "referent") == 404
    why = {"reason": "Départ en congé"}
    seen = await office.said("PATCH", "accounts/bruno", "region", json={"suspended": True, **why}, tag=2)
    assert seen["standing"] == "suspended"
    seen = await office.said("PATCH", "accounts/bruno", "region", json={"suspended": False, **why}, tag=seen["version"])
    assert seen["standing"] == "open"
    old = Update(
        "accounts",
        {"last_sign_in_at": START.replace(year=2020), "created_at": START.replace(year=2019)},
        {"id": "anna"},
    )
    await office.world.records.write(old)
    assert (await office.said("GET", "accounts/anna", "referent"))["standing"] == "dormant"
    seen = await office.said("PATCH", "accounts/anna", "referent", json={"dormant": False, **why}, tag=1)
    assert seen["standing"] == "open"
    assert await office.status("PATCH", "accounts/nora", "region", json={"suspended": True, **why}, tag=1) == 403


async def test_r101_places_and_roles(office: Office) -> None:
    """Attached and detached, appointed and dismissed, each by whom it is given to."""
    place = {"scope": "ehpad", "reason": "Nouveau poste"}
    assert (await office.said("POST", "accounts/bruno/scopes", "region", json=place))["scopes"] == ["ehpad", "ssr"]
    assert await office.status("POST", "accounts/chloe/scopes", "region", json=place) == 404
    role = {"role": "referent", "scope": "ehpad", "reason": "Nouvelle référente"}
    assert await office.status("POST", "accounts/anna/roles", "referent", json=role) == 403
    assert {"role": "referent", "scope": "ehpad"} in (
        await office.said("POST", "accounts/anna/roles", "region", json=role)
    )["roles"]
    assert (
        await office.status("POST", "accounts/anna/roles", "region", json={**role, "role": "region", "scope": "aura"})
        == 403
    )
    query = "role=referent&scope=ehpad&reason=Fin+de+mission"
    assert await office.status("DELETE", f"accounts/anna/roles?{query}", "region") == 204
    assert (await office.said("GET", "accounts/anna"))["roles"] == []
    assert await office.status("DELETE", "accounts/anna/scopes/ehpad", "referent") == 422
    assert await office.status("DELETE", "accounts/anna/scopes/ehpad?reason=Mutation", "referent") == 204
    assert await office.status("GET", "accounts/anna", "referent") == 404
    assert await office.status("GET", "accounts/anna") == 200


async def test_r100_an_invitation_makes_an_account_in_ones_own_place(office: Office) -> None:
    """201 with its address; a shared or generic mailbox is refused; a place out of reach is not there."""
    body = {"scope": "ehpad", "family_name": "Petit", "given_name": "Zoé", "mail": "zoe.petit@example.test"}
    async with await office.ask("POST", "accounts", "referent", json=body) as said:
        seen = await said.json()
        assert said.status == 201, seen
        assert said.headers["Location"] == f"{BASE}/accounts/{seen['id']}"
    assert (seen["scopes"], seen["mail_proved"], seen["origin"]) == (["ehpad"], False, "referent")
    assert await office.status("POST", f"accounts/{seen['id']}/invitation", "referent") == 200
    assert await office.status("POST", f"accounts/{seen['id']}/invitation", "other") == 404
    assert await office.status("POST", "accounts", "referent", json={**body, "scope": "chu"}) == 404
    assert await office.status("POST", "accounts", "referent", json={**body, "mail": "bruno@example.test"}) == 422
    assert await office.status("POST", "accounts", "referent", json={**body, "password": "x"}) == 422
