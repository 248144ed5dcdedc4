"""Who may come in by the API, and what every answer of it has in common."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiohttp import hdrs

from gateway.reasons import RecordsUnavailable, Stale, StoreUnavailable
from tests.api.office import BASE, Office


@pytest.mark.parametrize("token", [None, "vtgw_" + "x" * 43, "vtgw_x", "", "expired", "revoked"])
async def test_r87_without_a_good_token_nothing_is_told(office: Office, token: str | None) -> None:
    """401 with a challenge, for reading and for writing, before anything else is looked at."""
    for method, path in (
        ("GET", "scopes"),
        ("GET", "scopes/nowhere"),
        ("PATCH", "scopes/ehpad"),
        ("POST", "accounts/import"),
    ):
        async with await office.ask(method, path, token, data=b"{") as said:
            assert said.status == 401
            assert said.headers["WWW-Authenticate"].startswith("Bearer ")
            assert (await said.json())["reason"] == ("no-session" if token is None else "token-refused")


async def test_r87_a_token_sets_no_cookie_and_answers_are_kept_by_nobody(office: Office) -> None:
    """Good and bad answers alike: no-store, the headers of all pages, no cookie."""
    for token, path in (("national", "scopes"), ("national", "scopes/nowhere"), ("bad", "scopes")):
        async with await office.ask("GET", path, token) as said:
            assert "Set-Cookie" not in said.headers
            assert said.headers["Cache-Control"] == "no-store"
            assert said.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in said.headers["Content-Security-Policy"]
            assert "Server" not in said.headers


async def test_r87_bad_tokens_of_one_address_are_counted_and_good_ones_go_on(office: Office) -> None:
    """After 300 in a day: 429 with Retry-After; a token that is good is not stopped by the failures of others."""
    for _ in range(300):
        assert await office.status("GET", "scopes", "bad") == 401
    async with await office.ask("GET", "scopes", "bad") as said:
        assert said.status == 429
        assert int(said.headers["Retry-After"]) > 0
    assert await office.status("GET", "scopes", "national") == 200
    elsewhere = {"vtgw-client": "192.0.2.8"}
    assert await office.status("GET", "scopes", "bad", headers=elsewhere) == 401


async def test_a_session_needs_to_be_strong_and_its_forms_token(office: Office) -> None:
    """A session reads as it is; writing needs the token GET session hands out, in this browser, from this site."""
    cookies = await office.signed_in("nora")
    me = await office.said("GET", "session", None, cookies=cookies)
    assert (me["id"], me["roles"]) == ("nora", [{"role": "national", "scope": "nation"}])
    ask = {"name": "essai", "role": "region", "scope": "aura"}
    for headers in ({}, {"X-CSRF-Token": "x.y"}, {"X-CSRF-Token": me["csrf"], "Sec-Fetch-Site": "cross-site"},
                    {"X-CSRF-Token": me["csrf"], "Origin": "https://evil.test"}):  # fmt: skip
        async with await office.ask("POST", "tokens", None, json=ask, cookies=cookies, headers=headers) as said:
            assert (said.status, (await said.json())["reason"]) == (403, "csrf"), headers
    good = {"X-CSRF-Token": me["csrf"], "Origin": "https://vt.test", "Sec-Fetch-Site": "same-origin"}
    made = await office.said("POST", "tokens", None, json=ask, cookies=cookies, headers=good)
    assert made["token"].startswith("vtgw_")
    weak = await office.signed_in("nora", strong=False)
    async with await office.ask("GET", "scopes", None, cookies=weak) as said:
        assert (said.status, (await said.json())["reason"]) == (403, "step-up-needed")
    plain = await office.signed_in("anna")
    async with await office.ask("GET", "scopes", None, cookies=plain) as said:
        assert (said.status, (await said.json())["reason"]) == (403, "not-allowed")


async def test_a_bad_token_is_not_repaired_by_a_good_session(office: Office) -> None:
    """Who sends a token is who the token says: cookies beside it are not looked at."""
    cookies = await office.signed_in("nora")
    assert await office.status("GET", "scopes", "bad", cookies=cookies) == 401
    assert (await office.said("GET", "session", "region", cookies=cookies))["csrf"] is None


async def test_methods_and_addresses_that_are_not_served(office: Office) -> None:
    """405 with Allow, 204 with Allow for OPTIONS, HEAD like GET without a body, 404 as a problem."""
    async with await office.ask("DELETE", "scopes/ehpad") as said:
        assert (said.status, said.headers[hdrs.ALLOW]) == (405, "GET, HEAD, OPTIONS, PATCH")
    async with await office.ask("OPTIONS", "scopes/ehpad", None) as said:
        assert (said.status, said.headers[hdrs.ALLOW]) == (204, "GET, HEAD, OPTIONS, PATCH")
    async with await office.ask("HEAD", "scopes/ehpad") as said:
        assert (said.status, await said.read()) == (200, b"")
        assert said.headers["ETag"] == '"1"'
    for path in ("", "nowhere", "scopes/ehpad/nowhere", "scopes/"):
        async with await office.ask("GET", path) as said:
            assert said.status == 404
            assert said.content_type == "application/problem+json"
    async with office.client.get(BASE.rpartition("/")[0] + "/v2/scopes") as said:
        assert said.status == 404


async def test_every_problem_has_one_shape(office: Office) -> None:
    """RFC 9457 with our words: a reason for programs, a sentence for people, a reference for the log (R155)."""
    switch = {"state": "strong", "reason": "essai"}
    token, json = {"name": "x", "role": "region", "scope": "aura"}, {"Content-Type": "application/json"}
    asked = [
        ("GET", "scopes", None, {}, 401), ("POST", "tokens", "region", {"json": token}, 403),
        ("GET", "scopes/nowhere", "national", {}, 404), ("PUT", "scopes", "national", {}, 405),
        ("PATCH", "scopes/ehpad", "national", {"json": {"banner": "a"}, "tag": 9}, 412),
        ("PATCH", "scopes/ehpad", "national", {"json": {"banner": "a"}}, 428),
        ("POST", "scopes/ehpad/switch", "national", {"data": b" " * 300_000, "headers": json}, 413),
        ("POST", "scopes/ehpad/switch", "national", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", "scopes/ehpad/switch", "national", {"data": b"{", "headers": json}, 400),
        ("POST", "scopes/ehpad/switch", "national", {"json": {**switch, "more": 1}}, 422),
    ]  # fmt: skip
    for method, path, who, how, status in asked:
        async with await office.ask(method, path, who, **how) as said:
            body = await said.json()
            assert (said.status, said.content_type) == (status, "application/problem+json"), (path, body)
            kept = {"type", "title", "status", "detail", "reason", "reference"}
            assert kept <= set(body) <= kept | {"faults"}
            assert body["status"] == status
            assert body["type"] == f"urn:vt-gateway:{body['reason']}"
            assert body["reference"] == "ABAB-ABAB"
            assert ("faults" in body) == (status == 422)


async def test_r87_out_of_reach_is_said_as_unknown(office: Office) -> None:
    """The same body, letter by letter, for what is not there and for what must not be seen."""
    pairs = [("scopes/reunion", "scopes/nowhere"), ("accounts/chloe", "accounts/nowhere"),
             ("scopes/chu/history", "scopes/nowhere/history"), ("scopes/chu/readiness", "scopes/nowhere/readiness"),
             ("accounts?scope=chu", "accounts?scope=nowhere"), ("accounts/nobody", "accounts/nowhere")]  # fmt: skip
    for hidden, unknown in pairs:
        texts = []
        for path in (hidden, unknown):
            async with await office.ask("GET", path, "region") as said:
                assert said.status == 404, path
                texts.append(await said.text())
        assert texts[0] == texts[1]


async def test_r7_what_is_down_is_said_and_tells_when_to_come_again(office: Office) -> None:
    """503 with Retry-After when a dependency is away, 500 for a fault of ours; both are problems."""
    for error, status, reason in (
        (RecordsUnavailable("away"), 503, "records-down"), (StoreUnavailable("away"), 503, "store-down"),
        (Stale("busy"), 409, "changed-meanwhile"), (ZeroDivisionError(), 500, "internal"),
    ):  # fmt: skip

        async def requests(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        object.__setattr__(office.offices, "switches", SimpleNamespace(requests=requests))
        async with await office.ask("GET", "requests", "region") as said:
            assert (said.status, (await said.json())["reason"]) == (status, reason)
            assert said.headers.get("Retry-After") == ("5" if status == 503 else None)
