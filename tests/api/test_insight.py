"""What was done and how it goes, by the API: audit, dashboard, compliance, explanations, tokens."""

from __future__ import annotations

from tests.api.office import Office
from tests.api.test_scopes import walked


async def test_r93_the_audit_goes_back_page_by_page_within_ones_reach(office: Office) -> None:
    """All rows once; who, when, what, old and new, why; others' rows are not there; acts that are none are refused."""
    for n in range(5):
        await office.said(
            "PATCH", "scopes/ehpad", "region", json={"session_idle": 600 + n, "reason": "essai"}, tag=n + 1
        )
        await office.said("PATCH", "scopes/chu", "other", json={"session_idle": 600 + n, "reason": "essai"}, tag=n + 1)
    for limit in (1, 3, 200):
        rows = await walked(office, f"audit?act=policy:change&limit={limit}", "audit", "region")
        assert [one["scope"] for one in rows] == ["ehpad"] * 5
        assert len({one["seq"] for one in rows}) == 5
    assert len(await walked(office, "audit?act=policy:change&limit=4", "audit", "national")) == 10
    facts = rows[0]["facts"]
    assert (facts["old"], facts["new"], facts["why"]) == ('{"session_idle": 603}', '{"session_idle": 604}', "essai")
    assert await walked(office, "audit?scope=aura&act=policy:change", "audit", "region") == []
    below = await walked(office, "audit?scope=aura&below=1&act=policy:change,scope:change", "audit", "region")
    assert len(below) == 5
    assert await walked(office, "audit?act=policy:change&since=2026-03-05T00:00:00Z", "audit", "region") == []
    assert await office.status("GET", "audit?act=policy:chanje") == 422
    assert await office.status("GET", "audit?scope=chu", "region") == 404


async def test_r93_an_export_is_a_table_and_itself_written_down(office: Office) -> None:
    """By Accept or by the address; the export stands in the audit before its first line."""
    async with await office.ask("GET", "audit?format=csv", "region") as said:
        assert (said.status, said.content_type) == (200, "text/csv")
        assert (await said.text()).startswith("\ufeff")
    assert len(await office.world.audited("audit:export")) == 1
    assert await office.status("GET", "audit?scope=chu&format=csv", "region") == 404


async def test_r94_the_dashboard_counts_what_is_within_reach(office: Office) -> None:
    """As many numbers as days; scopes by state; readiness; one scope only when it is asked for."""
    said = await office.said("GET", "dashboard?days=7", "region")
    assert len(said["days"]) == len(said["scopes_all"]) == 7
    assert said["scopes"]["etablissement"] == {"strong": 3, "password_only": 0}
    assert [one["id"] for one in said["regions"]] == ["aura"]
    assert (await office.said("GET", "dashboard?scope=ehpad", "region"))["people"] == 4
    assert await office.status("GET", "dashboard?days=0") == 422


async def test_g27_compliance_and_explanations(office: Office) -> None:
    """The report of what runs on borrowed time; the rule that decides, by any spelling of the person."""
    report = await office.said("GET", "compliance", "region")
    assert {one["means"] for one in report["means"]} >= {"psc", "card", "otp_mail", "password"}
    said = await office.said("GET", "explain?user=anna&url=https://vt.test/Trajectoire/", "referent")
    assert (said["account"], said["verdict"]["outcome"]) == ("anna", "asked")
    async with await office.ask("GET", "explain?user=anna&url=https://elsewhere.test/", "referent") as answer:
        assert (answer.status, list((await answer.json())["faults"])) == (422, ["url"])
    assert await office.status("GET", "explain?user=chloe&url=/", "referent") == 404
    assert await office.status("GET", "explain?user=chloe", "referent") == 422


async def test_r87_tokens_are_made_by_people_shown_once_and_end(office: Office) -> None:
    """By a strong session of the nation; the list has no secret; a revoked token is refused at once."""
    cookies = await office.signed_in("nora")
    csrf = {"X-CSRF-Token": (await office.said("GET", "session", None, cookies=cookies))["csrf"]}
    ask = {"name": "annuaire", "role": "referent", "scope": "ehpad", "days": 2}
    made = await office.said("POST", "tokens", None, json=ask, cookies=cookies, headers=csrf)
    assert await office.status("GET", "scopes/ehpad", made["token"]) == 200
    listed = await office.said("GET", "tokens")
    assert made["token"] not in str(listed)
    assert "digest" not in str(listed)
    (mine,) = [one for one in listed["tokens"] if one["id"] == made["id"]]
    assert (mine["role"], mine["scope"], mine["state"], mine["created_by"]) == ("referent", "ehpad", "active", "nora")
    async with await office.ask(
        "POST", "tokens", None, json={**ask, "days": 400}, cookies=cookies, headers=csrf
    ) as said:
        assert said.status == 422
    assert await office.status("DELETE", f"tokens/{made['id']}") == 204
    assert await office.status("GET", "scopes/ehpad", made["token"]) == 401
