"""A real Chromium on a workstation of its own, with a card reader.

Nothing is pretended to the browser. The demo's authority is trusted and a card's certificate is offered through the NSS
database of a home of its own, as Chromium does on a workstation; a card « inserted » is a certificate imported there, a
card taken out is one deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from playwright.async_api import (
    Browser,
    async_playwright,
)

from tests.browser import DESK, PATIENCE, Person, Way, sized
from tests.servers import program
from tests.visitor import Demo

# Nothing but the pages: no calls home, no QUIC; the sandbox cannot be had as root.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=fr-FR",
    "--font-render-hinting=none",
]
# The face of the pictures, wherever they are made: nearest to what a workstation shows (Debian's fonts-open-sans).
_FACE = "".join(
    f"""<match target="pattern"><test name="family"><string>{name}</string></test>
<edit name="family" mode="prepend_first" binding="strong"><string>Open Sans</string></edit></match>"""
    for name in ("system-ui", "sans", "sans-serif")
)
_FONTS = f"""<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>{_FACE}</fontconfig>
"""


class CardReader:
    """The reader of the workstation: holds one card or none, while the browser runs."""

    def __init__(self, demo: Demo, database: str) -> None:
        self._demo = demo
        self._database = database
        self._inside: str | None = None

    def insert(self, certificate: str, key: str) -> None:
        """Put in the card made of these files of the demo's folder."""
        self.remove()
        pem = (self._demo.folder / certificate).read_bytes()
        secret = load_pem_private_key((self._demo.folder / key).read_bytes(), None)
        name = f"card-{time.monotonic_ns()}"
        bundle = pkcs12.serialize_key_and_certificates(
            name.encode(),
            secret,  # type: ignore[arg-type] # cards hold RSA or EC keys
            x509.load_pem_x509_certificate(pem),
            None,
            BestAvailableEncryption(b"1234"),
        )
        with tempfile.NamedTemporaryFile(suffix=".p12") as file:
            file.write(bundle)
            file.flush()
            _nss("pk12util", "-i", file.name, "-d", self._database, "-W", "1234", "-K", "")
        self._inside = name

    def insert_card_of(self, key: str) -> None:
        card = self._demo.person(key)["cards"][0]
        self.insert(card["cert"], card["key"])

    def remove(self) -> None:
        if self._inside is not None:
            _nss("certutil", "-F", "-d", self._database, "-n", self._inside)
            self._inside = None


class Chromium:
    """One browser process for all stories; each person has a profile of their own in it."""

    def __init__(self, browser: Browser, demo: Demo, reader: CardReader) -> None:
        self.browser = browser
        self.demo = demo
        self.reader = reader

    @contextlib.asynccontextmanager
    async def person(self, way: Way = Way.MOUSE, **options: Any) -> AsyncIterator[Person]:
        """Somebody new: no cookie, no history. ``options`` are those of a Playwright context."""
        settings: dict[str, Any] = {
            "java_script_enabled": way is not Way.NO_SCRIPT,
            "viewport": sized(DESK),
            "locale": "fr-FR",
            "timezone_id": "Europe/Paris",
            "reduced_motion": "reduce",
            "ignore_https_errors": False,
        }
        context = await self.browser.new_context(**(settings | options))
        context.set_default_timeout(PATIENCE)
        try:
            person = Person(self, context, await context.new_page(), way)
            yield person
        finally:
            await context.close()


@contextlib.asynccontextmanager
async def chromium_of(demo: Demo, home: Path) -> AsyncIterator[Chromium]:
    """A Chromium with ``home`` as its home, which trusts this demo's authority. Certificates are presented to the card
    origins without the question which one: the reader holds one card."""
    executable = _chromium()
    database = _certificate_database(home, demo.folder / demo.about["ca"])
    profile = home / "profile"
    (profile / "Default").mkdir(parents=True)
    card = demo.about["card"]
    chosen: dict[str, Any] = {"setting": {"filters": [{}]}}
    exceptions = {f"{origin},*": chosen for origin in (card, card.replace("localhost", "127.0.0.1"))}
    preferences = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": exceptions}}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    (home / "fonts.conf").write_text(_FONTS)
    async with async_playwright() as playwright:
        window = await playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=executable,
            headless=True,
            args=_FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],  # people have it: see J19
            env={**os.environ, "HOME": str(home), "FONTCONFIG_FILE": str(home / "fonts.conf")},
        )
        try:
            assert window.browser is not None
            yield Chromium(window.browser, demo, CardReader(demo, database))
        finally:
            await window.close()


def _chromium() -> str:
    return shutil.which("chromium-browser") or program("chromium", "chromium")


def _certificate_database(home: Path, authority: Path) -> str:
    """The NSS database of this home, with one trusted authority."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    _nss(program("certutil", "libnss3-tools"), "-N", "-d", database, "--empty-password")
    _nss("certutil", "-A", "-d", database, "-n", "authority", "-t", "C,,", "-i", str(authority))
    return database


def _nss(*line: str) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
