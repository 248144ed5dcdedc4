"""Apache with mod_auth_openidc in front of the same origin, with a real session at a real (small) provider."""

from __future__ import annotations

import http.cookiejar
import os
import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from bench.process import free_port
from bench.programs import Peer, Yard

_APACHE = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.err
Listen 127.0.0.1:{port}
User {user}
Group {group}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LogFormat "%h %t \\"%m %U\\" %>s %O %D" short
CustomLog {folder}/apache.access short
OIDCProviderMetadataURL {issuer}/.well-known/wallet-openid-configuration
OIDCClientID bench
OIDCClientSecret benchbenchbenchbenchbenchbenchbench
OIDCRedirectURI http://127.0.0.1:{port}/callback
OIDCCryptoPassphrase benchbenchbenchbench
OIDCCookieSameSite Off
OIDCScope "openid scope_all"
OIDCPKCEMethod S256
OIDCSessionInactivityTimeout 3600
OIDCRemoteUserClaim sub
ProxyPass /callback !
ProxyPass / http://127.0.0.1:{origin}/ keepalive=On
<Location />
  AuthType openid-connect
  Require valid-user
</Location>
"""


def apache_oidc(yard: Yard) -> Peer:
    """Apache, signed in once; its peer carries the cookie of the session."""
    modules = next(
        (str(one) for one in (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules")) if one.exists()), ""
    )
    port, provider = free_port(), free_port()
    issuer = f"http://127.0.0.1:{provider}/auth/realms/esante-wallet"
    yard.start(
        [sys.executable, "-m", "bench.oidc", str(provider), f"http://127.0.0.1:{port}/callback"], yard.other, provider
    )
    path = yard.folder / "apache.conf"
    path.write_text(
        _APACHE.format(
            folder=yard.folder,
            port=port,
            modules=modules,
            issuer=issuer,
            origin=yard.origin,
            user="www-data" if os.geteuid() == 0 else "#-1",
            group="www-data" if os.geteuid() == 0 else "#-1",
        )
    )
    program = yard.start(["apache2", "-f", str(path), "-DFOREGROUND"], yard.tested, port)
    peer = Peer("apache+oidc", program, port)
    peer.cookie = _sign_in(port)
    return peer


def _sign_in(port: int) -> str:
    """Walk through the provider's form; the Cookie value of the session that Apache opened."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.addheaders = [("Accept", "text/html"), ("User-Agent", "Mozilla/5.0")]
    page = browser.open(f"http://127.0.0.1:{port}/small")
    text = page.read().decode()
    if "<form" not in text:
        raise RuntimeError(f"no form at the provider: {text[:200]}")
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', text))
    action = re.search(r'<form[^>]*action="([^"]*)"', text)
    where = urllib.parse.urljoin(
        page.geturl(), action[1].replace("&amp;", "&") if action and action[1] else page.geturl()
    )
    fields.pop("refuse", None)  # the button that says no
    fields |= {"person": "bench", "mode": "CARD"}
    done = browser.open(where, urllib.parse.urlencode(fields).encode())
    if (got := done.read()) != b"x" * 1024:
        raise RuntimeError(f"signing in at the provider ended at {done.geturl()}: {got[:200]!r}")
    return "; ".join(f"{one.name}={one.value}" for one in jar if one.name.startswith("mod_auth_openidc"))


def serve(port: int, redirect: str) -> None:
    """The provider: the Pro Santé Connect simulator, in clear on loopback."""
    from datetime import UTC, datetime

    from aiohttp import web

    from gateway.demo.psc import Client, PscPerson, Simulator

    issuer = f"http://127.0.0.1:{port}/auth/realms/esante-wallet"
    client = Client("benchbenchbenchbenchbenchbenchbench", [redirect])
    person = PscPerson("bench", "899700000005", "MARTIN", "Claire")
    simulator = Simulator(issuer, [person], {"bench": client}, lambda: datetime.now(UTC))
    web.run_app(simulator.app(), host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
