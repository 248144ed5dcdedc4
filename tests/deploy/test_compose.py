"""deploy/compose/: what it promises, and each of its configuration files taken by the program it is for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.ending import LAST
from gateway.settings.model import GatewaySection
from tests.deploy.redis_group import prepare
from tests.deploy.running import DEPLOY, replaced, run, started, until
from tests.servers import free_port, program
from tests.visitor import Demo

HERE = DEPLOY / "compose"
ROOT = DEPLOY.parent
MADE = ("./secrets/", "./tls/", "./tls", "./igc-sante")  # by prepare.sh, or brought by whoever runs it
DRAIN = GatewaySection.model_fields["drain"].default + LAST + 1


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    said = yaml.safe_load((HERE / "compose.yaml").read_text())
    found: dict[str, Any] = said["services"]
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, around: Demo) -> Path:
    """A folder as prepare.sh makes it, with certificates for localhost, and the demo's authorities of cards."""
    folder = tmp_path_factory.mktemp("compose")
    for place in (folder, *folder.parents[:2]):
        place.chmod(0o755)
    names = {"POSTGRES_NAMES": "localhost", "GATEWAY_NAMES": "localhost", "TEMPLATES": str(HERE / "redis")}
    prepare(folder, **names)
    for name, there in (("aci-fo-pp.pem", "fort.pem"), ("aci-st-pp.pem", "standard.pem")):
        shutil.copy(around.folder / "pki" / there, folder / "igc-sante" / name)
    return folder


def test_every_service_is_held_tight(services: dict[str, Any]) -> None:
    """Nobody is root, writes where they should not, has a capability, or takes more than its share; all come back."""
    assert {"gateway-a", "gateway-b", "balancer", "postgres", "migrate"} < set(services)
    assert (
        sum(name.startswith("redis-") for name in services)
        == sum(name.startswith("sentinel-") for name in services)
        == 3
    )
    for name, one in services.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert not str(one["user"]).startswith(("0", "root")), name
        assert one["mem_limit"] and one["pids_limit"] and one["cpus"], name
        assert one["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert re.search(r":(\$\{\w+:-)?[0-9]|VTGW_IMAGE", one["image"]) and "latest" not in one["image"], name
        assert "healthcheck" in one or name.startswith("gateway-"), name  # the image has its own
        assert name == "balancer" or "ports" not in one, name
        assert "privileged" not in one and "network_mode" not in one, name
    for name in ("gateway-a", "gateway-b"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > DRAIN
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_secrets_are_files_that_somebody_makes(services: dict[str, Any]) -> None:
    """Each secret that a service reads is declared, and made or asked for by prepare.sh; none stands in a variable."""
    said = yaml.safe_load((HERE / "compose.yaml").read_text())
    script = (HERE / "prepare.sh").read_text()
    read = {name for one in services.values() for name in one.get("secrets", ())}
    assert read == set(said["secrets"])
    for name in said["secrets"]:
        assert said["secrets"][name] == {"file": f"./secrets/{name}"}
        assert name.removesuffix(".acl") in script, name
    for one in services.values():
        for key, value in one.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", key) or str(value).startswith("/run/secrets/"), key
    for name in re.findall(r"/run/secrets/([\w.-]+)", (HERE / "gateway.toml").read_text()):
        assert name in services["gateway-a"]["secrets"], name
    for one in services.values():
        for mount in one.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("./") and not source.startswith(MADE):
                assert (HERE / source).exists(), source
            assert not source.startswith("./") or mount.endswith(":ro"), mount
    assert said["networks"]["inner"]["internal"] is True
    assert services["postgres"]["networks"] == services["redis-1"]["networks"] == ["inner"]


def test_the_image_is_built_from_what_is_there_and_locked() -> None:
    """Every file that is copied exists, every package has its hash, nobody is root, and signals reach the gateway."""
    text = (HERE / "Containerfile").read_text()
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    said = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    for word, rest in said:
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
        assert word != "ADD" and not re.search(r"(?i)password|secret|token", rest), rest
        if "pip install" in rest and "--no-index" not in rest:
            assert "--require-hashes" in rest
    for name in re.findall(r"-r (requirements/\w+\.txt)", text):
        for block in (ROOT / name).read_text().replace("\\\n", " ").strip().splitlines():
            assert "==" in block and "--hash=sha256:" in block, (name, block[:60])
    words = dict(said)
    assert words["USER"] == "10001:10001"
    assert words["ENTRYPOINT"].startswith('["') and words["CMD"].startswith('["')
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert "latest" not in words["ARG"]


def test_the_health_check_knows_alive_from_gone(around: Demo) -> None:
    management = around.about["management"]
    check = [sys.executable, "-I", str(HERE / "healthcheck.py")]
    assert run([*check, f"{management}/healthz"]).returncode == 0
    assert run([*check, f"{management}/nothing"]).returncode == 1
    gone = run([*check, f"http://127.0.0.1:{free_port()}/healthz"])
    assert gone.returncode == 1 and "not well" in gone.stderr


def here(prepared: Path) -> str:
    """gateway.toml with the places of this test."""
    text = replaced((HERE / "gateway.toml").read_text(), {"/run/secrets": prepared / "secrets"})
    return replaced(text, {"/etc/vt-gateway": prepared, "/var/lib/vt-gateway": prepared / "state"})


def test_the_gateway_takes_its_configuration(prepared: Path) -> None:
    config = prepared / "gateway.toml"
    config.write_text(here(prepared))
    environment = {**os.environ, "GATEWAY_CARD__ENVIRONMENT": "test", "GATEWAY_GATEWAY__WORKERS": "2"}
    done = run([sys.executable, "-W", "ignore", "-m", "gateway", "check", "--config", str(config)], env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_haproxy_takes_its_configuration(prepared: Path) -> None:
    config = prepared / "haproxy.cfg"
    config.write_text(
        replaced(
            (HERE / "haproxy.cfg").read_text(),
            {
                "/run/tls": prepared / "tls",
                "maxconn 20000": "maxconn 500",
                " gateway-a:": " 127.0.0.1:",
                " gateway-b:": " 127.0.0.1:",
            },
        )
    )
    done = run([program("haproxy", "haproxy", Path("/usr/sbin")), "-c", "-f", str(config)])
    assert done.returncode == 0 and "[WARN" not in done.stderr, done.stderr


def test_postgresql_takes_its_configuration_and_the_gateway_comes_in_with_tls_alone(
    prepared: Path, tmp_path: Path
) -> None:
    """The very files, with a real server: migrations run over TLS with the server's name checked and the password from its
    file; without TLS, or as somebody else, there is no way in."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, postgres = program("initdb", "postgresql", *homes), program("postgres", "postgresql", *homes)
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    own = prepared / "postgres"
    shutil.copytree(HERE / "postgres", own)
    for name in ("postgres.key", "postgres.crt"):
        shutil.copy(prepared / "tls" / name, own)
    word = own / "word"
    word.write_text((prepared / "secrets/postgres-password").read_text())
    port = free_port()
    text = (own / "postgresql.conf").read_text()
    changes = {
        "/var/lib/postgresql/data": own / "data",
        "/etc/vtgw-postgres": own,
        "/run/tls": own,
        "/run/postgresql": own,
        "listen_addresses = '*'": f"listen_addresses = 'localhost'\nport = {port}",
        "shared_buffers = 512MB": "shared_buffers = 32MB",
    }
    (own / "postgresql.conf").write_text(replaced(text, changes))
    if owner:
        for path in (own, *own.iterdir()):
            shutil.chown(path, "postgres", "postgres")
    (own / "postgres.key").chmod(0o400)
    # As the image does it: the user vtgw is made with the password, and the database after it.
    flags = ["--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N"]
    line = [initdb, "-D", str(own / "data"), "-U", "vtgw", f"--pwfile={word}", *flags]
    subprocess.run(line, check=True, capture_output=True, cwd="/", **owner)
    with started(
        [postgres, "-c", f"config_file={own}/postgresql.conf"], prepared / "pg.log", cwd="/", **owner
    ) as process:
        psql = ["psql", "-h", str(own), "-p", str(port), "-U", "vtgw", "-d", "postgres", "-c"]
        until(lambda: run([*psql, "CREATE DATABASE vtgw"], cwd="/").returncode == 0, 30)
        assert process.poll() is None
        config = prepared / "migrating.toml"
        config.write_text(here(prepared).replace("vtgw@postgres/vtgw", f"vtgw@localhost:{port}/vtgw"))
        environment = {**os.environ, "GATEWAY_CARD__ENVIRONMENT": "test"}
        line = [sys.executable, "-W", "ignore", "-m", "gateway", "migrate", "--config", str(config)]
        done = run(line, env=environment)
        assert done.returncode == 0, done.stderr
        environment = {**os.environ, "PGPASSWORD": word.read_text(), "PGCONNECT_TIMEOUT": "5"}
        for address in (
            f"postgresql://vtgw@localhost:{port}/vtgw?sslmode=disable",
            f"postgresql://vtgw@localhost:{port}/postgres?sslmode=require",
            f"postgresql://postgres@localhost:{port}/vtgw?sslmode=require",
        ):
            refused = run(["psql", address, "-c", "SELECT 1"], env=environment, cwd="/")
            assert refused.returncode != 0 and "pg_hba.conf" in refused.stderr, (address, refused.stderr)
