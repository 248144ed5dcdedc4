"""``directory``: the national directory of professionals: made anew from its extraction, and asked (R118)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.commands.options import columns, json_option
from gateway.commands.shared import BAD_CONFIGURATION, FAILED, NOT_READY, config_option, settings_of

if TYPE_CHECKING:
    from gateway.ports import Directory, Listed
    from gateway.settings import Settings

T = TypeVar("T")
_wait: Callable[[float], Awaitable[None]] = asyncio.sleep


@click.group()
def directory() -> None:
    """The national directory of professionals (Annuaire Santé), in which doctors find colleagues.

    \b
    Examples:
      vt-gateway directory refresh --config gateway.toml
      vt-gateway directory search --config gateway.toml "martin claire" --postal-code 69
      vt-gateway directory show --config gateway.toml 10001234565
    """


@directory.command("refresh")
@config_option
@json_option
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The extraction, as .zip or .txt, already on this machine.",
)
@click.option("--force", is_flag=True, help="Also when half of the physicians are gone, or the file seems cut short.")
def refresh(config: Path, as_json: bool, source: Path | None, force: bool) -> None:
    """Make the embedded directory anew; without --file the extraction is fetched from directory.extraction_url.

    The gateway may run meanwhile: it takes the new file within a second. A file that is not the extraction, is cut
    short or has lost half of the physicians replaces nothing (exit code 1).

    \b
    Examples:
      vt-gateway directory refresh --config gateway.toml
      vt-gateway directory refresh --config gateway.toml --file PS_LibreAcces.zip --json
    """
    from gateway.connections import directory_file
    from gateway.edges.directory_download import DownloadFailed
    from gateway.edges.directory_load import LoadRefused, load_extraction
    from gateway.edges.system import SystemAmbient

    settings = _settings(config)
    target = directory_file(settings)
    fetched = target.with_name(f".{target.name}.download")
    began = time.monotonic()
    try:
        if source is None:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _fetch(settings, fetched)
        report = load_extraction(
            source or fetched, target, SystemAmbient().now(), lambda lines: _say(f"{lines} lines"), force=force
        )
    except (DownloadFailed, LoadRefused, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(NOT_READY if isinstance(error, DownloadFailed) else FAILED)
    finally:
        fetched.unlink(missing_ok=True)
    result = {**asdict(report), "seconds": round(time.monotonic() - began, 1), "file": str(target)}
    if as_json:
        click.echo(json.dumps(result))
        return
    before = "" if report.before is None else f" (before: {report.before})"
    click.echo(f"{target}: {report.physicians} physicians{before} out of {report.lines} lines")
    click.echo(f"{report.skipped} lines of bad shape skipped, {report.wrong_keys} numbers with a wrong key kept")
    click.echo(f"{result['seconds']} seconds")


@directory.command("search")
@config_option
@json_option
@click.option("--postal-code", default="", help="Only who practises where the postal code begins so.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="At most so many.")
@click.argument("name")
def search(config: Path, as_json: bool, postal_code: str, limit: int, name: str) -> None:
    """List the physicians of this name, as a doctor finds them on the page. Exit code 75: the directory is down.

    \b
    Examples:
      vt-gateway directory search --config gateway.toml "de la tour"
      vt-gateway directory search --config gateway.toml "martin claire" --postal-code 69003 --json
    """
    found, more = _ask(config, lambda source: source.search(name, postal_code, limit=limit))
    if as_json:
        click.echo(json.dumps({"people": [_plain(one) for one in found], "more": more}, ensure_ascii=False))
        return
    for one in found:
        _line(one)
    if more:
        click.echo(f"there are more than {len(found)}", err=True)


@directory.command("show")
@config_option
@json_option
@click.argument("rpps")
def show(config: Path, as_json: bool, rpps: str) -> None:
    """Print who has this RPPS number. Exit code 1: no physician has it; 75: the directory is down.

    \b
    Example:
      vt-gateway directory show --config gateway.toml 10001234565 --json
    """
    found = _ask(config, lambda source: source.by_rpps(rpps))
    if found is None:
        click.echo("no physician has this number", err=True)
        sys.exit(FAILED)
    if as_json:
        click.echo(json.dumps(_plain(found), ensure_ascii=False))
    else:
        _line(found)


def _ask(config: Path, question: Callable[[Directory], Awaitable[T]]) -> T:
    from gateway.connections import http_session, open_directory
    from gateway.edges.system import SystemAmbient
    from gateway.reasons import DirectoryUnavailable

    settings = _settings(config)

    async def work() -> T:
        async with http_session(settings) as http:
            source = open_directory(settings, http, SystemAmbient())
            if source is None:
                click.echo(f"{config}: directory.source: no directory is configured", err=True)
                sys.exit(BAD_CONFIGURATION)
            try:
                return await question(source)
            finally:
                await source.close()

    try:
        return asyncio.run(work())
    except DirectoryUnavailable as error:
        click.echo(f"the directory gives no answer: {error}", err=True)
        sys.exit(NOT_READY)
    except (OSError, ValueError) as error:  # authorities or certificates that cannot be read
        click.echo(f"{config}: {error}", err=True)
        sys.exit(BAD_CONFIGURATION)


def _settings(config: Path) -> Settings:
    from gateway.edges import logs

    settings = settings_of(config)
    logs.configure(settings.log.level)
    return settings


def _fetch(settings: Settings, into: Path) -> None:
    import aiohttp

    from gateway.edges.directory_download import Download, DownloadFailed
    from gateway.edges.tls import client_context

    section = settings.directory
    try:
        context = client_context(section.ca) if section.extraction_url.startswith("https:") else None
    except (OSError, ValueError) as error:
        raise DownloadFailed(f"directory.ca: {error}") from error

    with into.open("wb") as file:

        async def work() -> None:
            connector = aiohttp.TCPConnector(ssl=context or True)
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
                await Download(session, section.extraction_url, file, _wait, _say).run()

        asyncio.run(work())


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(one: Listed) -> dict[str, Any]:
    places = [{"postal_code": postal, "town": town} for postal, town in one.places]
    return {**asdict(one), "places": places}


def _line(one: Listed) -> None:
    places = ", ".join(f"{postal} {town}" for postal, town in one.places)
    state = "active" if one.active else "inactive"
    columns(one.rpps, one.family_name, one.given_name, one.specialty_name or one.specialty or None, state, places)
