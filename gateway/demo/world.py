"""A whole world in one process: the gateway, the application behind it, and everybody it talks to.

Nothing leaves the machine. The configuration is written as one would write it, so that ``vt-gateway serve`` runs the
same gateway alone. When everything answers, ``demo.json`` says where.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.administration.tokens import Tokens
from gateway.app import Gateway
from gateway.demo.backend import Backend
from gateway.demo.cards import PASSWORD, Holder, write_server_certificates, write_world
from gateway.demo.console import Console, DemoClock
from gateway.demo.days import write_days
from gateway.demo.directory import KEY, Directory
from gateway.demo.mailbox import MailCatcher, SmsCatcher
from gateway.demo.people import PEOPLE, Someone
from gateway.demo.psc import Behaviour, Client, PscPerson, Simulator
from gateway.demo.seed import adopt, seed
from gateway.deployment import StartError, charter, defaults
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import Secrets, ensure_assertion_key, ensure_secret
from gateway.edges.system import SystemAmbient
from gateway.settings import load

_HOST = "127.0.0.1"
_NAMES = ("gateway", "card", "psc", "management", "console", "backend", "smtp", "directory", "portal", "gateway_plain")
_CONFIG = """# Written by `vt-gateway demo`; `vt-gateway serve --config {config}` runs the same gateway alone.
[gateway]
public_url = "https://localhost:{gateway}"
card_url = ["https://localhost:{card}", "https://127.0.0.1:{card}"]
hosts = ["localhost", "127.0.0.1"]
state_dir = "state"
[listen.public]
address = "127.0.0.1:{gateway}"
certificate = "server.pem"
key = "server.key"
[listen.card]
address = "127.0.0.1:{card}"
certificate = "server.pem"
key = "server.key"
[listen.plain]
address = "127.0.0.1:{gateway_plain}"
[listen.management]
address = "127.0.0.1:{management}"
[forwarded]
trusted = ["127.0.0.0/8"]
[backends.vt]
url = "{backend_url}"
audience = "vt"
[[routes]]
path = "/Trajectoire/Pages/AccesLibre/"
class = "public"
backend = "vt"
[[routes]]
path = "/Trajectoire/Usager/"
class = "usager"
backend = "vt"
[[routes]]
path = "/"
class = "protected"
backend = "vt"
[psc]
issuer = "https://localhost:{psc}/auth/realms/esante-wallet"
discovery_url = "https://localhost:{psc}/auth/realms/esante-wallet/.well-known/wallet-openid-configuration"
client_id = "vt-gateway"
client_secret_file = "psc.secret"
ca = "ca.pem"
[directory]
source = "fhir"
url = "http://127.0.0.1:{directory}/fhir/v2"
api_key_file = "directory.key"
[card]
environment = "test"
trust = ["pki/fort.pem", "pki/standard.pem"]
crl = ["file:pki/fort.crl", "file:pki/standard.crl"]
[smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
from = "ViaTrajectoire <ne-pas-repondre@example.test>"
[sms]
sender = "generic_http"
url = "http://127.0.0.1:{console}/sms"
[otp]
channels = ["mail", "totp"]
[methods]
liberal = ["card", "psc", "passkey", "password"]
etablissement = ["card", "psc", "passkey", "password"]
[jobs]
every = 2
[assertion]
key = "file:assertion.pem"
tests = true
[secrets]
key_file = "gateway.key"
[[support.contacts]]
label = "Contacter l'assistance SISRA"
topics = ["carte CPS", "e-CPS", "compte"]
url = "mailto:assistance@example.test"
[[regions]]
id = "aura"
name = "Auvergne-Rhône-Alpes"
scope = "aura"
[[regions.contacts]]
label = "Contacter l'assistance SISRA"
topics = ["Pro Santé Connect", "carte CPS", "activation de l'e-CPS"]
url = "mailto:assistance@example.test"
[[regions.contacts]]
label = "Équipe ViaTrajectoire Auvergne-Rhône-Alpes"
topics = ["connexion", "comptes", "activation"]
url = "tel:+33400000000"
hours = "du lundi au vendredi, de 9 h à 18 h"
[[regions]]
id = "reunion"
name = "La Réunion"
scope = "reunion"
timezone = "Indian/Reunion"
[regions.colours]
accent = "#7a1f5c"
accent_ink = "#ffffff"
accent_soft = "#f7e9f2"
[[regions.contacts]]
label = "Équipe ViaTrajectoire La Réunion"
topics = ["connexion", "comptes"]
url = "mailto:reunion@example.test"
"""


class DemoError(Exception):
    """The demo cannot start; the message says why."""


async def run(folder: Path, port_base: int, backend_url: str | None, say: Callable[[str], Any]) -> None:
    """Start everything, say where it is, and stay until SIGTERM or SIGINT."""
    ports = {name: port_base + place for place, name in enumerate(_NAMES)}
    clock = DemoClock()
    ambient = SystemAmbient(clock.offset)
    (folder / "demo.json").unlink(missing_ok=True)
    say("Cartes et certificats…")
    await asyncio.to_thread(_write_files, folder, ports, backend_url, clock)
    settings = load(folder / "gateway.toml", os.environ)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, stop.set)

    mail, sms, directory = MailCatcher(clock.now), SmsCatcher(clock.now), Directory()
    issuer = f"https://localhost:{ports['psc']}/auth/realms/esante-wallet"
    origin = f"https://localhost:{ports['gateway']}"
    client = Client(
        (folder / "psc.secret").read_text(),
        [f"{origin}/_gateway/sign-in/psc/callback"],
        [f"{origin}/_gateway/signed-out"],
    )
    psc = Simulator(issuer, [_psc(one) for one in PEOPLE if one.psc and one.idnat], {"vt-gateway": client}, clock.now)
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    backend = Backend(clock.now, f"{origin}/_gateway/jwks.json", "vt", trusting)

    def set_psc(mode: str) -> None:
        psc.behaviour = Behaviour(mode=mode)

    def set_crl(mode: str) -> None:
        lists = folder / "pki" / "fort.crl"
        aside = folder / "pki" / "fort.crl.aside"
        if mode == "ok" and aside.exists():
            aside.rename(lists)
        elif mode != "ok" and lists.exists():
            lists.rename(aside)

    faults: dict[str, Callable[[str], None]] = {
        "smtp": lambda mode: setattr(mail, "mode", mode),
        "sms": lambda mode: setattr(sms, "mode", mode),
        "psc": set_psc,
        "directory": lambda mode: setattr(directory, "mode", mode),
        "crl": set_crl,
    }
    console = Console(mail, sms, clock, backend if backend_url is None else None, faults)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    runners: list[web.AppRunner] = []
    gateway = Gateway(settings, ambient=ambient)
    try:
        sites: list[tuple[str, web.Application, ssl.SSLContext | None]] = [
            ("psc", psc.app(), server_tls),
            ("console", console.app(), None),
            ("directory", directory.app(), None),
            ("portal", _portal(origin), server_tls),
        ]
        if backend_url is None:
            sites.append(("backend", backend.app(), None))
        for name, app, tls in sites:
            runners.append(await _site(app, ports[name], tls))
        try:
            await mail.start(_HOST, ports["smtp"])
        except OSError as error:
            raise DemoError(f"port {ports['smtp']}: {error.strerror}") from error
        say("Base de données et comptes…")
        kept = folder / "state" / "records.db"
        records = Database(f"sqlite:///{kept}")
        await records.migrate()
        if await seed(records, charter(settings).stamp, clock.now()):
            await asyncio.to_thread(write_days, kept, clock.now())
        journal = Journal(records, Secrets(folder / "gateway.key").key("audit"))
        desk = PolicyDesk(records, defaults(settings), timedelta(0))
        tokens = Tokens(records, journal, desk, ambient, settings.admin.token_days)
        await adopt(tokens, json.loads((folder / "tokens.json").read_text()), clock.now())
        await records.close()
        try:
            await gateway.start()
        except StartError as error:
            raise DemoError(str(error)) from error
        _announce(folder, ports, backend_url, say)
        await stop.wait()
        await gateway.stop(2)
    finally:
        (folder / "demo.json").unlink(missing_ok=True)
        await mail.stop()
        for runner in runners:
            await runner.cleanup()


async def _site(app: web.Application, port: int, tls: ssl.SSLContext | None) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port, ssl_context=tls).start()
    except OSError as error:
        await runner.cleanup()
        raise DemoError(f"port {port}: {error.strerror}; another --port-base may be free") from error
    return runner


def _write_files(folder: Path, ports: dict[str, int], backend_url: str | None, clock: DemoClock) -> None:
    now = clock.now()
    write_server_certificates(folder, now)
    holders = [
        Holder(
            one.key,
            one.card,
            one.idnat or "",
            one.family_name,
            one.given_name,
            one.title or "Médecin",
            int(one.profession or 0),
            one.specialty or None,
            one.structure,
        )
        for one in PEOPLE
        if one.card
    ]
    write_world(folder, holders, now)
    ensure_assertion_key(folder / "assertion.pem")
    ensure_secret(folder / "gateway.key")
    for name in ("psc.secret", "tokens.json"):
        path = folder / name
        if not path.exists():
            made = {role: "vtgw_" + secrets.token_urlsafe(24) for role in ("national", "region", "referent")}
            path.touch(mode=0o600)
            path.write_text(json.dumps(made) if name.endswith(".json") else secrets.token_urlsafe(24))
    (folder / "directory.key").touch(mode=0o600)
    (folder / "directory.key").write_text(KEY)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    text = _CONFIG.format(
        **ports,
        backend_url=backend_url or f"http://127.0.0.1:{ports['backend']}",
        config=folder / "gateway.toml",
    )
    (folder / "gateway.toml").write_text(text)


def _who(role: str) -> str:
    """The people of the demo with this role, by the key Pro Santé Connect knows them by."""
    return " ou ".join(one.key for one in PEOPLE if any(held == role for held, _ in one.roles))


def _psc(person: Someone) -> PscPerson:
    return PscPerson(
        key=person.key,
        idnat=person.idnat or "",
        family_name=person.family_name,
        given_name=person.given_name,
        profession=person.profession,
        specialty=person.specialty,
        category=person.category,
        role=person.role,
        mode=person.mode,
        other_ids=[("ADELI", person.adeli)] if person.adeli else [],
    )


def _portal(origin: str) -> web.Application:
    """A regional portal: the tile that leads to ViaTrajectoire."""

    async def home(_: web.Request) -> web.Response:
        page = (
            "<!doctype html><html lang='fr'><meta charset='utf-8'><title>Portail régional (simulateur)</title>"
            "<h1>Portail régional</h1><p>Simulateur.</p>"
            f"<p><a href='{origin}/_gateway/sign-in?space=liberal'>ViaTrajectoire</a></p></html>"
        )
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    app = web.Application()
    app.router.add_get("/", home)
    return app


def _announce(folder: Path, ports: dict[str, int], backend_url: str | None, say: Callable[[str], Any]) -> None:
    tls = {"gateway", "card", "psc", "portal"}
    where: dict[str, Any] = {}
    for name, port in ports.items():
        if name == "smtp":
            where[name] = f"127.0.0.1:{port}"
        elif name in tls:
            where[name] = f"https://localhost:{port}"
        else:
            where[name] = f"http://127.0.0.1:{port}"
    if backend_url is not None:
        where["backend"] = backend_url
    people = []
    for one in PEOPLE:
        known: dict[str, Any] = {
            "key": one.key,
            "idnat_ps": one.idnat,
            "rpps": one.rpps,
            "family_name": one.family_name,
            "given_name": one.given_name,
            "profession": one.profession or None,
            "mail": one.mail,
            "cards": [],
            "account": None,
            "roles": [{"role": role, "scope": scope} for role, scope in one.roles],
        }
        if one.card:
            stem = f"cards/{one.key}"
            card = {"type": one.card.upper(), "cert": f"{stem}.pem", "key": f"{stem}.key", "p12": f"{stem}.p12"}
            known["cards"] = [{**card, "password": PASSWORD}]
        if one.password:
            known["account"] = {"identifier": one.login, "password": one.password, "scopes": list(one.scopes)}
        people.append(known)
    data = {
        "pid": os.getpid(),
        **where,
        "ca": "ca.pem",
        "config": "gateway.toml",
        "tokens": json.loads((folder / "tokens.json").read_text()),
        "people": people,
    }
    draft = folder / ".demo.json"
    draft.write_text(json.dumps(data, ensure_ascii=False, indent=1))
    draft.replace(folder / "demo.json")
    say(f"""
La démonstration est prête.

  ViaTrajectoire protégé  {where["gateway"]}/Trajectoire/Pages/AccesRestreint/accueil
  Page publique           {where["gateway"]}/Trajectoire/Pages/AccesLibre/
  Messages et SMS reçus   {where["console"]}/
  Autorité à accepter     {folder / "ca.pem"} (ou continuez malgré l'avertissement du navigateur)

  Carte CPS      importez {folder / "cards/dr-martin.p12"} (mot de passe {PASSWORD}) dans le navigateur
  e-CPS          choisissez une personne sur la page de Pro Santé Connect
  Mot de passe   {PEOPLE[1].idnat} / {PEOPLE[1].password} (médecin), {PEOPLE[5].username} / {PEOPLE[5].password} (agent) ;
                 le code arrive dans la console

  Administration {where["gateway"]}/_gateway/admin/
                 choisissez à Pro Santé Connect : {_who("national")} (nationale), {_who("region")} (régions),
                 {_who("referent")} (référente de l'EHPAD Les Glycines)

Ctrl-C arrête tout.""")
