"""Our client against the certified oidc-provider: nobody of ours wrote the other side."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
import pytest

from gateway.edges.system import SystemAmbient
from gateway.identity import Method, Proof, Space
from gateway.providers.base import Attempt, Rejected, Reply
from gateway.providers.oidc import OidcSettings, OpenIdProvider
from gateway.reasons import Reason
from tests.servers import free_port, program, wait_for_port

NODE = Path(__file__).parents[1] / "node"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    node = program("node", "nodejs")
    if not (NODE / "node_modules/oidc-provider").exists():
        message = "tests/node/node_modules is missing (npm ci --ignore-scripts in tests/node)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    port = free_port()
    process = subprocess.Popen(
        [node, "provider.mjs", str(port)], cwd=NODE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_port(port, process)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


async def approve(http: aiohttp.ClientSession, url: str, login: str) -> dict[str, str]:
    """Go through the provider's own pages, as a person would; the query of the way back."""
    for _ in range(12):
        async with http.get(url, allow_redirects=False) as answer:
            where, page = answer.headers.get("Location"), await answer.text()
        if where is None:
            action = re.search(r'<form[^>]*action="([^"]+)"', page)
            prompt = re.search(r'name="prompt" value="([^"]+)"', page)
            assert action and prompt, page
            data = {"prompt": prompt[1], "login": login, "password": "x"}
            async with http.post(urljoin(url, action[1]), data=data, allow_redirects=False) as answer:
                where = answer.headers["Location"]
        url = urljoin(url, where)
        if url.startswith("https://vt.test/"):
            return dict(parse_qsl(urlsplit(url).query))
    raise AssertionError("the provider never came back")


async def test_r39_code_flow_with_the_certified_provider(issuer: str) -> None:
    """Discovery, PKCE, client authentication, ID token, UserInfo and sign-out address all agree."""
    ambient = SystemAmbient()
    settings = OidcSettings(
        issuer=issuer,
        discovery_url=issuer + "/.well-known/openid-configuration",
        client_id="vt gateway",
        client_secret="secret/:+",
        redirect_uri="https://vt.test/_gateway/sign-in/psc/callback",
        post_logout_redirect_uri="https://vt.test/_gateway/signed-out",
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as calls,
        aiohttp.ClientSession(cookie_jar=jar) as browser,
    ):
        provider = OpenIdProvider(settings, calls, ambient)
        attempt = Attempt("att1", "b", Space.LIBERAL, "/", "psc", ambient.now())
        prompt = await provider.begin(attempt, ambient.now())
        attempt = replace(attempt, memory=prompt.memory)
        query = await approve(browser, prompt.url, "899700000005")
        assert query["iss"] == issuer
        proof = await provider.complete(attempt, Reply(query), ambient.now())
        assert isinstance(proof, Proof), proof
        assert proof.identity.id is not None
        assert (proof.identity.id.rpps, proof.identity.family_name) == ("99700000005", "MARTIN-LEROY")
        assert proof.method is Method.PSC_CPS
        again = await provider.complete(attempt, Reply(query), ambient.now())
        assert isinstance(again, Rejected)
        assert again.reason is Reason.PSC_CODE_REFUSED
        end = await provider.end_session_url(proof.evidence["logout_hint"], "st")
        assert end is not None
        async with browser.get(end) as answer:
            assert answer.status == 200
            assert "sign-out" in (await answer.text()).lower() or "logout" in str(answer.url)
