"""The demo's national directory behind a real server, and the same people as an extraction: for tests of both sources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.directory import COLUMNS
from gateway.demo.directory import KEY
from gateway.demo.physicians import Practitioner
from gateway.edges.directory_fhir import FhirDirectory
from gateway.ports import Ambient

HEADER = tuple(COLUMNS.split("|"))
NAME = "PS_LibreAcces_Personne_activite_202603020600.txt"
Handler = Callable[[web.Request], web.StreamResponse]


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The address of an application on a free port, with the path of the interface."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/fhir/v2"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def directory_at(url: str, ambient: Ambient, **settings: object) -> AsyncIterator[FhirDirectory]:
    """A client with a session of its own, as ``connections`` makes them."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        wanted = {"api_key": KEY, "timeout": 5, "calls_per_second": 1000} | settings
        yield FhirDirectory(session=session, url=url, ambient=ambient, **wanted)  # type: ignore[arg-type]


def line(columns: Iterable[str] = HEADER, end: str = "|\n", **cells: str) -> str:
    """One line; ``cells`` by the short names below, the rest empty."""
    values = {
        "Type d'identifiant PP": cells.get("kind", "8"),
        "Identifiant PP": cells.get("rpps", ""),
        "Nom d'exercice": cells.get("family", "MARTIN"),
        "Prénom d'exercice": cells.get("given", "Claire"),
        "Code profession": cells.get("profession", "10"),
        "Code catégorie professionnelle": cells.get("category", "C"),
        "Code type savoir-faire": cells.get("skill_kind", "S"),
        "Code savoir-faire": cells.get("skill", ""),
        "Libellé savoir-faire": cells.get("skill_name", ""),
        "Bureau cedex (coord. structure)": cells.get("cedex", ""),
        "Code postal (coord. structure)": cells.get("postal", ""),
        "Libellé commune (coord. structure)": cells.get("town", ""),
    }
    return "|".join(values.get(column, "") for column in columns) + end


def lines_of(people: Iterable[Practitioner]) -> Iterable[str]:
    """What the extraction says of them: who left is not in it."""
    for one in people:
        if not one.active:
            continue
        for postal, town in one.places or (("", ""),):
            yield line(
                kind="8" if one.rpps else "0",
                rpps=one.rpps or one.adeli or "",
                family=one.family_name,
                given=one.given_name,
                profession=one.profession,
                category=one.category,
                skill=one.specialty,
                postal=postal,
                town=town.upper(),
            )


def write(folder: Path, *lines: str, header: Iterable[str] = HEADER, encoding: str = "utf-8", name: str = NAME) -> Path:
    path = folder / name
    path.write_bytes(("|".join(header) + "|\n" + "".join(lines)).encode(encoding))
    return path
