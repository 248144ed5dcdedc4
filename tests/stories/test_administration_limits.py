"""What each token may see and do, and that nothing tells of what lies outside its reach (R87, R91, R93, R100): by the API
alone, over every operation that its own document names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from gateway.edges.schema import metadata
from tests.bearer import Bearer, Said
from tests.stories.test_delegations import doctor, invite
from tests.stories.test_switches import soon
from tests.visitor import Demo

OWN, HIDDEN, UNKNOWN = "had-rhone", "ehpad-vanille", "ehpad-vanilla"
WHY = {"reason": "essai du récit"}
OF_EACH_ANSWER = {"Date", "vtgw-request-id", "X-Request-ID", "x-request-id", "Content-Length", "Server"}


def token(demo: Demo, role: str, scope: str, *more: str) -> tuple[str, Bearer]:
    """A token made as an operator makes it, beside the running gateway."""
    line = [sys.executable, "-m", "gateway", "token", "create", "--config", str(demo.folder / "gateway.toml"), "--json"]
    done = subprocess.run(
        [*line, "--role", role, "--scope", scope, "--name", "récit", *more], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    made, bearer = json.loads(done.stdout), Bearer(demo, None)
    bearer._token = made["token"]
    return made["id"], bearer


@pytest.fixture(scope="module")
def other(world: Demo) -> Bearer:
    """The other region's."""
    return token(world, "region", "reunion")[1]


@pytest.fixture
def national(demo: Demo) -> Bearer:
    return Bearer(demo, "national")


@pytest.fixture
def region(demo: Demo) -> Bearer:
    return Bearer(demo, "region")


@pytest.fixture
def referent(demo: Demo) -> Bearer:
    return Bearer(demo, "referent")


def every(bearer: Bearer, path: str, name: str) -> Iterator[dict[str, Any]]:
    """All lines of a list, page by page."""
    while path:
        page = bearer.get(path).json()
        yield from page[name]
        path = (page["next"] or "").partition("/api/v1/")[2]


def operations(bearer: Bearer) -> list[tuple[str, str]]:
    paths = bearer.get("openapi.json").json()["paths"]
    return [(method.upper(), path[1:]) for path, one in paths.items() for method in one if method != "parameters"]


def same(one: Said, two: Said) -> None:
    """Two answers that nobody could tell apart."""
    bodies = [{name: value for name, value in said.json().items() if name != "reference"} for said in (one, two)]
    heads = [{name: value for name, value in said.headers.items() if name not in OF_EACH_ANSWER} for said in (one, two)]
    assert one.status == two.status
    assert bodies[0] == bodies[1]
    assert heads[0] == heads[1]
    assert len(one.body) == len(two.body)


BODIES: dict[str, Any] = {
    "PATCH scopes/{scope}": {"banner": "x"},
    "POST delegations/{delegation}/end": WHY,
    "POST scopes/{scope}/switch": {"state": "strong", **WHY},
    "POST scopes/{scope}/breakglass": {"until": "2199-01-01T00:00:00Z", **WHY},
    "POST scopes/{scope}/requests": WHY,
    "POST switches/{batch}/undo": WHY,
    "POST requests/{request}/answer": {"outcome": "done", **WHY},
    "PATCH accounts/{account}": {"suspended": True, **WHY},
    "POST accounts/{account}/scopes": {"scope": "ehpad-glycines", **WHY},
    "POST accounts/{account}/roles": {"role": "referent", "scope": "ehpad-glycines", **WHY},
}
QUERIES = {
    "DELETE accounts/{account}/scopes/{scope}": "?reason=essai",
    "DELETE accounts/{account}/roles": "?role=referent&scope=ehpad-glycines&reason=essai",
}


def test_r87_hidden_is_unknown_for_every_operation(
    demo: Demo, national: Bearer, region: Bearer, referent: Bearer, other: Bearer
) -> None:
    """Each operation on something of another region answers as on something that never was; for the region's own people
    a référent of one place sees as little."""
    hidden_person = next(every(national, f"accounts?scope={HIDDEN}", "accounts"))["id"]
    batch = national.switch(HIDDEN, "strong").json()["batch"]
    asked = token(demo, "referent", HIDDEN)[1].call("POST", f"scopes/{HIDDEN}/requests", WHY).json()["id"]
    ran = other.call("POST", "accounts/import?dry_run=1", b"identifiant;nom;prenom\n", content_type="text/csv").json()
    hidden = {"scope": HIDDEN, "account": hidden_person, "batch": batch, "request": asked, "import": ran["id"]}
    assert invite(doctor(demo), "secretary-moreau").status == 200  # of a doctor who works in nobody's reach
    hidden["delegation"] = national.get("delegations").json()["delegations"][0]["id"]
    tried = Counter[str]()
    for method, path in operations(region):
        name = f"{method} {path}"
        if "{" not in path or "{token}" in path:
            continue
        more = {"if_match": '"1"'} if method == "PATCH" else {}
        for bearer in (region, referent):
            said = []
            for ids in (hidden, {key: value[:-2] + "zz" for key, value in hidden.items()}):
                address = path.format(**ids) + QUERIES.get(name, "")
                said.append(bearer.call(method, address, BODIES.get(name), **more))
            same(*said)
            assert said[0].status in (404, 403) if bearer is referent else said[0].status == 404, name
            tried[name] += 1
    assert len(tried) > 18
    assert referent.get("scopes/ch-exemple").status == 404
    national.call("POST", f"switches/{batch}/undo", WHY)


@pytest.mark.parametrize(
    "ask",
    [
        lambda to, one, _: to.get(f"accounts?scope={one}"),
        lambda to, one, _: to.get(f"audit?scope={one}"),
        lambda to, one, _: to.get(f"audit?scope={one}&below=1&format=csv"),
        lambda to, one, _: to.get(f"dashboard?scope={one}"),
        lambda to, one, _: to.get(f"scopes?after={one}"),
        lambda to, _, who: to.get(f"explain?url=/x&user={who}"),
        lambda to, one, _: to.call("POST", "switches", {"scopes": [OWN, one], "state": "strong", **WHY}),
        lambda to, one, _: to.call("POST", "switches/preview", {"scopes": [OWN, one], "state": "strong"}),
        lambda to, one, _: to.call("POST", "scopes", {"parent": one, "kind": "service", "name": "Accueil", **WHY}),
        lambda to, one, _: to.call("POST", "accounts/acc_agent-leroy/scopes", {"scope": one, **WHY}),
        lambda to, one, _: to.call("DELETE", f"accounts/acc_agent-leroy/scopes/{one}?reason=essai"),
        lambda to, one, _: to.call(
            "POST", "accounts/acc_agent-leroy/roles", {"role": "referent", "scope": one, **WHY}
        ),
        lambda to, one, _: to.call(
            "POST", "accounts", {"scope": one, "family_name": "Un", "given_name": "Eve", "mail": "eve@example.test"}
        ),
        lambda to, one, _: to.edit(OWN, parent=one),
    ],
)  # fmt: skip
def test_r87_hidden_is_unknown_wherever_it_is_named(
    region: Bearer, national: Bearer, ask: Callable[[Bearer, str, str], Said]
) -> None:
    """In a query or in a body, what is hidden is answered as what never was, and nothing else of the act is done."""
    login = national.get(f"accounts/{next(every(national, f'accounts?scope={HIDDEN}', 'accounts'))['id']}").json()
    login = login["logins"][0]
    said = ask(region, HIDDEN, login), ask(region, UNKNOWN, login[:-1] + "~")
    same(*said)
    assert said[0].status in (404, 422)


def test_r87_nothing_of_others_in_any_list(national: Bearer, region: Bearer, referent: Bearer, other: Bearer) -> None:
    """Ids, numbers and addresses of places and people out of reach are in no answer; counts are those of the reach."""
    places = {one["id"]: one for one in every(national, "scopes?retired=1&limit=200", "scopes")}
    places |= {one["id"]: one for one in every(national, "scopes?limit=200", "scopes")}
    people = {one["id"]: one for one in every(national, "accounts?limit=200", "accounts")}
    lists = ("session", "scopes?limit=200", "scopes?retired=1", "accounts?limit=200", "requests?all=1", "audit?limit=200",
             "dashboard", "compliance", "tokens", "audit?format=csv", "accounts?category=shared_mail")  # fmt: skip
    for bearer, top in ((region, "aura"), (referent, "ehpad-glycines"), (other, "reunion")):
        seen = {one["id"] for one in every(bearer, "scopes?limit=3", "scopes")}
        seen |= {one["id"] for one in every(bearer, "scopes?retired=1&limit=7", "scopes")}
        assert top in seen
        assert all(places[one]["parent"] in seen for one in seen - {top})
        known = {one["id"] for one in every(bearer, "accounts?limit=7", "accounts")}
        assert known == {one for one, facts in people.items() if seen & set(facts["scopes"])}
        texts = [bearer.get(path).body.decode() for path in lists]
        above, one = {"nation"}, places[top]["parent"]  # a place knows where it stands, and whose values it has
        while one:
            above, one = above | {one}, places[one]["parent"]
        words = {f'"{one}"' for one in places if one not in seen | above}
        words |= {facts["finess"] for one, facts in places.items() if one not in seen and facts["finess"]}
        for one, facts in people.items():
            if one not in known:
                words |= {f'"{one}"', facts["mail"] or "@@", facts["national_id"] or "@@"}
        shared = {people[one]["mail"] for one in known}
        for word in words - shared - {"@@"}:
            assert not any(word in text for text in texts), (top, word)
        counted = bearer.get("dashboard").json()
        assert counted["people"] == len(known)
        assert sum(sum(one.values()) for one in counted["scopes"].values()) <= len(seen)
        assert {one["id"] for one in counted["regions"]} <= {top}
        assert bearer.get(f"scopes/{top}/readiness").json()["people"] == len(known)


def test_r87_r93_of_a_person_of_two_regions_each_sees_its_own_part(
    national: Bearer, region: Bearer, other: Bearer
) -> None:
    """What one region did with somebody at its own place, and that place, is not told to the other."""
    both = {"scope": HIDDEN, **WHY}
    assert national.call("POST", "accounts/acc_agent-blanc/scopes", both).status == 200
    soon(lambda: other.get("accounts/acc_agent-blanc").status == 200)
    assert region.get("accounts/acc_agent-blanc").json()["scopes"] == ["ehpad-glycines"]
    assert other.get("accounts/acc_agent-blanc").json()["scopes"] == [HIDDEN]
    for bearer, seen in ((region, False), (other, True)):
        rows = bearer.get("audit?account=acc_agent-blanc").json()["audit"]
        assert any(one["scope"] == HIDDEN for one in rows) is seen
        line = next(one for one in every(bearer, "accounts?q=blanc", "accounts") if one["id"] == "acc_agent-blanc")
        assert line["scopes"] == ([HIDDEN] if seen else ["ehpad-glycines"])
    assert HIDDEN not in region.get("explain?url=/x&user=mblanc").body.decode()
    assert national.call("DELETE", f"accounts/acc_agent-blanc/scopes/{HIDDEN}?reason=essai").status == 204


def test_r87_searches_find_nothing_outside(national: Bearer, region: Bearer) -> None:
    """Neither by address, number, login or name of a person or place of another region."""
    person = next(one for one in every(national, f"accounts?scope={HIDDEN}", "accounts") if one["mail"])
    login = national.get(f"accounts/{person['id']}").json()["logins"][0]
    for text in (person["mail"], login, f"{person['family_name']} {person['given_name']}"):
        assert person["id"] not in {one["id"] for one in every(region, f"accounts?q={quote(text)}", "accounts")}
        assert person["id"] in {one["id"] for one in every(national, f"accounts?q={quote(text)}", "accounts")}
    place = national.get(f"scopes/{HIDDEN}").json()
    for text in (place["name"], place["finess"], place["city"]):
        assert not [one for one in every(region, f"scopes?q={quote(text)}", "scopes") if one["id"] == HIDDEN]
    same(region.get(f"scopes?parent={HIDDEN}"), region.get(f"scopes?parent={UNKNOWN}"))


def test_r87_tokens_that_ended_open_nothing(demo: Demo, national: Bearer) -> None:
    """Revoked, expired and unknown tokens get 401 from every operation; a good one is not stopped by them."""
    revoked, first = token(demo, "region", "aura")
    second = token(demo, "region", "aura", "--days", "1")[1]
    assert first.get("session").status == second.get("session").status == 200
    assert national.call("DELETE", f"tokens/{revoked}").status == 204
    demo.advance(86_460)
    made_up = Bearer(demo, None)
    made_up._token = "vtgw_" + "A" * 43
    soon(lambda: first.get("session").status == 401)
    for bearer in (first, second, made_up):
        for method, path in operations(national):
            if path != "openapi.json":
                said = bearer.call(method, path.replace("{", "").replace("}", ""))
                assert (said.status, said.json().get("reason")) == (401, "token-refused"), (path, said.body)
    assert national.get("session").status == 200
    demo.advance(-86_460)


def test_r82_a_token_of_a_closed_place(demo: Demo, national: Bearer) -> None:
    """It sees the closed place and nothing else, and can neither invite there nor ask for anything."""
    made = {"parent": "exemple-sante", "kind": "etablissement", "name": "Clos des Iris", "id": "clos-iris", **WHY}
    assert national.call("POST", "scopes", made).status == 201
    bearer = token(demo, "referent", "clos-iris")[1]
    assert national.edit("clos-iris", retired=True).status == 200
    assert bearer.get("scopes").json()["scopes"] == []
    assert [one["id"] for one in bearer.get("scopes?retired=1").json()["scopes"]] == ["clos-iris"]
    assert bearer.get("accounts").json()["accounts"] == []
    person = {"scope": "clos-iris", "family_name": "Un", "given_name": "Eve", "mail": "eve@example.test"}
    assert bearer.call("POST", "accounts", person).status == 422
    assert bearer.call("POST", "scopes/clos-iris/requests", WHY).status == 422
    assert national.switch("clos-iris", "strong").status == 422
    taken = {"parent": "clos-iris", "kind": "service", "name": "Rien", **WHY}
    assert national.call("POST", "scopes", taken).status == 422


def counts(demo: Demo) -> dict[str, int]:
    """How many rows each table has."""
    with closing(demo.records()) as db:
        names = [name for name in metadata.tables if name != "pulses"]  # these come by themselves
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}  # noqa: S608


def test_r88_a_preview_writes_nothing(demo: Demo, region: Bearer) -> None:
    """No row, no version, no revision; not even a trace of having asked."""
    versions = {one["id"]: one["version"] for one in every(region, "scopes?limit=200", "scopes")}
    before = counts(demo)
    body = {"scopes": sorted(versions), "state": "strong"}
    said = region.call("POST", "switches/preview", body)
    assert said.status == 200
    assert {one["scope"]["id"]: one["version"] for one in said.json()["effects"]} == versions
    later = (region.now() + timedelta(days=2)).isoformat()
    for wish in ({"from": later, "announce": True}, {"state": "password_only"}, {"from": "2001-01-01T00:00:00Z"}):
        assert region.call("POST", "switches/preview", {**body, **wish}).status == 200
    assert counts(demo) == before
    assert {one["id"]: one["version"] for one in every(region, "scopes?limit=200", "scopes")} == versions
