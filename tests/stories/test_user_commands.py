"""``vt-gateway user``, as an administrator types it beside a gateway's own files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.edges.database import Database
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.system import SystemAmbient
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import Insert
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from tests.accounts.shelf import account
from tests.smallest import SMALLEST
from tests.stories.shell import NOW, TREE, Place

DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, "user")
    shared = {"mail": "accueil@example.test", "mail_key": None, "last_sign_in_at": NOW}

    async def fill(records: Database) -> None:
        await records.write(
            account("awake", last_sign_in_at=NOW - DAY, national_id="899700000005", password_hash="$argon2id$secret"),
            account("asleep", last_sign_in_at=NOW - 400 * DAY),
            account("held", last_sign_in_at=NOW, suspended_at=NOW - DAY, suspended_reason="vol"),
            account("one", **shared),
            account("two", **shared, family_name="EHPAD", given_name="LES LILAS"),
            account("gone", mail=None, family_name="", given_name="", closed_at=NOW - DAY),
            Insert("logins", {"key": "899700000005", "account_id": "acc_awake", "created_at": NOW}),
            Insert("logins", {"key": "u:sleepy", "account_id": "acc_asleep", "created_at": NOW}),
        )

    place.with_records(fill)
    return place


def ids(lines: list[dict[str, Any]]) -> list[str]:
    return [one["id"].removeprefix("acc_") for one in lines]


def test_help_has_examples(place: Place) -> None:
    """Each command says what it does, with an example."""
    names = [
        "list", "show", "reactivate", "suspend", "resume", "set-mail", "end-sessions", "export", "erase",
        "invite", "attach", "detach", "grant", "revoke",
    ]  # fmt: skip
    for command in ([], *([name] for name in names)):
        line = [sys.executable, "-m", "gateway", "user", *command, "--help"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert "Example" in done.stdout


def test_r88_lists_by_standing_mailbox_and_name(place: Place) -> None:
    """Exact lists from known accounts; the erased are shown only when asked for."""
    assert ids(place.read("list", "--json")) == ["asleep", "awake", "held", "one", "two"]
    assert ids(place.read("list", "--json", "--standing", "dormant")) == ["asleep"]
    assert ids(place.read("list", "--json", "--standing", "suspended")) == ["held"]
    assert ids(place.read("list", "--json", "--standing", "closed")) == ["gone"]
    assert ids(place.read("list", "--json", "--standing", "open", "--shared-mail")) == ["one", "two"]
    assert ids(place.read("list", "--json", "--generic")) == ["two"]
    table = place.run("list").stdout.splitlines()
    assert len(table) == 5
    assert table[4].split("\t")[0:4] == ["acc_two", "open", "-", "EHPAD LES LILAS"]
    assert table[4].endswith("shared-mail\tgeneric")


@pytest.mark.parametrize("name", ["acc_awake", "899700000005", "99700000005", "997 0000 0005"])
def test_r56_an_account_is_found_by_id_and_by_login(place: Place, name: str) -> None:
    """In every spelling a person would type; no secret is shown."""
    done = place.run("show", name, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["id"] == "acc_awake"
    assert (found["standing"], found["has_password"]) == ("open", True)
    assert "argon2" not in done.stdout


def test_show_as_text_and_nobody(place: Place) -> None:
    """One line a fact; an unknown name ends with 1 and says so on stderr."""
    assert "standing: suspended\n" in place.run("show", "acc_held").stdout
    done = place.run("show", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nobody" in done.stderr


def test_r97_reactivate_wakes_a_sleeper(place: Place) -> None:
    """Awake at once, by its user name, without pretending a sign-in; who is awake stays so; the audit has the author."""
    before = place.read("show", "SLEEPY", "--json")
    done = place.run("reactivate", "sleepy", "--reason", "  retour de\tcongé ")
    assert (done.returncode, done.stdout) == (0, "acc_asleep is awake.\n")
    after = place.read("show", "acc_asleep", "--json")
    assert (before["standing"], after["standing"]) == ("dormant", "open")
    assert after["last_sign_in_at"] == before["last_sign_in_at"]
    ((act, facts),) = place.acts("asleep")
    assert act == "account:reactivate"
    assert facts["why"] == "retour de congé"
    assert facts["author"].startswith("cli:")
    assert place.run("reactivate", "sleepy", "--reason", "encore").stdout == "acc_asleep is awake already.\n"
    assert place.run("reactivate", "acc_held", "--reason", "un essai").returncode == 1
    assert place.run("reactivate", "acc_gone", "--reason", "un essai").returncode == 1
    assert len(place.acts("asleep")) == 1


def test_suspend_and_resume(place: Place) -> None:
    """A suspended account says why; resuming gives back the standing it had."""
    assert place.run("suspend", "acc_asleep", "--reason", "départ").returncode == 0
    found = place.read("show", "acc_asleep", "--json")
    assert (found["standing"], found["suspended_reason"]) == ("suspended", "départ")
    assert place.run("resume", "acc_asleep").stdout == "acc_asleep is dormant.\n"
    assert place.run("resume", "acc_asleep").stdout == "acc_asleep is not suspended.\n"
    assert [(act, facts["why"]) for act, facts in place.acts("asleep")] == [
        ("account:suspend", "départ"),
        ("account:resume", "end of the suspension"),
    ]


def test_r99_set_mail_repairs_both(place: Place) -> None:
    """The repaired account gets its address, the other one keeps the old for itself, and what is taken is refused."""
    taken = place.run("set-mail", "acc_one", "AWAKE@example.test", "--reason", "un essai")
    assert taken.returncode == 1
    assert taken.stderr.startswith("mail: ")
    assert "autre compte" in taken.stderr
    assert place.run("set-mail", "acc_one", "nobody", "--reason", "un essai").returncode == 2
    assert place.acts("one") == []
    done = place.run("set-mail", "acc_one", "Un@example.test", "--reason", "boîte partagée")
    assert done.returncode == 0
    assert "the mail to accueil@example.test (notice) was not sent" in done.stderr  # R103: no relay listens here
    assert place.read("list", "--json", "--shared-mail") == []
    found = place.read("show", "acc_one", "--json")
    assert (found["mail"], found["mail_proved_at"]) == ("Un@example.test", None)
    ((act, facts),) = place.acts("one")
    assert act == "mail:change"
    assert facts["before"] == hashlib.sha256(b"accueil@example.test").hexdigest()[:16]
    assert "@" not in "".join(facts.values())


def test_r104_export_then_erase(place: Place) -> None:
    """The copy is JSON without secrets; erasing asks for --yes, happens once, and frees the login."""
    copy = place.read("export", "99700000005")
    assert copy["account"]["national_id"] == "899700000005"
    assert "argon2" not in json.dumps(copy)
    assert place.run("erase", "acc_awake", "--reason", "demande").returncode == 2
    assert place.run("erase", "acc_awake", "--reason", "demande", "--yes").returncode == 0
    assert place.run("show", "99700000005").returncode == 1
    assert place.read("show", "acc_awake", "--json")["standing"] == "closed"
    assert "already" in place.run("erase", "acc_awake", "--reason", "demande", "--yes").stdout
    assert [act for act, _ in place.acts("awake")] == ["account:export", "account:erase"]


def test_r100_end_sessions_and_tell_the_workers(place: Place) -> None:
    """Sessions end at once in the store, and a running worker hears which account to read again."""

    async def world() -> None:
        ambient = SystemAmbient()
        store = SqliteStore(place.state / "store.db", ambient)
        heard: list[str] = []
        told = asyncio.Event()

        def hear(message: str) -> None:
            heard.append(message)
            if message == "account:acc_held":
                told.set()

        store.listen(hear)
        await store.start()
        keeper = Keeper(store, store, ambient)
        who = Identity(NationalId("8", "99700000005"), "MARTIN", "ANNE")
        proof = Proof(who, Method.CPS, Assurance.SUBSTANTIAL, ambient.now())
        opened = [
            (await keeper.open("acc_awake", Space.LIBERAL, (proof,), Lifetimes(), ambient.now()))[1] for _ in range(2)
        ]
        done = await asyncio.to_thread(place.shell, "end-sessions", "acc_awake")
        assert (done.returncode, done.stdout) == (0, "2 sessions of acc_awake ended.\n")
        assert await keeper.sessions_of("acc_awake", ambient.now()) == ()
        assert (await asyncio.to_thread(place.shell, "resume", "acc_held", "--reason", "un essai")).returncode == 0
        async with asyncio.timeout(10):
            await told.wait()
        assert {f"session:{one.digest}" for one in opened} < set(heard)
        await store.close()

    asyncio.run(world())
    assert [act for act, _ in place.acts("awake")] == ["session:revoked"]


def test_r100_invited_from_the_shell(place: Place) -> None:
    """Without the gateway's store it says so and does nothing; with it the account is there and the mail is tried."""
    place.tree(*TREE)
    line = ["invite", "--scope", "ehpad", "--family-name", "Roux", "--given-name", "Léa", "--mail", "l@example.test"]
    assert place.run(*line).returncode == 75
    assert "u:lea.roux" not in str(place.read("list", "--json"))
    place.with_store()
    done = place.run(*line, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["login"], made["scopes"]) == ("lea.roux", ["ehpad"])
    assert "the mail to l@example.test (invitation) was not sent" in done.stderr
    found = place.read("show", "lea.roux", "--json")
    assert (found["origin"], found["has_password"], found["mail_proved_at"]) == ("referent", False, None)
    again = place.run("invite", "--again", "lea.roux")
    assert again.returncode == 0
    assert "(invitation) was not sent" in again.stderr
    assert place.run("invite", "--again", "acc_awake").returncode == 1
    assert place.run("invite").returncode == 2
    faulty = place.run(*line[:-1], "accueil@example.test", "--identifier", "99700000006")
    assert faulty.returncode == 1
    assert [one.partition(":")[0] for one in faulty.stderr.splitlines()] == ["mail", "identifier"]


def test_r101_r87_places_and_roles_from_the_shell(place: Place) -> None:
    """Attached, appointed, dismissed and detached, each with its author and reason in the audit."""
    place.tree(*TREE)
    reason = ("--reason", "arrivée")
    assert place.run("attach", "acc_awake", "--scope", "ehpad", *reason).stdout == "acc_awake works in: ehpad.\n"
    appointed = place.run("grant", "acc_awake", "--role", "referent", "--scope", "ehpad", *reason)
    assert appointed.stdout == "acc_awake is referent of ehpad.\n"
    place.run("grant", "99700000005", "--role", "region", "--scope", "aura", *reason)
    assert place.read("show", "acc_awake", "--json")["roles"] == ["referent ehpad", "region aura"]
    wrong = place.run("grant", "acc_awake", "--role", "region", "--scope", "ehpad", *reason)
    assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (1, "scope")
    missing = place.run("attach", "acc_awake", "--scope", "nowhere", *reason)
    assert (missing.returncode, missing.stdout) == (1, "")
    revoked = place.run("revoke", "acc_awake", "--role", "region", "--scope", "aura", *reason)
    assert revoked.stdout == "acc_awake is referent of ehpad.\n"
    assert place.run("detach", "acc_awake", "--scope", "ehpad", *reason).stdout == "acc_awake works in: no scope.\n"
    assert place.read("show", "acc_awake", "--json")["roles"] == []
    acts = place.acts("awake")
    assert [act for act, _ in acts] == [
        "membership:add", "role:grant", "role:grant", "role:revoke", "membership:remove", "role:revoke",
    ]  # fmt: skip
    assert all(facts["author"].startswith("cli:") and facts["why"] == "arrivée" for _, facts in acts)


def test_sessions_in_memory_are_out_of_reach(place: Place) -> None:
    """With a store in the gateway's own memory the command says so instead of claiming success."""
    place.config.write_text(SMALLEST + '[store]\nurl = "memory://"\n')
    done = place.run("end-sessions", "acc_awake")
    assert done.returncode == 1
    assert "memory" in done.stderr
    assert place.run("suspend", "acc_awake", "--reason", "un essai").returncode == 0


@pytest.mark.parametrize("reason", ["", "   ", "ab", "x" * 201, "a\x07bc"])
def test_a_reason_is_needed(place: Place, reason: str) -> None:
    """A few printable words; nothing is done without them."""
    assert place.run("suspend", "acc_awake", "--reason", reason).returncode == 2
    assert place.acts("awake") == []


def test_exit_codes_without_database_or_configuration(tmp_path: Path, place: Place) -> None:
    """No database is 75 and makes no file; a wrong configuration is 78."""
    (tmp_path / "empty").mkdir()
    bare = Place(tmp_path / "empty", "user")
    done = bare.shell("list")
    assert done.returncode == 75
    assert "migrate" in done.stderr
    assert not bare.state.exists()
    bare.config.write_text("[gateway]\n")
    assert bare.shell("list").returncode == 78
