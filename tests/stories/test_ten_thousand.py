"""Ten thousand people of one establishment: imported by the API, counted exactly, listed whole (R88, R102)."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from typing import Any

from gateway.identity import luhn
from tests.bearer import Bearer
from tests.visitor import Demo

PEOPLE = 10_000
SCOPE = "grand-hopital"
WHY = {"reason": "essai du récit"}


def rpps(number: int) -> str:
    body = f"1{number:09d}"
    return next(body + str(key) for key in range(10) if luhn(body + str(key)))


def letters(number: int) -> str:
    """A word that is this number's alone."""
    found = ""
    while True:
        found += "abcdefghij"[number % 10]
        number //= 10
        if number == 0:
            return "Q" + found


def table() -> tuple[bytes, Counter[str]]:
    """The file, and how many of its people have which flaw."""
    expected: Counter[str] = Counter()
    out = io.StringIO()
    write = csv.writer(out, delimiter=";")
    write.writerow(["identifiant", "nom", "prenom", "mail", "rpps", "scope"])
    for number in range(PEOPLE):
        family, given, mail, national = f"Nom{letters(number)}", "Camille", f"p{number}@grand.test", ""
        if number % 10 == 0:
            mail = ""
            expected["no_mail"] += 1
        elif number % 25 == 1:
            mail = f"accueil@place{number}.test"
            expected["generic_mailbox"] += 1
        elif number % 50 in (2, 3):
            mail = f"duo{number // 50}@grand.test"
            expected["shared_mail"] += 1
        if mail:
            expected["unproved_mail"] += 1
        if number % 100 == 5:
            family, given = "Service", f"Admissions {letters(number)}"
            expected["generic_name"] += 1
        if number % 200 in (7, 8):
            family = f"Double{letters(number // 200)}"
            expected["duplicate"] += 1
        if number % 4 == 0:
            national = rpps(number)
        else:
            expected["no_national_id"] += 1
        expected["never_strong"] += 1
        write.writerow([f"personne{number}", family, given, mail, national, SCOPE])
    return out.getvalue().encode(), expected


def done(national: Bearer, said: Any) -> Any:
    """The import, once it is over."""
    deadline = time.monotonic() + 100
    status = said.json()
    while status["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.3)
        status = national.get(f"imports/{status['id']}").json()
    assert status["state"] == "done", status
    return status


def test_r88_r102_ten_thousand_people_are_counted_exactly(demo: Demo) -> None:
    """A trial writes nothing, the run creates all, a second run nothing; counts are those of the file; the list and the
    table of a category hold exactly its people."""
    national = Bearer(demo, "national")
    made = {"parent": "exemple-sante", "kind": "etablissement", "name": "Grand Hôpital", "id": SCOPE, **WHY}
    assert national.call("POST", "scopes", made).status == 201
    data, expected = table()
    for trial, outcome in (("1", "created"), ("0", "created"), ("0", "unchanged")):
        before = time.monotonic()
        said = national.call("POST", f"accounts/import?dry_run={trial}", data, content_type="text/csv")
        assert said.status in (200, 202), said.body
        counts = done(national, said)["counts"]
        print(f"dry_run={trial}: {counts} in {time.monotonic() - before:.1f} s")
        assert counts.get(outcome) == PEOPLE, counts
        assert sum(counts.values()) == PEOPLE, counts
        people = national.get(f"scopes/{SCOPE}/readiness").json()["people"]
        assert people == (0 if trial == "1" else PEOPLE)
    before = time.monotonic()
    readiness = national.get(f"scopes/{SCOPE}/readiness").json()
    print(f"readiness of {PEOPLE} people in {time.monotonic() - before:.3f} s")
    assert {name: count for name, count in readiness["counts"].items() if count} == dict(expected)
    # Whoever has an address of their own: the first code proves it.
    assert readiness["ready"] == PEOPLE - expected["no_mail"] - expected["shared_mail"]
    found: set[str] = set()
    path = f"accounts?scope={SCOPE}&category=shared_mail&limit=150"
    while path:
        page = national.get(path).json()
        ids = {one["id"] for one in page["accounts"]}
        assert not found & ids
        found |= ids
        path = page["next"].partition("/api/v1/")[2] if page["next"] else ""
    assert len(found) == expected["shared_mail"]
    sheet = national.get(f"scopes/{SCOPE}/readiness", accept="text/csv").body.decode("utf-8")
    assert sheet.startswith("\ufeff")
    lines = list(csv.reader(io.StringIO(sheet[1:]), delimiter=";"))
    assert len(lines) == PEOPLE + 1
