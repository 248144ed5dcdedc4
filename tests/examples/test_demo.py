"""The kits beside a whole gateway: its own test assertions over TLS, and the assertions it sends to its application."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.examples.kits import KINDS, Kit, Ready, ask
from tests.stories.conftest import running
from tests.stories.test_delegations import doctor, invite, join, secretary, seen, take_up
from tests.visitor import Demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS, ids=lambda kit: kit.name)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    found: Kit = request.param
    return found.ready(tmp_path_factory.mktemp(found.name))


Judge = Callable[[Ready, str, Path], "subprocess.CompletedProcess[str]"]


def _java(kit: Ready, url: str, ca: Path) -> subprocess.CompletedProcess[str]:
    """Java takes authorities from a store of its own."""
    store = ca.with_name("ca.p12")
    tool = shutil.which("keytool")
    assert tool is not None  # comes with java
    line = [tool, "-importcert", "-noprompt", "-alias", "ca", "-file", str(ca), "-keystore", str(store)]
    if not store.exists():
        subprocess.run([*line, "-storepass", "changeit"], check=True, capture_output=True, timeout=60)
    return kit.judge(
        url, f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"
    )  # fmt: skip


TRUSTING: dict[str, Judge] = {
    "python": lambda kit, url, ca: kit.judge(url, then=(str(ca),)),
    "node": lambda kit, url, ca: kit.judge(url, NODE_EXTRA_CA_CERTS=str(ca)),
    "java": _java,
    "php": lambda kit, url, ca: kit.judge(url, "-d", f"openssl.cafile={ca}"),
}


def test_r136_the_self_test_at_the_demos_address(kit: Ready, demo: Demo) -> None:
    """Made for this instant, judged by this machine's kits; an authority that nobody named is not believed."""
    url, ca = demo.about["gateway"] + "/_gateway/assertion-tests", demo.folder / demo.about["ca"]
    done = TRUSTING[kit.kit.name](kit, url, ca)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" refused")
    stranger = kit.judge(url)
    assert stranger.returncode != 0
    assert "believed" not in stranger.stdout


def test_r139_what_the_gateway_sends_is_believed_and_read(kit: Ready, demo: Demo, sent: tuple[str, str]) -> None:
    """A secretary in her own name, then for a doctor: her number both times, and the doctor's the second time."""
    alone, acting = sent
    keys = demo.about["gateway_plain"] + "/_gateway/jwks.json"
    with kit.serving(keys, issuer=demo.about["gateway"], audience="vt") as port:
        assert ask(port, alone) == (200, {"person": "3690780028/000000042", "on_behalf_of": None})
        assert ask(port, acting) == (200, {"person": "3690780028/000000042", "on_behalf_of": "899700100011"})
    with kit.serving(keys, issuer=demo.about["gateway"], audience="another") as port:
        assert ask(port, alone)[0] == 401


@pytest.fixture(scope="module")
def staffed(demo: Demo) -> Demo:
    """Dr Bernard has invited secretary Moreau, who has joined with her card."""
    invite(doctor(demo), "secretary-moreau")
    join(demo, "secretary-moreau")
    return demo


@pytest.fixture
def sent(staffed: Demo) -> tuple[str, str]:
    """Two assertions that the gateway has just sent: in her own name, and for Dr Bernard."""
    visitor = secretary(staffed)
    _, alone = seen(visitor)
    take_up(visitor)
    _, acting = seen(visitor)
    return alone["x-vt-assertion"], acting["x-vt-assertion"]
