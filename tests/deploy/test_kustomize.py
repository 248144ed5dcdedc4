"""deploy/kustomize/: each overlay is built as kubectl builds it, without a cluster, and looked at."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.ending import LAST
from gateway.settings import load
from gateway.settings.model import GatewaySection
from tests.deploy.redis_group import prepare
from tests.deploy.running import DEPLOY, run
from tests.servers import program

HERE = DEPLOY / "kustomize"
OVERLAYS = ("region", "nation")
DRAIN = GatewaySection.model_fields["drain"].default + LAST + 1
Object = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    kubectl = program("kubectl", "none; see kubernetes.io")
    built = run([kubectl, "kustomize", str(HERE / "overlays" / request.param)])
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    return [one for one in yaml.safe_load_all(built.stdout) if one]


def of(objects: list[Object], kind: str, name: str = "") -> list[Object]:
    return [one for one in objects if one["kind"] == kind and one["metadata"]["name"].startswith(name)]


def pods(objects: list[Object]) -> list[tuple[str, Object]]:
    kinds = ("Deployment", "StatefulSet", "Job")
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in objects if one["kind"] in kinds]


def test_pods_may_as_little_as_the_restricted_standard_lets_them(objects: list[Object]) -> None:
    """Pod Security "restricted", a read-only file system, limits, a version for each image."""
    assert len(pods(objects)) == 4
    for name, pod in pods(objects):
        held = pod["securityContext"]
        assert held["runAsNonRoot"] is True and held["runAsUser"] > 0, name
        assert held["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, name
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), name
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name
            assert re.search(r":[0-9]|@sha256:", container["image"]), container["image"]
    [space] = of(objects, "Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_gateways_come_and_go_without_losing_a_request(objects: list[Object]) -> None:
    [deployment] = of(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [gateway] = pod["containers"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["spec"].get("replicas", 3) == 3 or of(objects, "HorizontalPodAutoscaler")
    stop = gateway["lifecycle"]["preStop"]["exec"]["command"]
    assert stop[0] == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(stop[1]) + DRAIN
    # Everybody has seen that it leaves before it stops to answer.
    paths = {kind: gateway[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths.pop("readiness").partition("?")[0] == "/readyz"
    assert paths == {"startup": "/healthz", "liveness": "/healthz"}
    assert all(
        gateway[f"{kind}Probe"]["httpGet"]["port"] == "management" for kind in ("startup", "liveness", "readiness")
    )
    names = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    config = tomllib.loads(gateway_toml(objects))
    for name, listener in (("people", "public"), ("cards", "card"), ("management", "management")):
        assert config["listen"][listener]["address"] == f"0.0.0.0:{names[name]}"
    [service] = [one for one in of(objects, "Service") if one["spec"].get("type") == "LoadBalancer"]
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert "sessionAffinity" not in service["spec"]
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {"people", "cards"}, "management stays inside"
    assert not of(objects, "Ingress"), "cards are proved inside TLS"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    budgets = {one["metadata"]["name"]: one["spec"] for one in of(objects, "PodDisruptionBudget")}
    for name in ("vt-gateway", "vt-gateway-redis", "vt-gateway-sentinel"):
        assert budgets[name]["maxUnavailable"] == 1
    for selector in (service["spec"]["selector"], budgets["vt-gateway"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    [job] = of(objects, "Job")
    assert not service["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    spread = pod["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


def gateway_toml(objects: list[Object]) -> str:
    [config] = of(objects, "ConfigMap", "vt-gateway-config-")
    return str(config["data"]["gateway.toml"])


def test_nothing_is_allowed_that_is_not_named(objects: list[Object]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of(objects, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = [
        port["port"] for rule in policies["vt-gateway"]["ingress"] if "from" not in rule for port in rule["ports"]
    ]
    assert opened == [8443, 8444], "management is not for everybody"
    for name in ("vt-gateway-redis", "vt-gateway-records"):
        assert all(rule["from"] for rule in policies[name]["ingress"])


def test_secrets_are_named_and_never_written(objects: list[Object]) -> None:
    """No secret is in the overlays, and each that is named is explained in the README."""
    assert not of(objects, "Secret")
    readme = (HERE / "README.md").read_text()
    named: set[str] = set()
    for _, pod in pods(objects):
        named |= {one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                assert reference or not re.search("PASSWORD|SECRET|TOKEN", variable["name"]), variable
                named |= {reference["name"]} if reference else set()
    made = {"vt-gateway-records-app", "vt-gateway-records-ca"}  # by the operator of PostgreSQL
    for name in named - made:
        assert f" {name} " in readme, name
    assert "vt-gateway-records-app" in (HERE / "components/postgresql/cluster.yaml").read_text()
    for one in of(objects, "ConfigMap"):
        written = "\n".join(one.get("data", {}).values())
        assert not re.search(r"(?m)^\s*\w*(password|secret|token) ?= ?[\"']", written)
        assert "PRIVATE KEY" not in written


def test_every_file_of_the_configuration_is_mounted(objects: list[Object]) -> None:
    """In the gateways and in the migration, which reads the same file."""
    paths = re.findall(r'["=:](/(?:run|etc|var)/[\w./-]+)', gateway_toml(objects))
    assert len(paths) > 10
    for kind in ("Deployment", "Job"):
        pod = of(objects, kind)[0]["spec"]["template"]["spec"]
        volumes = {one["name"]: one for one in pod["volumes"]}
        mounts = {one["mountPath"]: volumes[one["name"]] for one in pod["containers"][0]["volumeMounts"]}
        for path in paths:
            place = next((mount for mount in mounts if path == mount or path.startswith(mount + "/")), None)
            assert place is not None, (kind, path)
            items = mounts[place].get("secret", {}).get("items")
            assert items is None or path.rpartition("/")[2] in [one["path"] for one in items], (kind, path)


def test_the_gateway_takes_the_configuration_of_the_place(objects: list[Object], tmp_path: Path) -> None:
    """The file with the variables of the overlay, read by the gateway."""
    prepare(tmp_path, TEMPLATES=str(DEPLOY / "compose/redis"))
    for name in ("aci-fo-pp.pem", "aci-st-pp.pem"):
        (tmp_path / "igc-sante" / name).touch()
    text = gateway_toml(objects)
    for old, new in (
        ("/run/people-tls/tls.crt", "tls/people.pem"),
        ("/run/people-tls/tls.key", "tls/people.key"),
        ("/run/card-tls/tls.crt", "tls/cards.pem"),
        ("/run/card-tls/tls.key", "tls/cards.key"),
        ("/run/redis-ca/ca.crt", "tls/ca.crt"),
        ("/run/redis/vtgw-password", "secrets/redis-vtgw-password"),
        ("/run/records-ca/ca.crt", "tls/ca.crt"),
        ("/run/vt-gateway/", "secrets/"),
        ("/etc/igc-sante/", "igc-sante/"),
        ("/var/lib/vt-gateway", "state"),
    ):
        assert old in text, old
        text = text.replace(old, f"{tmp_path}/{new}")
    (tmp_path / "gateway.toml").write_text(text)
    [place] = of(objects, "ConfigMap", "vt-gateway-place-")
    environment = {**place["data"], "GATEWAY_CARD__ENVIRONMENT": "test"}
    settings = load(tmp_path / "gateway.toml", environment)  # raises with every fault
    assert settings.backends["vt"].url == "http://10.1.2.3:8080", "the overlay wins over the file"
