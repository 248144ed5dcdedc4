"""Who may do what: every operation of the table with every sort of token, one expected answer each (R87, R100)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.office import Office

WHO = ("national", "region", "other", "referent", "expired", None)
WHY = {"reason": "essai du tableau"}
SWITCH = {"state": "strong", "from": "2026-06-01T00:00:00Z", **WHY}
OFF = {"state": "password_only", "until": "2026-04-01T00:00:00Z", **WHY}
INVITED = {"scope": "ehpad", "family_name": "Petit", "given_name": "Zoé", "mail": "zoe.petit@example.test"}
CSV = {"Content-Type": "text/csv"}
ANY = {"If-Match": "*"}
PLACE = {"scope": "ssr", **WHY}
ROLE = {"role": "referent", "scope": "ehpad", **WHY}
NEW = {"parent": "ch", "kind": "service", "name": "Soins palliatifs", **WHY}

# Operation, method, address, what is sent, and the answers to: the nation, the scope's region, another region, the
# référent of the EHPAD. An expired token and none are always 401. ``ehpad`` is everybody's but the other region's.
TABLE: list[tuple[str, str, str, dict[str, Any], tuple[int, int, int, int]]] = [
    ("listScopes", "GET", "scopes", {}, (200, 200, 200, 200)),
    ("createScope", "POST", "scopes", {"json": NEW}, (201, 201, 404, 404)),
    ("readScope", "GET", "scopes/ehpad", {}, (200, 200, 404, 200)),
    ("readScope", "GET", "scopes/ssr", {}, (200, 200, 404, 404)),
    ("readScope", "GET", "scopes/nation", {}, (200, 404, 404, 404)),
    ("readScope", "GET", "scopes/nowhere", {}, (404, 404, 404, 404)),
    ("changeScope", "PATCH", "scopes/ehpad", {"json": {"banner": "x"}, "headers": ANY}, (200, 200, 404, 403)),
    ("changeScope", "PATCH", "scopes/ehpad", {"json": {"banner": "x"}}, (428, 428, 428, 428)),
    ("changeScope", "PATCH", "scopes/ehpad", {"json": {"banner": "x"}, "tag": 9}, (412, 412, 404, 403)),
    ("readReadiness", "GET", "scopes/ehpad/readiness", {}, (200, 200, 404, 200)),
    ("switchScope", "POST", "scopes/ehpad/switch", {"json": SWITCH}, (201, 201, 404, 403)),
    ("switchScope", "POST", "scopes/ehpad/switch", {"json": OFF}, (201, 201, 404, 403)),
    (
        "breakGlass",
        "POST",
        "scopes/ehpad/breakglass",
        {"json": {"until": "2026-03-03T15:00:00Z", **WHY}},
        (201, 201, 404, 403),
    ),
    ("readHistory", "GET", "scopes/ehpad/history", {}, (200, 200, 404, 200)),
    ("askSwitch", "POST", "scopes/ehpad/requests", {"json": WHY}, (201, 201, 404, 201)),
    ("switchScopes", "POST", "switches", {"json": {"scopes": ["ehpad"], **SWITCH}}, (201, 201, 404, 403)),
    ("previewSwitch", "POST", "switches/preview", {"json": {"scopes": ["ehpad"], **SWITCH}}, (200, 200, 404, 403)),
    ("readBatch", "GET", "switches/{batch}", {}, (200, 200, 404, 200)),
    ("undoBatch", "POST", "switches/{batch}/undo", {"json": WHY}, (200, 200, 404, 403)),
    ("listRequests", "GET", "requests", {}, (200, 200, 200, 200)),
    ("answerRequest", "POST", "requests/{request}/answer", {"json": {"outcome": "done", **WHY}}, (204, 204, 404, 403)),
    ("listAccounts", "GET", "accounts", {}, (200, 200, 200, 200)),
    ("listAccounts", "GET", "accounts?scope=ehpad", {}, (200, 200, 404, 200)),
    ("inviteAccount", "POST", "accounts", {"json": INVITED}, (201, 201, 404, 201)),
    ("readAccount", "GET", "accounts/anna", {}, (200, 200, 404, 200)),
    ("readAccount", "GET", "accounts/nobody", {}, (200, 404, 404, 404)),
    (
        "changeAccount",
        "PATCH",
        "accounts/anna",
        {"json": {"suspended": True, **WHY}, "headers": ANY},
        (200, 200, 404, 200),
    ),
    (
        "changeAccount",
        "PATCH",
        "accounts/both",
        {"json": {"suspended": True, **WHY}, "headers": ANY},
        (200, 200, 200, 403),
    ),
    (
        "changeAccount",
        "PATCH",
        "accounts/nora",
        {"json": {"suspended": True, **WHY}, "headers": ANY},
        (200, 403, 404, 403),
    ),
    ("signOutAccount", "POST", "accounts/anna/sign-out", {}, (200, 200, 404, 200)),
    ("inviteAgain", "POST", "accounts/anna/invitation", {}, (403, 403, 404, 403)),  # anna has a password
    ("attachAccount", "POST", "accounts/anna/scopes", {"json": PLACE}, (200, 200, 404, 404)),
    ("detachAccount", "DELETE", "accounts/anna/scopes/ehpad?reason=essai", {}, (204, 204, 404, 204)),
    ("grantRole", "POST", "accounts/anna/roles", {"json": ROLE}, (200, 200, 404, 403)),
    (
        "grantRole",
        "POST",
        "accounts/anna/roles",
        {"json": {**ROLE, "role": "region", "scope": "aura"}},
        (200, 403, 404, 404),
    ),
    ("revokeRole", "DELETE", "accounts/eva/roles?role=referent&scope=ehpad&reason=essai", {}, (204, 204, 404, 403)),
    (
        "importAccounts",
        "POST",
        "accounts/import?dry_run=1",
        {"data": b"nom;prenom\n", "headers": CSV},
        (200, 200, 200, 403),
    ),
    ("importScopes", "POST", "scopes/import?dry_run=1", {"data": b"kind;name\n", "headers": CSV}, (200, 200, 200, 403)),
    ("readImport", "GET", "imports/{import}", {}, (200, 404, 404, 404)),
    ("readReport", "GET", "imports/{import}/report", {}, (200, 404, 404, 404)),
    ("readAudit", "GET", "audit?limit=5", {}, (200, 200, 200, 200)),
    ("readAudit", "GET", "audit?scope=ehpad", {}, (200, 200, 404, 200)),
    ("readDashboard", "GET", "dashboard", {}, (200, 200, 200, 200)),
    ("readDashboard", "GET", "dashboard?scope=ehpad", {}, (200, 200, 404, 200)),
    ("readCompliance", "GET", "compliance", {}, (200, 200, 200, 200)),
    ("explain", "GET", "explain?user=anna&url=/Trajectoire/Pages/AccesRestreint/", {}, (200, 200, 404, 200)),
    ("listDelegations", "GET", "delegations", {}, (200, 200, 200, 200)),
    ("readDelegation", "GET", "delegations/{delegation}", {}, (200, 200, 404, 200)),
    ("readDelegation", "GET", "delegations/dlg_nowhere", {}, (404, 404, 404, 404)),
    ("endDelegation", "POST", "delegations/{delegation}/end", {"json": WHY}, (200, 200, 404, 403)),
    ("traceSession", "GET", "trace?session={session}", {}, (200, 200, 404, 403)),
    ("traceSession", "GET", "trace?session=ffffffffffff", {}, (404, 404, 404, 403)),
    ("readSession", "GET", "session", {}, (200, 200, 200, 200)),
    ("listTokens", "GET", "tokens", {}, (200, 403, 403, 403)),
    ("createToken", "POST", "tokens", {"json": {"name": "x", "role": "region", "scope": "aura"}}, (403, 403, 404, 404)),
    ("revokeToken", "DELETE", "tokens/tok_nowhere", {}, (404, 403, 403, 403)),
]


@pytest.mark.parametrize("who", WHO)
async def test_r87_the_table_of_who_may_do_what(office: Office, who: str | None) -> None:
    """Every line is asked of a state prepared anew for it; the answers are those of the table."""
    wrong = []
    for name, method, path, how, answers in TABLE:
        expected = answers[WHO.index(who)] if who in WHO[:4] else 401
        address = await prepared(office, name, path)
        async with await office.ask(method, address, who, **how) as said:
            text = await said.text()
            if said.status != expected:
                wrong.append(f"{method} {address}: {said.status}, not {expected}: {text[:300]}")
        await office.put_back()
    assert not wrong, "\n".join(wrong)


async def test_every_operation_is_in_the_table_of_who_may_do_what(office: Office) -> None:
    """A new operation cannot be forgotten here."""
    assert {name for name, *_ in TABLE} == {one.name for one in office.table if not one.free}


async def prepared(office: Office, name: str, path: str) -> str:
    """The address, once what it speaks of is there."""
    if "{batch}" in path:
        made = await office.said("POST", "switches", json={"scopes": ["ehpad"], **SWITCH})
        return path.replace("{batch}", made["batch"])
    if "{request}" in path:
        made = await office.said("POST", "scopes/ehpad/requests", json=WHY)
        return path.replace("{request}", made["id"])
    if "{delegation}" in path:  # of a doctor without a place to somebody of the EHPAD
        made = await office.watch.given(f"dlg_{office.world.ambient.token(6)}", "nobody", delegate="anna")
        return path.replace("{delegation}", made.id)
    if "{session}" in path:
        await office.watch.signed_in("0123456789ab", account="anna")
        return path.replace("{session}", "0123456789ab")
    if "{import}" in path:
        made = await office.said("POST", "accounts/import?dry_run=1", data=b"nom;prenom\n", headers=CSV)
        return path.replace("{import}", made["id"])
    return path
