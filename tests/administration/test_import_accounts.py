"""Accounts from a file of VT: who a line means, what it may change, and what it may not (R79, R99, R102)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.account import Grant, Role
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.administration.actor import Actor
from gateway.audit import Act, Record
from gateway.ports import Insert, Row, Update
from gateway.reasons import RecordsUnavailable
from tests.accounts.test_foreign import argon, django, identity, ssha
from tests.administration.importing import Importing, csv_of, importing_in, numbered
from tests.administration.world import AURA, NATIONAL, REUNION, person
from tests.ambient import START

HEAD = (
    "identifiant", "nom", "prenom", "mail", "telephone", "rpps", "adeli", "profession", "finess", "service",
    "mot_de_passe", "derniere_connexion", "espace",
)  # fmt: skip
RPPS = numbered("1010000000")
EHPAD, SSR, CH, CHU = "690780010", "690780028", "690780036", "970408589"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Importing]:
    async with importing_in(tmp_path) as made:
        yield made


def table(*rows: dict[str, str]) -> str:
    names = list(dict.fromkeys([*HEAD, *(name for row in rows for name in row)]))
    first = {"identifiant": "alice", "nom": "Martin", "prenom": "Alice", "finess": EHPAD}
    return csv_of(names, *[[{**first, **row}.get(name, "") for name in names] for row in rows])


async def the(desk: Importing, key: str = "u:alice") -> Row:
    (login,) = await desk.world.records.find("logins", {"key": key})
    (row,) = await desk.world.records.find("accounts", {"id": login["account_id"]})
    return row


async def scopes_of(desk: Importing, account: Row) -> list[Any]:
    rows = await desk.world.records.find("memberships", {"account_id": account["id"]}, order=("scope_id",))
    return [row["scope_id"] for row in rows]


FULL = {
    "mail": "Alice.Martin@Example.test", "telephone": "06 12 34 56 78", "rpps": RPPS, "profession": "60",
    "finess": f"{EHPAD} | {SSR}", "mot_de_passe": django(), "derniere_connexion": "14/02/2026",
}  # fmt: skip


async def test_r102_a_whole_line(desk: Importing) -> None:
    """Everything the line brings is there, in the gateway's own spelling; nothing is proved by it (R79)."""
    counts, _, _ = await desk.load("accounts", table(FULL), AURA)
    assert counts == {"created": 1}
    row = await the(desk)
    assert (row["family_name"], row["given_name"], row["search"]) == ("Martin", "Alice", "MARTIN ALICE")
    assert (row["mail"], row["mail_key"]) == ("Alice.Martin@Example.test", "alice.martin@example.test")
    assert (row["national_id"], row["phone"], row["profession"]) == (f"8{RPPS}", "+33612345678", "60")
    assert (row["origin"], row["space_default"], row["password_hash"]) == (
        "import",
        "professionnel",
        f"foreign:{django()}",
    )
    assert row["last_sign_in_at"] == datetime(2026, 2, 13, 23, tzinfo=UTC)
    proofs = ("mail_proved_at", "phone_proved_at", "first_strong_at", "charter_at", "last_method")
    assert [row[name] for name in proofs] == [None] * 5
    assert await scopes_of(desk, row) == ["ehpad", "ssr"]
    account = await Register(desk.world.records, desk.world.ambient).by_login(f"8{RPPS}")
    assert account is not None
    assert set(account.logins) == {f"8{RPPS}", "u:alice"}


async def test_r102_twice_the_same_file(desk: Importing) -> None:
    """The second run writes nothing at all; so does the third, after a person has come."""
    content = table(
        FULL,
        {"identifiant": "bob", "mail": "shared@x.test", "mot_de_passe": ssha()},
        {"identifiant": "carol", "mail": "shared@x.test", "mot_de_passe": "en clair"},
        {"identifiant": "dan", "mot_de_passe": argon(), "finess": CH, "service": "gériatrie"},
        {"identifiant": "eve", "finess": "", "espace": "liberal", "adeli": "759999999"},
    )
    assert (await desk.load("accounts", content))[0] == {"created": 5}
    before = await desk.dump("accounts", "logins", "memberships")
    for _ in range(2):
        desk.world.ambient.advance(86_400)
        assert (await desk.load("accounts", content))[0] == {"unchanged": 5}
        assert await desk.dump("accounts", "logins", "memberships") == before
    assert await scopes_of(desk, await the(desk, "u:dan")) == ["ch-geriatrie"]
    assert (await the(desk, "u:eve"))["space_default"] == "liberal"


async def test_r102_untouched_account_follows_the_file(desk: Importing) -> None:
    """What people have not touched is refreshed by the next file; workers are told."""
    await desk.load("accounts", table(FULL), AURA)
    newer = {**FULL, "nom": "Martin-Petit", "mail": "alice@new.test", "telephone": "", "mot_de_passe": identity()}
    desk.world.ambient.advance(60)
    counts, _, _ = await desk.load("accounts", table({**newer, "finess": CH}), AURA)
    assert counts == {"updated": 1}
    row = await the(desk)
    assert (row["family_name"], row["search"]) == ("Martin-Petit", "MARTIN PETIT ALICE")
    assert (row["mail"], row["mail_key"]) == ("alice@new.test", "alice@new.test")
    assert (row["phone"], row["password_hash"]) == ("+33612345678", f"foreign:{identity()}")
    assert await scopes_of(desk, row) == ["ch", "ehpad", "ssr"]  # nobody is detached by a file
    assert desk.bus.messages == [f"account:{row['id']}"]


async def test_r102_what_people_did_stays(desk: Importing) -> None:
    """A proved address, a password of ours, a name from a card: the file overwrites none of them."""
    await desk.load("accounts", table(FULL), AURA)
    register = Register(desk.world.records, desk.world.ambient)
    desk.world.ambient.advance(60)
    account = await register.by_login("u:alice")
    assert account is not None
    now = desk.world.now
    await register.change(
        account, now, mail="mine@home.test", mail_proved_at=now, password_hash="$argon2id$ours", family_name="MARTIN",
        first_strong_at=now,
    )  # fmt: skip
    before = await the(desk)
    counts, report, _ = await desk.load("accounts", table({**FULL, "nom": "Autre", "telephone": "0699999999"}), AURA)
    assert counts == {"unchanged": 1}
    assert report[0]["detail"] == "Adresse mail prouvée conservée."
    assert await the(desk) == before
    # What was empty is filled, and the person is attached.
    await desk.world.records.write(Update("accounts", {"phone": None}, {"id": before["id"]}))
    counts, _, _ = await desk.load("accounts", table({**FULL, "finess": CH}), AURA)
    assert counts == {"updated": 1}
    after = await the(desk)
    assert (after["phone"], after["mail"]) == ("+33612345678", "mine@home.test")
    assert await scopes_of(desk, after) == ["ch", "ehpad", "ssr"]


async def test_r102_correction_by_a_referent_stays(desk: Importing) -> None:
    """An address that somebody corrected here, though not proved yet, is newer than the file."""
    await desk.load("accounts", table(FULL), AURA)
    register = Register(desk.world.records, desk.world.ambient)
    account = await register.by_login("u:alice")
    assert account is not None
    await register.change(account, desk.world.now + timedelta(minutes=1), mail="corrected@x.test")
    counts, report, _ = await desk.load("accounts", table(FULL), AURA)
    assert counts == {"unchanged": 1}
    assert report[0]["detail"] == "Adresse mail du compte conservée."
    assert (await the(desk))["mail"] == "corrected@x.test"


async def test_r99_shared_addresses(desk: Importing) -> None:
    """Neither of two imported accounts has the address to itself, in one file or two; who proved it keeps it."""
    content = table({"identifiant": "bob", "mail": "a@x.test"}, {"identifiant": "carol", "mail": "A@X.test"})
    _, report, _ = await desk.load("accounts", content, AURA)
    assert all("partagée" in one["detail"] for one in report)
    for key in ("u:bob", "u:carol"):
        row = await the(desk, key)
        assert (row["mail_key"], row["mail_canonical"]) == (None, "a@x.test")
    await desk.load("accounts", table({"mail": "z@x.test"}), AURA)
    assert (await the(desk))["mail_key"] == "z@x.test"
    await desk.load("accounts", table({"identifiant": "dan", "mail": "z@x.test"}), AURA)
    assert [(await the(desk, key))["mail_key"] for key in ("u:alice", "u:dan")] == [None, None]
    shared = await Mailboxes(desk.world.records).shared_mails()
    assert set(shared) == {"a@x.test", "z@x.test"}
    await desk.world.records.write(
        *person("acc_owner", "ssr", mail="own@x.test", mail_key="own@x.test", mail_canonical="own@x.test")
    )
    await desk.load("accounts", table({"identifiant": "eve", "mail": "own@x.test"}), AURA)
    (owner,) = await desk.world.records.find("accounts", {"id": "acc_owner"})
    assert (owner["mail_key"], (await the(desk, "u:eve"))["mail_key"]) == ("own@x.test", None)
    # The file corrects one of the two: the other has the address to itself again.
    await desk.load("accounts", table({"identifiant": "bob", "mail": "bob@x.test"}), AURA)
    assert [(await the(desk, key))["mail_key"] for key in ("u:bob", "u:carol")] == ["bob@x.test", "a@x.test"]


@pytest.mark.parametrize(
    "secret", ["Secret123!", "$2y$10$" + "a" * 53, "5f4dcc3b5aa765d61d8327deb882cf99", "pbkdf2_sha256$9999999$s$x"]
)
async def test_r102_unknown_password_schemes(desk: Importing, secret: str) -> None:
    """The account comes without password and the report says what to do; the text itself is nowhere."""
    counts, report, _ = await desk.load("accounts", table({"mot_de_passe": secret}), AURA)
    assert counts == {"created": 1}
    assert report[0]["detail"] == "Mot de passe non repris : à choisir par « Mot de passe oublié »."
    row = await the(desk)
    assert (row["password_hash"], row["password_set_at"]) == (None, None)
    assert secret not in str(await desk.dump("accounts", "imports", "import_reports", "audit"))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"finess": CHU}, f"Périmètre inconnu : {CHU}."),
        ({"finess": numbered("69000099")}, f"Périmètre inconnu : {numbered('69000099')}."),
        ({"finess": "", "scope": "reunion"}, "Périmètre inconnu : reunion."),
        ({"finess": "", "scope": "nowhere"}, "Périmètre inconnu : nowhere."),
        ({"finess": CHU, "service": "Urgences"}, f"Périmètre inconnu : {CHU}."),
        ({"finess": f"{EHPAD}|{CHU}"}, f"Périmètre inconnu : {CHU}."),
        ({"finess": ""}, "Indiquez l'établissement (colonne finess ou scope)."),
        ({"finess": "123"}, "Numéro FINESS incorrect."),
        ({"finess": CH, "service": "Urgences"}, f"Service inconnu dans l'établissement {CH} : Urgences."),
        ({"finess": "", "service": "Urgences", "scope": "ch"}, "Un service se nomme avec un seul numéro FINESS."),
        ({"identifiant": "", "rpps": ""}, "Indiquez un identifiant ou un numéro RPPS."),
        ({"rpps": "10100000000"}, "Numéro RPPS incorrect."),
        ({"adeli": "12"}, "Numéro ADELI incorrect."),
        ({"identifiant": "10100000000"}, "Identifiant incorrect : ce n'est pas un numéro RPPS ou ADELI."),
        (
            {"identifiant": f"8{numbered('1010000001')}", "rpps": RPPS},
            "L'identifiant et le numéro RPPS se contredisent.",
        ),
        ({"identifiant": "deux mots"}, "Identifiant incorrect."),
        ({"nom": "=cmd|' /C calc'!A0"}, "Nom : ne peut pas commencer par =."),
        ({"nom": "+33"}, "Nom : ne peut pas commencer par +."),
        ({"prenom": "@SUM(A1)"}, "Prénom : ne peut pas commencer par @."),
        ({"prenom": "Ali\x1bce"}, "Prénom : caractères interdits."),
        ({"prenom": "Ali\u202ece"}, "Prénom : caractères interdits."),
        ({"nom": "x" * 101}, "Nom : plus de 100 caractères."),
        ({"nom": "12"}, "Nom : incorrect."),
        ({"nom": ""}, "Nom : absent."),
        ({"espace": "vip"}, "Espace inconnu : liberal ou professionnel."),
        ({"scope": " ".join(f"s{n}" for n in range(60))}, "Plus de 50 rattachements."),
    ],
)
async def test_r102_refused_lines(desk: Importing, row: dict[str, str], sentence: str) -> None:
    """Each says why, alone; a scope out of reach and one that does not exist are told alike."""
    good = {"identifiant": "good"}
    counts, report, _ = await desk.load("accounts", table(row, good), AURA)
    assert counts == {"refused": 1, "created": 1}
    assert report[0]["detail"] == sentence
    assert await desk.world.records.count("accounts", {}) == 1


async def test_r102_what_is_left_out_is_said(desk: Importing) -> None:
    """A wrong address, number, code or date does not keep the person out."""
    row = {
        "mail": "=?utf-8?q?x?=@x.test", "telephone": "12", "profession": "Médecin généraliste",
        "derniere_connexion": "2999-01-01",
    }  # fmt: skip
    _, report, _ = await desk.load("accounts", table(row), AURA)
    assert report[0]["outcome"] == "created"
    assert report[0]["detail"] == (
        "Adresse mail incorrecte, non reprise. Numéro de téléphone incorrect, non repris. "
        "Code de profession inconnu, non repris. Date de dernière connexion incorrecte, non reprise."
    )


async def test_r102_duplicates_inside_the_file(desk: Importing) -> None:
    """The same person twice is taken once, by whichever key the lines share; trial and run agree."""
    other = numbered("1010000001")
    content = table(
        {"rpps": RPPS},
        {"identifiant": "ALICE"},
        {"identifiant": "bob", "rpps": RPPS},
        {"identifiant": f"8{RPPS}"},
        {"identifiant": "bob", "rpps": other},
    )
    trial = await desk.load("accounts", content, AURA, dry_run=True)
    assert trial == await desk.load("accounts", content, AURA)
    counts, report, _ = trial
    assert counts == {"created": 1, "refused": 4}
    assert [one["detail"] for one in report[1:]] == ["Même personne que la ligne 2."] * 3 + [
        "Même personne que la ligne 4."
    ]


async def test_r102_conflicts_with_accounts(desk: Importing) -> None:
    """A line that means two accounts, another person's number, or an erased account is refused."""
    other = numbered("1010000001")
    await desk.load("accounts", table({"rpps": RPPS}, {"identifiant": "bob"}, {"identifiant": "dan"}), AURA)
    _, report, _ = await desk.load("accounts", table({"identifiant": "bob", "rpps": RPPS}), AURA)
    assert report[0]["detail"] == "L'identifiant et le numéro national désignent deux comptes différents."
    _, report, _ = await desk.load("accounts", table({"rpps": other}), AURA)
    assert report[0]["detail"] == "Le numéro national ne correspond pas à ce compte."
    # An untouched account without number receives it.
    assert (await desk.load("accounts", table({"identifiant": "bob", "rpps": other}), AURA))[0] == {"updated": 1}
    assert (await the(desk, f"8{other}"))["id"] == (await the(desk, "u:bob"))["id"]
    row = await the(desk, "u:dan")
    await desk.world.records.write(Update("accounts", {"closed_at": START}, {"id": row["id"]}))
    _, report, _ = await desk.load("accounts", table({"identifiant": "dan"}), AURA)
    assert report[0]["detail"] == "Ce compte a été effacé."


async def test_r102_account_of_another_region(desk: Importing) -> None:
    """Somebody known elsewhere is attached here and otherwise left alone: no address, no password of this file."""
    await desk.load("accounts", table({"rpps": RPPS, "finess": CHU, "mail": "real@x.test"}), REUNION)
    before = await the(desk)
    counts, report, _ = await desk.load(
        "accounts", table({**FULL, "identifiant": "mallory", "finess": EHPAD, "mail": "evil@x.test"}), AURA
    )
    assert counts == {"updated": 1}
    assert report[0]["detail"] == "Ce compte existait déjà : seul le rattachement est ajouté."
    row = await the(desk)
    assert row == before
    assert await scopes_of(desk, row) == ["chu", "ehpad"]
    assert await desk.world.records.count("logins", {"key": "u:mallory"}) == 0
    # Attached by that file, and still nobody's to overwrite: the second time is as the first.
    counts, _, _ = await desk.load(
        "accounts",
        table({**FULL, "identifiant": "mallory", "finess": EHPAD, "mail": "evil@x.test", "mot_de_passe": identity()}),
        AURA,
    )
    assert counts == {"unchanged": 1}
    assert await the(desk) == row
    assert await desk.world.records.count("logins", {"key": "u:mallory"}) == 0


async def test_r102_who_looks_after_another_region_is_not_imported_over(desk: Importing) -> None:
    """An administrator of another region who works here too keeps everything: their role is a place of theirs."""
    await desk.load("accounts", table(FULL), AURA)
    row = await the(desk)
    values = {"account_id": row["id"], "role": "region", "scope_id": "reunion", "granted_by": "x", "since": START}
    await desk.world.records.write(Insert("roles", values))
    counts, _, _ = await desk.load("accounts", table({**FULL, "mail": "evil@x.test", "mot_de_passe": identity()}), AURA)
    assert counts == {"unchanged": 1}
    assert await the(desk) == row


async def test_r93_what_a_file_changes_of_somebody_stands_in_their_journal(desk: Importing) -> None:
    """Attached where, and what was taken, by which import; nothing of accounts that the file made, of trials, of a second
    time; no address and no hash."""
    await desk.load("accounts", table(FULL), AURA)
    assert await desk.world.audited("account:change") == await desk.world.audited("membership:add") == []
    row = await the(desk)
    newer = table({**FULL, "finess": CH, "mail": "alice@new.test", "mot_de_passe": identity()})
    await desk.load("accounts", newer, AURA, dry_run=True)
    for _ in range(2):
        await desk.load("accounts", newer, AURA)
        (joined,) = await desk.world.audited("membership:add")
        assert (joined["account"], joined["scope"], joined["facts"]["author"]) == (row["id"], "ch", "acc_aura")
        (taken,) = await desk.world.audited("account:change")
        assert (taken["account"], taken["facts"]["what"]) == (row["id"], "mail password")
        assert taken["facts"]["import"] == joined["facts"]["import"]
        assert "@" not in str(taken) and "$" not in str(taken)


async def test_r93_without_the_audit_a_file_changes_nobody(desk: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record comes before the change."""
    await desk.load("accounts", table(FULL), AURA)
    before = await desk.dump("accounts", "memberships")
    record = desk.world.audit.record

    async def broken(one: Record) -> None:
        if one.act is Act.MEMBERSHIP_ADDED:
            raise RecordsUnavailable("the test says so")
        await record(one)

    monkeypatch.setattr(desk.world.audit, "record", broken)
    _, _, fault = await desk.load("accounts", table({**FULL, "finess": CH}), AURA)
    assert "n'a pas répondu" in fault
    assert await desk.dump("accounts", "memberships") == before


async def test_r102_administrators_are_not_imported_over(desk: Importing) -> None:
    """Nobody acts by a file on the account of somebody higher."""
    await desk.load("accounts", table(FULL), AURA)
    row = await the(desk)
    await desk.world.records.write(
        Insert(
            "roles",
            {"account_id": row["id"], "role": "national", "scope_id": "nation", "granted_by": "x", "since": START},
        )
    )
    _, report, _ = await desk.load("accounts", table({**FULL, "nom": "Autre"}), AURA)
    assert report[0]["detail"] == "Ce compte ne peut pas être modifié par cet import."
    assert (await desk.load("accounts", table({**FULL, "nom": "Autre"}), NATIONAL))[0] == {"updated": 1}


async def test_r102_where_only_a_referent(desk: Importing) -> None:
    """A region's administrator who is only référent elsewhere may not import there, and is told so."""
    actor = Actor("acc_two", "Deux", (Grant(Role.REGION, "aura"), Grant(Role.REFERENT, "chu")))
    _, report, _ = await desk.load("accounts", table({"finess": CHU}), actor)
    assert report[0]["detail"] == "Cette action est réservée à l'équipe régionale."


async def test_r102_english_columns_and_scope_ids(desk: Importing) -> None:
    """The same table with English names, several scopes by their ids, a closed establishment refused."""
    await desk.world.records.write(Update("scopes", {"retired_at": START, "revision": 1}, {"id": "ssr"}))
    await desk.world.records.write(Update("revisions", {"value": 1}, {"name": "policy"}))
    content = csv_of(
        ("username", "last_name", "first_name", "email", "scope", "last_login", "space"),
        ("alice", "Martin", "Alice", "a@x.test", "ehpad|ch-geriatrie", "2026-01-05T10:00:00+01:00", "Professionnel"),
        ("bob", "Petit", "Bob", "", "ssr", "", ""),
    )
    counts, report, _ = await desk.load("accounts", content, AURA)
    assert counts == {"created": 1, "refused": 1}
    assert report[1]["detail"] == "Établissement fermé : ssr."
    row = await the(desk)
    assert row["last_sign_in_at"] == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert await scopes_of(desk, row) == ["ch-geriatrie", "ehpad"]
