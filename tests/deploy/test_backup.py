"""deploy/backup as docs/backup.md says it, on SQLite and on PostgreSQL: what was used, consumed, ended or revoked after
the backup stays so when it is restored, or is said to be lost. Through a gateway that really serves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.edges.system import SystemAmbient
from gateway.ports import Insert
from tests.deploy.running import run
from tests.servers import program
from tests.site import Site
from tests.stories.conftest import demo_alone
from tests.stories.test_delegations import doctor, invite, join
from tests.stories.test_main_job import DEEP, by_password
from tests.visitor import Demo, Visitor


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_alone(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def site(world: Demo, tmp_path: Path, empty_url: str) -> Site:
    if empty_url.startswith("postgresql"):
        program("pg_dump", "postgresql-client")
    made = Site(Demo(world.folder), tmp_path, empty_url)
    world.forget()
    return made


def signed_in(visitor: Visitor) -> bool:
    answer = visitor.go("GET", visitor.demo.about["gateway"] + DEEP, None, {}, follow=False)
    assert answer.status in (200, 302, 303), answer.text
    return answer.status == 200


@pytest.mark.timeout(300)
def test_yesterdays_backup_revives_nothing(site: Site, tmp_path: Path) -> None:
    """Used code, consumed links, sign-out, recovery codes, invitation: dead. Accounts: there. The audit: sound, and the
    operator is told what is lost and what has to be done again."""
    demo, backups = site.demo, tmp_path / "backups"
    certificate, secret = tmp_path / "operator.pem", tmp_path / "operator.key"
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=operator", "-days", "2"]
    made = run([*line, "-keyout", str(secret), "-out", str(certificate)])
    assert made.returncode == 0, made.stderr
    identifier = demo.person("dr-petit")["account"]["identifier"]
    with site.serving():
        leaver, resetter, pending = Visitor(demo), Visitor(demo), Visitor(demo)
        by_password(leaver, "dr-petit")
        assert signed_in(leaver)
        resetter.get("/_gateway/password/forgot")
        resetter.submit("/password/forgot", identifier=identifier)
        reset = demo.link("anne.petit@example.test")
        demo.forget()
        invite(doctor(demo), "secretary-moreau")
        invitation = demo.link(demo.person("secretary-moreau")["mail"])
        token = json.loads(site.shell("token create --json --role region --scope aura --name x"))["id"]
        account = next(line for line in site.shell("user list --json").splitlines() if line)
        doctor_id = next(one["id"] for one in json.loads(account) if "petit" in json.dumps(one).casefold())
        now = SystemAmbient().now()
        code = {"id": "rec_1", "account_id": doctor_id, "digest": "d", "created_at": now}
        site.records(lambda records: records.write(Insert("recovery_codes", code)))
        pending.get(DEEP)
        password = demo.person("dr-petit")["account"]["password"]
        pending.submit("/sign-in/password", identifier=identifier, password=password, shared="")
        page, number = pending.last, demo.code("anne.petit@example.test")

        # Yesterday
        done = site.script("backup", str(backups), CERTIFICATE=str(certificate), KEEP="2")
        assert done.returncode == 0, done.stderr
        (file,) = backups.glob("records-*.tar")
        (keys,) = backups.glob("keys-*.cms")
        assert [one.stat().st_mode & 0o777 for one in (file, keys)] == [0o600, 0o600]
        assert sorted(one.name for one in backups.iterdir()) == sorted([file.name, keys.name])
        before = json.loads(site.shell("audit verify --json"))

        # Since then: everything is used, ended, revoked
        assert pending.submit("/sign-in/code", code=number).status == 200
        assert signed_in(pending)
        leaver.get("/_gateway/account")
        leaver.submit("/sign-out")
        assert not signed_in(leaver)
        resetter.get(reset)
        resetter.submit("/password/reset", password=password + "9", repeat_password=password + "9")
        secretary = join(demo, "secretary-moreau")
        assert "Agir pour" in secretary.last.text
        site.shell("token revoke", token)
        witness = json.loads(site.shell("audit checkpoint --json"))
        assert "stop" in site.shell("backup restore --yes --reason drill", str(file), code=1)
        tickets = {
            name: dict(one.cookies) for name, one in (("leaver", leaver), ("pending", pending), ("s", secretary))
        }

    done = site.script("restore", str(file), "a drill")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    manifest = json.loads(CliRunner().invoke(cli, ["backup", "check", "--json", str(file)]).output)
    assert manifest["audit_seq"] >= before["last"] - 1
    assert any(line.startswith(f"lost: rows {manifest['audit_seq'] + 1} to {witness['seq']} ") for line in said), said
    assert "lost\ttoken:revoke\t1" in said
    assert "epoch 2 has begun: everybody signs in again." in said
    assert any(line.startswith("sound: ") for line in said)

    with site.serving():
        assert site.metric("vtgw_epoch") == [2]
        for cookies in tickets.values():
            again = Visitor(demo)
            again.cookies = cookies
            assert not signed_in(again)
        pending.last = page
        assert "Agir" not in pending.submit("/sign-in/code", code=number).text
        assert not signed_in(pending)
        again = Visitor(demo)
        assert again.get(reset).status == 403
        assert again.get(invitation).status in (403, 404, 410)
        assert site.records(lambda records: records.find("recovery_codes", {})) == ()
        mail = demo.person("secretary-moreau")["mail"]
        (row,) = site.records(lambda records: records.find("delegations", {"mail": mail}))
        assert (row["invite_digest"], row["delegate_id"]) == (None, None)
        demo.forget()
        fresh = Visitor(demo)
        by_password(fresh, "dr-petit")  # the account is there, with the password of the backup
        assert signed_in(fresh)
        listed = next(one for one in json.loads(site.shell("token list --json")) if one["id"] == token)
        assert listed["state"] == "active"  # what was revoked since is on the operator's list, and is done again
        found = site.shell("audit verify", "--witness", f"{witness['seq']}:{witness['hash']}", code=1)
        assert f"checkpoint\t{witness['seq']}\t" in found  # a line of the log tells that rows are gone

    # The keys come back with the operator's key alone.
    opened = subprocess.run(
        ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(keys), "-inkey", str(secret)],
        capture_output=True,
        check=True,
    )
    names = subprocess.run(["tar", "-t"], input=opened.stdout, capture_output=True, check=True).stdout.split()
    assert names == [b"gateway.toml", b"gateway.key", b"assertion.pem"]
