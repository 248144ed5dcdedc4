"""What the gateway talks to over a network: the mail relay, the SMS service, Pro Santé Connect, the national directory.
From settings to clients.

Each has its own verified TLS; nothing is opened here before it is used, but the pool of HTTP connections.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import aiohttp

from gateway.edges.directory_fhir import FhirDirectory
from gateway.edges.directory_file import FileDirectory
from gateway.edges.senders import FileSender, SmtpRelay, SmtpSender
from gateway.edges.sms import SmsAccess, sms_sender
from gateway.edges.tls import client_context
from gateway.ports import Ambient, Directory, Sender
from gateway.providers.oidc import OidcSettings, OpenIdProvider
from gateway.settings import Secret, Settings


def mail_sender(settings: Settings) -> Sender | None:
    """The relay, if one is configured."""
    smtp = settings.smtp
    if smtp is None:
        return None
    password = smtp.password.reveal() if smtp.password else None
    relay = SmtpRelay(
        smtp.host, smtp.port, smtp.security, smtp.from_, smtp.envelope_from, smtp.username, password, smtp.timeout
    )
    return SmtpSender(relay, client_context(smtp.ca) if smtp.security != "none" else None)


def senders(settings: Settings, ambient: Ambient) -> dict[str, Sender]:
    """By channel, ``mail`` and ``sms``: those that are configured."""
    found: dict[str, Sender] = {}
    if (mail := mail_sender(settings)) is not None:
        found["mail"] = mail
    sms = settings.sms
    if sms.sender == "file" and sms.file is not None:
        found["sms"] = FileSender(sms.file)
    access = SmsAccess(
        kind=sms.sender,
        url=sms.url,
        sender=sms.from_ or "",
        countries=sms.countries,
        timeout=sms.timeout,
        application_key=sms.application_key or "",
        application_secret=_revealed(sms.application_secret),
        consumer_key=_revealed(sms.consumer_key),
        service=sms.service or "",
        account=sms.account or "",
        login=sms.login or "",
        password=_revealed(sms.password),
        method=sms.method,
        headers=sms.headers,
        body=sms.body,
        token=_revealed(sms.token),
        success_status=sms.success_status,
        success_path=sms.success_path,
        success_value=sms.success_value,
    )
    if (service := sms_sender(access, ambient, client_context(sms.ca))) is not None:
        found["sms"] = service
    return found


def http_session(settings: Settings) -> aiohttp.ClientSession:
    """Calls to Pro Santé Connect: no cookies, nothing decoded for us, its own verified TLS."""
    psc = settings.psc
    context = client_context(psc.ca, psc.client_certificate, psc.client_key) if psc else client_context(None)
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(ssl=context, limit=32)
    )


def pro_sante_connect(settings: Settings, http: aiohttp.ClientSession, ambient: Ambient) -> OpenIdProvider | None:
    """The provider of e-CPS, when it is configured."""
    psc, gateway = settings.psc, settings.gateway
    if psc is None:
        return None
    return OpenIdProvider(
        OidcSettings(
            issuer=psc.issuer,
            discovery_url=psc.discovery_url,
            client_id=psc.client_id,
            client_secret=psc.client_secret.reveal() if psc.client_secret else None,
            client_auth=psc.client_auth,
            redirect_uri=f"{gateway.public_url}{gateway.prefix}/sign-in/psc/callback",
            post_logout_redirect_uri=f"{gateway.public_url}{gateway.prefix}/signed-out",
            scope=psc.scope,
            acr_values=psc.acr_values,
            min_acr=psc.min_acr,
            acr_when_missing=psc.acr_when_missing,
            algorithms=psc.id_token_algs,
            session_cap=timedelta(seconds=psc.session_cap),
            accept_test_ids=psc.accept_test_ids,
        ),
        http,
        ambient,
    )


def open_directory(settings: Settings, http: aiohttp.ClientSession, ambient: Ambient) -> Directory | None:
    """The national directory (R118), when one is configured. ``http`` is shared; its TLS is not: the directory's host is
    verified by its own authorities, and is shown no certificate of ours."""
    directory = settings.directory
    if directory.source == "fhir":
        return FhirDirectory(
            session=http,
            url=directory.url,
            api_key=_revealed(directory.api_key),
            ambient=ambient,
            timeout=directory.timeout,
            calls_per_second=directory.calls_per_second / settings.gateway.workers,
            tls=client_context(directory.ca) if directory.url.startswith("https:") else None,
        )
    return FileDirectory(directory_file(settings), ambient) if directory.source == "file" else None


def directory_file(settings: Settings) -> Path:
    """Where the embedded directory lies."""
    return settings.directory.file or settings.gateway.state_dir / "directory.db"


def _revealed(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""
