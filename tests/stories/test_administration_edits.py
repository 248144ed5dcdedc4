"""Bounds, versions and people who act at the same time (R83–R87, R91): the API of a running demo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.bearer import Bearer, Said
from tests.stories.test_administration_limits import token
from tests.visitor import Demo

PLACE = "ssr-vercors"
WHY = {"reason": "essai du récit"}
CALL = "Téléphoner"


@pytest.fixture
def national(demo: Demo) -> Bearer:
    return Bearer(demo, "national")


@pytest.fixture
def region(demo: Demo) -> Bearer:
    return Bearer(demo, "region")


def at_once(*acts: Callable[[], Said]) -> Counter[int]:
    """All of these together; how often each status was answered."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return Counter(said.status for said in pool.map(lambda act: act(), acts))


def contacts(*urls: str, label: str = CALL, **more: Any) -> list[dict[str, Any]]:
    return [{"label": label, "url": url, **more} for url in urls]


GOOD: dict[str, Sequence[Any]] = {
    "code_validity": [60, 28_800, None],
    "session_absolute": [60, 14_400, None],
    "session_idle": [60, 14_400, None],
    "second_factor_memory": [0, 28_800, None],
    "channels": [["mail"], ["totp", "mail"], None],
    "methods": [["psc"], ["card", "psc", "otp_mail", "password"], None],
    "banner": ["", "é" * 500, "<b>gras</b> & « guillemets »", None],
    "contacts": [[], contacts("tel:+33400000000", "mailto:a@b.test", "https://a.test/?a=b"), contacts("tel:3646") * 10, None],
    "name": ["La Maison du Vercors", "SSR du Vercors"],
    "city": ["", "Villard-de-Lans"],
}  # fmt: skip
NO_NUMBER = ["600", "", True, 600.5, [600], {}, -1, 2**63, 10**30]
BAD: dict[str, Sequence[Any]] = {
    "code_validity": [*NO_NUMBER, 0, 59, 28_801],
    "session_absolute": [*NO_NUMBER, 0, 59, 14_401, 86_400],
    "session_idle": [*NO_NUMBER, 0, 59, 14_401],
    "second_factor_memory": [*NO_NUMBER, 28_801],
    "channels": [[], ["fax"], "mail", ["mail", None], ["mail"] * 4, {"mail": 1}, [["mail"]]],
    "methods": [[], ["fax"], ["PSC"], "psc", [""], ["psc"] * 8],
    "banner": ["é" * 501, "a\nb", "a\x00b", "\u202egras", 5, ["a"], "\ud800"],
    "banner_from": ["demain", "2026-03-02", "2026-03-02T09:00:00", 5, "1999-01-01T00:00:00Z", "2300-01-01T00:00:00Z"],
    "contacts": [contacts("http://a.test/"), contacts("javascript:alert(1)"), contacts("https://a b.test/"),
                 contacts("tel:+33400000000") * 11, contacts("tel:3646", label=""), contacts("tel:3646", label="é" * 81),
                 contacts("tel:3646", hours="9 h"), [{"label": CALL}], ["tel:3646"], "tel:3646",
                 contacts("tel:3646", topics=["x"] * 21), contacts('https://a.test/"><script>')],
    "name": ["", "a", "é" * 121, "a\x07b", None, 5],
    "city": ["é" * 81, 5],
    "retired": ["true", 1, None],
    "colour": ["red"],
}  # fmt: skip


@pytest.mark.parametrize("field", BAD)
def test_r91_bounds_of_every_field(region: Bearer, field: str) -> None:
    """What lies outside is refused under its field's name, and nothing of the same request is written."""
    before = region.get(f"scopes/{PLACE}").json()
    for value in BAD[field]:
        said = region.edit(PLACE, **{"code_validity": 601, field: value})
        assert said.status in (400, 422), value
        assert said.headers["Content-Type"].startswith("application/problem+json")
        if said.status == 422:
            assert any(name.split(".")[0] == field for name in said.json()["faults"]), (value, said.json())
    assert region.get(f"scopes/{PLACE}").json() == before
    for value in GOOD.get(field, ()):
        said = region.edit(PLACE, **{field: value})
        assert said.status == 200, (value, said.body)
        shown = said.json() if field in ("name", "city") else said.json()["policy"]
        found = shown[field] if field in ("name", "city") else shown[field]["value"]
        if field == "contacts" and value:
            found = [{name: text for name, text in one.items() if name != "topics"} for one in found]
        if field == "methods" and value:
            found, value = sorted(found), sorted(value)
        if value is not None:
            assert found == (value or None if field == "city" else value)


def test_g11_g3_reasons_and_rights_of_single_fields(region: Bearer, national: Bearer) -> None:
    """A memory of the second factor needs a reason, and a long one is warned of; the law is the nation's."""
    tag = region.get(f"scopes/{PLACE}").headers["ETag"]
    bare = region.call("PATCH", f"scopes/{PLACE}", {"second_factor_memory": 60}, if_match=tag)
    assert bare.status == 422
    long = region.edit(PLACE, second_factor_memory=14_401)
    assert any("4 heures" in one for one in long.json()["warnings"])
    assert region.edit(PLACE, second_factor_memory=None).status == 200
    legal = {"otp_mail": {"status": "interdit"}}
    assert region.edit(PLACE, legal=legal).status == 403
    for bad in ({"fax": {"status": "psc"}}, {"psc": {"status": "interdit"}}, {"otp_mail": {"status": "homologue"}}):
        assert national.edit(PLACE, legal=bad).status == 422
    assert national.edit(PLACE, legal=legal).json()["legal"]["otp_mail"]["set_here"] is True
    assert national.edit(PLACE, legal=None).status == 200


def test_r83_r84_bounds_of_switches(region: Bearer) -> None:
    """Dates, ends, words and sizes of an act; nothing is written of one that is refused."""
    before = region.get(f"scopes/{PLACE}/history").json()
    now, version = region.now(), region.get(f"scopes/{PLACE}").json()["version"]

    def at(**delta: float) -> str:
        return (now + timedelta(**delta)).isoformat()

    wishes: list[dict[str, Any]] = [
        {"state": "STRONG"}, {"state": None}, {"state": "password_only"}, {"state": "strong", "from": at(hours=-1)},
        {"state": "strong", "from": at(days=3700)}, {"state": "strong", "from": "2027-01-01"},
        {"state": "strong", "until": at(days=1)}, {"state": "strong", "announce": True},
        {"state": "password_only", "until": at(days=366)}, {"state": "password_only", "until": at(hours=-1)},
        {"state": "password_only", "from": at(days=2), "until": at(days=1)},
        {"state": "password_only", "until": at(days=1), "derogation_until": at(days=2)},
        {"state": "strong", "reason": "x"}, {"state": "strong", "reason": "  a  "}, {"state": "strong", "reason": "é" * 201},
        {"state": "strong", "reason": "a\x07bc"}, {"state": "strong", "scopes": []}, {"state": "strong", "scopes": "x"},
        {"state": "strong", "scopes": [PLACE] * 2001}, {"state": "strong", "versions": {PLACE: 0}},
    ]  # fmt: skip
    for wish in wishes:
        said = region.call("POST", "switches", {"scopes": [PLACE], "versions": {PLACE: version}, **WHY, **wish})
        assert said.status == 422, (wish, said.body)
    for until in (at(seconds=-1), at(hours=24, minutes=5), at(days=400), "midi"):
        assert region.call("POST", f"scopes/{PLACE}/breakglass", {"until": until, **WHY}).status == 422
    huge = region.call("POST", "switches", b'{"scopes": ["' + b"x" * 8_000_000 + b'"]}')
    assert huge.status == 413
    assert region.get(f"scopes/{PLACE}/history").json() == before


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"999"', 412),
        ('W/"1"', 412),
        ("1", 400),
        ('"1", "2"', 400),
        ('"0"', 412),
        ('"-1"', 412),
        ('"x"', 412),
        ("", 400),
    ],
)
def test_r91_versions_that_are_none(region: Bearer, tag: str, status: int) -> None:
    """A version that the element does not have is 412, one that is no version 400; a scope without one 428; nothing
    changes."""
    before = region.get(f"scopes/{PLACE}").body
    said = region.call("PATCH", f"scopes/{PLACE}", {"banner": "x"}, if_match=tag)
    assert said.status == status
    assert region.call("PATCH", f"scopes/{PLACE}", {"banner": "x"}).status == 428
    assert region.call("PATCH", "accounts/acc_agent-noir", {"suspended": True, **WHY}, if_match='"77"').status == 412
    assert region.get(f"scopes/{PLACE}").body == before


def test_r91_of_people_at_the_same_instant_one_is_first(demo: Demo, region: Bearer, national: Bearer) -> None:
    """Eight people send what each decided on the same version: exactly one act is done, the others are told."""
    found = region.get(f"scopes/{PLACE}")
    tag, version = found.headers["ETag"], found.json()["version"]
    edits = at_once(
        *(
            lambda n=n: region.call("PATCH", f"scopes/{PLACE}", {"banner": f"de {n}"}, if_match=tag)  # type: ignore[misc]
            for n in range(8)
        )
    )
    assert edits == Counter({200: 1, 412: 7})
    assert region.get(f"scopes/{PLACE}").json()["version"] == version + 1
    until = (region.now() + timedelta(days=3)).isoformat()
    body = {"scopes": [PLACE, "ehpad-noyers"], "versions": {PLACE: version + 1}, "state": "password_only", **WHY}
    switches = at_once(*(lambda: region.call("POST", "switches", {**body, "until": until}) for _ in range(6)))
    assert switches == Counter({201: 1, 412: 5})
    batch = region.get(f"scopes/{PLACE}/history").json()["switches"][0]["batch"]
    assert len(region.get(f"switches/{batch}").json()["switches"]) == 2
    undone = at_once(*(lambda: region.call("POST", f"switches/{batch}/undo", WHY) for _ in range(6)))
    assert undone == Counter({200: 1, 422: 5})
    made = {"parent": "exemple-sante", "kind": "etablissement", "name": "Les Deux", "id": "les-deux", **WHY}
    assert at_once(*(lambda: region.call("POST", "scopes", made) for _ in range(6))) == Counter({201: 1, 422: 5})
    tag = region.get("accounts/acc_agent-noir").headers["ETag"]
    held = {"suspended": True, **WHY}
    acts = at_once(
        *(lambda: region.call("PATCH", "accounts/acc_agent-noir", held, if_match=tag) for _ in range(6)),
    )
    assert acts[200] >= 1
    assert acts[200] + acts[412] == 6
    tag = region.get("accounts/acc_agent-noir").headers["ETag"]
    assert region.call("PATCH", "accounts/acc_agent-noir", {**held, "suspended": False}, if_match=tag).status == 200
    person = {"scope": PLACE, "family_name": "Duval", "given_name": "Ève", "mail": "eve.duval@example.test",
              "identifier": "eve.duval"}  # fmt: skip
    assert set(at_once(*(lambda: region.call("POST", "accounts", person) for _ in range(6)))) == {201}
    assert len(region.get("accounts?q=eve.duval").json()["accounts"]) == 1


def test_r84_a_batch_is_undone_in_parts_and_whole(region: Bearer, demo: Demo) -> None:
    """What governed before governs again; each line once; of another region's batch there is nothing to undo."""
    places = ["ehpad-noyers", "ssr-vercors", "ch-volcans"]
    before = {one: region.get(f"scopes/{one}").json()["ruling"] for one in places}
    until = (region.now() + timedelta(days=3)).isoformat()
    said = region.call("POST", "switches", {"scopes": places, "state": "password_only", "until": until, **WHY}).json()
    batch = said["batch"]
    assert {region.get(f"scopes/{one}").json()["state"] for one in places} == {"password_only"}
    undo = f"switches/{batch}/undo"
    assert Bearer(demo, "referent").call("POST", undo, WHY).status == 404
    assert region.call("POST", undo, {**WHY, "scopes": ["ssr-vercors", "had-rhone"]}).status == 404
    assert region.call("POST", undo, {**WHY, "scopes": ["ssr-vercors"]}).json() == {"undone": 1}
    assert region.get("scopes/ssr-vercors").json()["ruling"] == before["ssr-vercors"]
    assert region.get("scopes/ch-volcans").json()["state"] == "password_only"
    assert region.get(f"switches/{batch}").json()["undone"] is False
    assert region.call("POST", undo, WHY).json() == {"undone": 2}
    assert {one: region.get(f"scopes/{one}").json()["ruling"] for one in places} == before
    assert region.get(f"switches/{batch}").json()["undone"] is True
    assert region.call("POST", undo, WHY).status == 422
    lines = [one for one in region.get("scopes/ch-volcans/history").json()["switches"] if one["batch"] == batch]
    assert lines[0]["cancelled_by"].startswith("token:")
    assert lines[0]["cancel_reason"] == WHY["reason"]
    acts = Counter(one["act"] for one in region.get("audit?scope=ch-volcans").json()["audit"])
    assert (acts["scope:switch"], acts["scope:switch-undo"]) == (1, 1)


def test_r87_requests_of_referents(demo: Demo, region: Bearer) -> None:
    """A référent asks, the region sees and answers once, the other region sees nothing, and nothing is switched by it."""
    referent, other = Bearer(demo, "referent"), token(demo, "region", "reunion")[1]
    asking, before = "scopes/ehpad-glycines/requests", region.get("scopes/ehpad-glycines").json()
    past = (region.now() - timedelta(hours=1)).isoformat()
    assert referent.call("POST", asking, {**WHY, "from": past}).status == 422
    assert referent.call("POST", asking, {}).status == 422
    later = (region.now() + timedelta(days=9)).isoformat()
    made = at_once(*(lambda: referent.call("POST", asking, {**WHY, "from": later}) for _ in range(5)))
    assert made == Counter({201: 1, 422: 4})
    (seen,) = region.get("requests").json()["requests"]
    assert (seen["scope"], seen["reason"], seen["outcome"]) == ("ehpad-glycines", WHY["reason"], None)
    assert referent.get("requests").json()["requests"] == [seen]
    assert other.get("requests").json()["requests"] == []
    answer = f"requests/{seen['id']}/answer"
    done = {"outcome": "done", "reason": "Fait ce matin"}
    assert referent.call("POST", answer, done).status == 403
    assert other.call("POST", answer, done).status == 404
    assert region.call("POST", answer, {**done, "outcome": "peut-être"}).status == 422
    assert at_once(*(lambda: region.call("POST", answer, done) for _ in range(5))) == Counter({204: 1, 422: 4})
    assert region.get("requests").json()["requests"] == []
    assert referent.get("requests?all=1").json()["requests"][0]["outcome"] == "done"
    after = region.get("scopes/ehpad-glycines").json()
    assert (after["ruling"], after["version"]) == (before["ruling"], before["version"])
    assert referent.call("POST", asking, WHY).status == 201  # once answered, another may be asked
