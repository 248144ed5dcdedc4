"""Delegations by the API: listed and read within reach, ended with a reason; and from a session to a person (R149)."""

from __future__ import annotations

from datetime import timedelta

from gateway.audit import Act
from tests.api.office import BASE, Office
from tests.api.test_scopes import walked
from tests.delegations.watch import FIRST, SECOND, THIRD


async def given(office: Office, name: str = "dlg_1", doctor: str = "nobody", delegate: str = "anna") -> None:
    await office.watch.given(name, doctor, delegate=delegate, family_name=delegate.upper())


async def test_r126_lists_hold_what_lies_within_ones_reach_once(office: Office) -> None:
    """Whatever the size of a page; by account and by state; a state there is none of is refused."""
    for number in range(5):
        await given(office, f"dlg_{number}")
    await given(office, "dlg_5", "nobody", "chloe")
    await given(office, "dlg_6", "nobody", "both")
    reached = {
        "national": [f"dlg_{number}" for number in range(7)],
        "region": ["dlg_0", "dlg_1", "dlg_2", "dlg_3", "dlg_4", "dlg_6"],
        "other": ["dlg_5", "dlg_6"],
        "referent": ["dlg_0", "dlg_1", "dlg_2", "dlg_3", "dlg_4", "dlg_6"],
    }
    for who, expected in reached.items():
        for limit in (1, 3, 200):
            found = await walked(office, f"delegations?limit={limit}", "delegations", who)
            assert [one["id"] for one in found] == expected, (who, limit)
    assert await walked(office, "delegations?account=chloe", "delegations", "region") == []
    assert [one["id"] for one in await walked(office, "delegations?account=both", "delegations", "other")] == ["dlg_6"]
    assert len(await walked(office, "delegations?account=nobody&state=active&limit=2", "delegations", "national")) == 7
    assert await walked(office, "delegations?state=revoked", "delegations", "national") == []
    for bad in ("state=alive", "limit=0", "limit=201", "whose=anna", "state=active&state=revoked"):
        assert await office.status("GET", f"delegations?{bad}") == 422, bad


async def test_r126_one_delegation_with_history_and_use(office: Office) -> None:
    """People, days, rights in force, what happened, who acted; no address or digest of a link."""
    await given(office)
    await office.watch.acting(account="anna")
    seen = await office.said("GET", "delegations/dlg_1", "referent")
    assert (seen["state"], seen["kind"], seen["all_rights"]) == ("active", "assistant", False)
    assert (seen["doctor"]["account"], seen["delegate"]["account"]) == ("nobody", "anna")
    assert (seen["first_day"], seen["last_day"]) == ("2026-03-01", "2026-03-31")
    assert [one["what"] for one in seen["history"]] == ["given"]
    (use,) = seen["uses"]
    assert (use["person"]["account"], use["session"], use["means"], use["ended_at"]) == ("anna", SECOND, "cpe", None)
    assert "invite" not in str(seen) and "digest" not in str(seen)


async def test_r125_an_end_by_the_api(office: Office) -> None:
    """With a reason, at once, told to workers and people; a second time changes nothing; the token is the author."""
    await given(office)
    for bad in ({}, {"reason": "x"}, {"reason": "essai", "force": True}):
        assert await office.status("POST", "delegations/dlg_1/end", "region", json=bad) == 422
    body = {"reason": "Départ du cabinet"}
    seen = await office.said("POST", "delegations/dlg_1/end", "region", json=body)
    assert (seen["state"], seen["revoked_by"]) == ("revoked", "administrator")
    event = seen["history"][-1]
    assert (event["what"], event["detail"]["why"]) == ("ended", "Départ du cabinet")
    assert event["author"].startswith("token:")
    assert office.watch.heard[-1] == "delegation:dlg_1"
    assert len(office.watch.posted) == 2
    again = await office.said("POST", "delegations/dlg_1/end", "region", json=body)
    assert again == seen
    (said,) = await office.world.audited("delegation:end")
    assert (said["facts"]["why"], said["account"]) == ("Départ du cabinet", "anna")
    listed = await office.said("GET", "audit?act=delegation:end", "region")  # who did it finds it again
    assert len(listed["audit"]) == 1


async def test_r125_hidden_and_unknown_look_the_same(office: Office) -> None:
    """To the letter, but for the reference."""
    await given(office)
    answers = []
    for name in ("dlg_1", "dlg_nowhere"):
        for method, path in (("GET", f"delegations/{name}"), ("POST", f"delegations/{name}/end")):
            how = {"json": {"reason": "essai"}} if method == "POST" else {}
            async with await office.ask(method, path, "other", **how) as said:
                answers.append((said.status, {**await said.json(), "reference": ""}))
    assert all(one == answers[0] for one in answers)
    assert answers[0][0] == 404
    assert await office.world.audited("delegation:end") == []


async def test_r149_who_acted(office: Office) -> None:
    """Person, means, level, space, since when, for whom, under what; with an instant or without; never to a référent."""
    await given(office)
    began = office.world.now
    await office.watch.acting(account="anna")
    office.world.ambient.advance(600)
    await office.watch.sign(
        Act.ACTING_ENDED, THIRD, office.world.now, "anna", **{"from": SECOND, "delegation": "dlg_1"}
    )
    stamp = (began + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.123Z")
    for address in (f"trace?session={SECOND}&at={stamp}", f"trace?session={SECOND}"):
        seen = await office.said("GET", address, "region")
        assert (seen["person"]["account"], seen["means"], seen["assurance"]) == ("anna", "cpe", "substantial")
        assert seen["space"] == "professionnel"
        acted = seen["acted_for"]
        assert (acted["delegation"], acted["doctor"]["account"]) == ("dlg_1", "nobody")
        assert (acted["state_then"], acted["state_now"]) == ("active", "active")
        assert acted["rights"] == ["grandage:consulter", "sanitaire:creer"]
    for session in (FIRST, THIRD):
        assert (await office.said("GET", f"trace?session={session}"))["acted_for"] is None
    async with await office.ask("GET", f"trace?session={'f' * 12}", "region") as unknown:
        nobody = {**await unknown.json(), "reference": ""}
        assert unknown.status == 404 and "Personne n'est connu" in nobody["detail"]
    async with await office.ask("GET", f"trace?session={SECOND}", "other") as hidden:
        assert {**await hidden.json(), "reference": ""} == nobody
    for bad in ("", "session=xyz", "session=0123456789AB", f"session={SECOND}&at=hier", f"session={SECOND}&who=anna",
                f"session={SECOND}%0A"):  # fmt: skip
        assert await office.status("GET", f"trace?{bad}", "region") == 422, bad
    assert await office.status("GET", f"trace?session={SECOND}&at=2001-01-01T00:00:00Z", "region") == 404
    looked = await office.world.audited("trace:look-up")
    assert {one["facts"]["author"].partition(":")[0] for one in looked} == {"token"}
    assert BASE.endswith("/api/v1")
