"""Who comes into the administration, and by what means (R87, G59, R144); and the chain of its audit (R93, G2)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

from tests.bearer import Bearer
from tests.stories.test_account_care import WHY, administrator
from tests.stories.test_switches import soon
from tests.stories.ways import DEEP, by_password, by_psc
from tests.visitor import Answer, Demo, Visitor

PAGES = ("", "/scopes", "/scopes/ehpad-glycines", "/accounts", "/requests", "/imports", "/audit", "/compliance",
         "/explain", "/switch", "/nowhere")  # fmt: skip
API = "/_gateway/api/v1/"


def script(visitor: Visitor, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    sent = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
            "Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}  # fmt: skip
    data = None if body is None else json.dumps(body).encode()
    return visitor.raw(method, visitor.demo.about["gateway"] + API + path, data, sent)


def test_g59_a_password_is_not_enough_for_the_administration(demo: Demo) -> None:
    """A référent who signed in by password and code is asked for card or e-CPS on every page, and refused by the API; the
    card lets the same session in."""
    visitor = Visitor(demo)
    by_password(visitor, "referent-glycines")
    assert visitor.last.url.endswith(DEEP)
    for page in PAGES[:-3]:
        assert "/step-up" in visitor.get(f"/_gateway/admin{page}").url, page
        assert "Recevoir un code" not in visitor.last.text
    refused = script(visitor, "GET", "accounts")
    assert (refused.status, refused.json()["reason"]) == (403, "step-up-needed")


def test_r87_for_people_without_a_role_there_is_no_administration(demo: Demo) -> None:
    """The page of an address that does not exist, even by card; without a session the way to sign in."""
    doctor = Visitor(demo)
    by_psc(doctor, "dr-bernard")
    unknown = doctor.get("/_gateway/nowhere-at-all")
    for page in PAGES:
        found = doctor.get(f"/_gateway/admin{page}")
        assert (found.status, found.url) == (404, demo.about["gateway"] + f"/_gateway/admin{page}")
        assert "Comptes" not in found.text.replace(unknown.text, "")
    assert script(doctor, "GET", "accounts").status == 403
    for page in PAGES[:-1]:
        assert "/sign-in" in Visitor(demo).get(f"/_gateway/admin{page}").url
    assert script(Visitor(demo), "GET", "accounts").status == 401


def test_g59_an_administrator_signs_in_by_card_or_psc_only(demo: Demo) -> None:
    """A password that an administrator's account may still have opens nothing."""
    with closing(demo.records()) as db:
        db.execute(
            "UPDATE accounts SET password_hash = (SELECT password_hash FROM accounts WHERE id = 'acc_dr-bernard'), "
            "password_set_at = created_at, mail_proved_at = created_at WHERE id = 'acc_admin-aura'"
        )
        db.commit()
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in?space=professionnel")
    known = demo.person("dr-bernard")["account"]["password"]
    refused = visitor.submit("/sign-in/password", identifier="899700100136", password=known, shared="")
    assert refused.status == 403
    assert "Connectez-vous par carte CPS ou e-CPS" in refused.text
    assert demo.console("GET", "/mails") == []  # nor is a code sent that would open nothing
    assert "/sign-in" in visitor.get(DEEP).url
    admin = administrator(demo, "admin-aura")
    assert admin.last.status == 200
    assert admin.last.url.endswith("/_gateway/admin")


def test_g59_whoever_is_appointed_proves_it_again(demo: Demo) -> None:
    """A session by password of somebody who becomes an administrator is not one of an administrator; an appointed
    doctor comes in by Pro Santé Connect, and a dismissed one goes at once."""
    national = Bearer(demo, "national")
    visitor, strong = Visitor(demo), Visitor(demo)
    by_password(visitor, "dr-bernard")
    by_psc(strong, "dr-bernard")
    role = {"role": "region", "scope": "reunion", **WHY}
    assert national.call("POST", "accounts/acc_dr-bernard/roles", role).status == 200
    soon(lambda: strong.get("/_gateway/admin").status == 200)
    assert "/step-up" in visitor.get("/_gateway/admin").url or "/sign-in" in visitor.last.url
    assert script(strong, "GET", "scopes/aura").status == 404
    assert script(strong, "GET", "scopes/reunion").status == 200
    path = "accounts/acc_dr-bernard/roles?role=region&scope=reunion&reason=essai"
    assert national.call("DELETE", path).status == 204
    soon(lambda: strong.get("/_gateway/admin").status == 404)
    assert script(strong, "GET", "scopes/reunion").status == 403


def test_r144_a_session_writes_with_its_own_token_only(demo: Demo) -> None:
    """The API by a strong session: reading is free, writing takes the form token of that browser, and nothing of others
    is reached by it either."""
    admin = administrator(demo, "admin-aura")
    csrf = script(admin, "GET", "session").json()["csrf"]
    tag = script(admin, "GET", "scopes/ssr-lac").header("ETag") or ""
    body = {"banner": "Par la session"}
    for wrong in ({}, {"X_CSRF_Token": "x"}, {"X_CSRF_Token": csrf[:-2] + "zz"}):
        refused = script(admin, "PATCH", "scopes/ssr-lac", body, If_Match=tag, **wrong)
        assert (refused.status, refused.json()["reason"]) == (403, "csrf"), wrong
    assert script(admin, "PATCH", "scopes/ssr-lac", body, If_Match=tag, X_CSRF_Token=csrf).status == 200
    assert script(admin, "PATCH", "scopes/ch-ocean", body, If_Match='"1"', X_CSRF_Token=csrf).status == 404
    other = administrator(demo, "referent-glycines")
    mixed = script(other, "POST", "accounts/acc_agent-leroy/sign-out", None, X_CSRF_Token=csrf)
    assert mixed.status == 403  # somebody else's
    made = {"name": "récit", "role": "region", "scope": "aura"}
    assert script(admin, "POST", "tokens", made, X_CSRF_Token=csrf).status == 403  # the nation's to give


def test_r87_pages_of_hidden_places_and_people(demo: Demo) -> None:
    """Pages answer for what is out of reach as for what never was."""
    admin = administrator(demo, "referent-glycines")
    for hidden, unknown in (
        ("/scopes/ch-ocean", "/scopes/ch-rivage"),
        ("/scopes/ssr-lac", "/scopes/ssr-lic"),
        ("/accounts/acc_admin-aura", "/accounts/acc_admin-auru"),
        ("/scopes/aura", "/scopes/auru"),
    ):
        pages = [admin.get(f"/_gateway/admin{path}") for path in (hidden, unknown)]
        assert [one.status for one in pages] == [404, 404]
        texts = [one.text.replace(hidden, "").replace(unknown, "") for one in pages]
        reference = [text.partition("érence")[2][:60] for text in texts]
        assert len(texts[0]) == len(texts[1]), reference


def test_r93_g2_the_audit_of_all_this_is_sound_until_somebody_touches_it(demo: Demo) -> None:
    """``vt-gateway audit verify`` beside the running gateway: sound; one row altered, and it names that row."""

    def verify() -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "gateway", "audit", "verify", "--config", str(demo.folder / "gateway.toml")]
        return subprocess.run(line, capture_output=True, text=True, timeout=100)

    sound = verify()
    assert sound.returncode == 0, sound.stdout + sound.stderr
    with closing(demo.records()) as db:
        (seq, facts) = db.execute("SELECT seq, facts FROM audit WHERE act = 'role:grant' ORDER BY seq DESC").fetchone()
        db.execute("UPDATE audit SET facts = replace(facts, 'region', 'referent') WHERE seq = ?", (seq,))
        db.commit()
        broken = verify()
        assert broken.returncode == 1
        assert str(seq) in broken.stdout + broken.stderr
        db.execute("UPDATE audit SET facts = ? WHERE seq = ?", (facts, seq))
        db.commit()
        assert verify().returncode == 0
        row = db.execute("SELECT * FROM audit WHERE seq = ?", (seq,)).fetchone()
        db.execute("DELETE FROM audit WHERE seq = ?", (seq,))
        db.commit()
        gone = verify()
        assert gone.returncode == 1
        assert str(seq) in gone.stdout + gone.stderr or str(seq + 1) in gone.stdout + gone.stderr
        db.execute(f"INSERT INTO audit VALUES ({','.join('?' * len(row))})", row)  # noqa: S608
        db.commit()
    assert verify().returncode == 0
