"""A table that comes as a body, to a file of our own: never whole in memory, never larger than allowed.

The file is readable by us alone. Whoever gets it from here owns it, and deletes it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import BodyPartReader, web

from gateway.api import reading
from gateway.api.import_models import CsvAsked
from gateway.api.operation import CSV
from gateway.api.problem import Problem, faulty
from gateway.reasons import Reason

_PIECE = 256 * 1024
_FIELD = "file"


async def received(request: web.Request, folder: Path, largest: int) -> Path:
    """The table of this request, in a new file of ``folder``; raises ``Problem`` (400, 413, 422)."""
    if (request.content_length or 0) > largest:
        raise reading.too_large()
    handle, path = await asyncio.to_thread(_new_file, folder)
    try:
        with os.fdopen(handle, "wb") as file:
            size = 0
            async for piece in _pieces(request):
                size += len(piece)
                if size > largest:
                    raise reading.too_large()
                await asyncio.to_thread(file.write, piece)
        if size == 0:
            raise faulty({_FIELD: ["Le fichier est vide."]})
    except BaseException:
        drop(path)
        raise
    return path


def drop(path: Path) -> None:
    """Delete a table that nobody will read."""
    path.unlink(missing_ok=True)


def _new_file(folder: Path) -> tuple[int, Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="import-", suffix=".csv", dir=folder)
    return handle, Path(name)


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    if request.content_type == CSV:
        async for piece in request.content.iter_chunked(_PIECE):
            yield piece
    elif request.content_type == "multipart/form-data":
        async for piece in _file_of(request):
            yield piece
    else:
        sent = reading.model_of(CsvAsked, await reading.body_of(request, ("application/json",)))
        yield sent.csv.encode()


async def _file_of(request: web.Request) -> AsyncIterator[bytes]:
    """The first field of the name ``file``; what comes before and after it is read and dropped."""
    found = False
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if found or not isinstance(part, BodyPartReader) or part.name != _FIELD:
                await part.release()
                continue
            found = True
            while piece := await part.read_chunk(_PIECE):
                yield piece
    except (ValueError, AssertionError, RuntimeError, LookupError):  # a boundary that is none, a part that breaks off
        raise Problem(400, Reason.BAD_REQUEST, "Le formulaire ne peut pas être lu.") from None
    if not found:
        raise faulty({_FIELD: ["Cette valeur est nécessaire."]})
