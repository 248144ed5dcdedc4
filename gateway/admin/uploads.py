"""A file that comes with a form: taken a piece at a time, to a place only we read, and never larger than allowed.

The fields of the form stand before the file, the token first: a form that is not ours is refused before a byte of its
file is kept. Whoever gets the file from here owns it, and deletes it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web

from gateway.admin.frame import Typed
from gateway.pages.base import Visit

_PIECE = 256 * 1024
_LONGEST_FIELD = 4096
_MOST_FIELDS = 20
FILE = "file"


@dataclass(frozen=True, slots=True)
class Uploads:
    """``folder``: where files wait to be read; ``largest`` in bytes."""

    folder: Path
    largest: int


class TooLarge(Exception):
    """More than is taken."""


async def take(visit: Visit, uploads: Uploads) -> tuple[Typed, Path | None]:
    """The fields before the file, and the file (``None``: none was chosen). Raises ``ForeignForm``, ``TooLarge``,
    ``HTTPBadRequest``."""
    try:
        reader = await visit.request.multipart()
        fields = await _fields(visit, reader, uploads)
    except (ValueError, AssertionError, RuntimeError, LookupError) as error:  # a boundary that is none, a broken part
        raise web.HTTPBadRequest from error
    return fields


async def _fields(visit: Visit, reader: MultipartReader, uploads: Uploads) -> tuple[Typed, Path | None]:
    fields: dict[str, str] = {}
    checked = False
    for _ in range(_MOST_FIELDS):
        part = await reader.next()
        if part is None:
            break
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise web.HTTPBadRequest
        if not checked:
            token = await _text(part) if part.name == "csrf" else ""
            visit.check(token, {})
            checked = True
        elif part.name == FILE:
            if (visit.request.content_length or 0) > uploads.largest + _PIECE:
                raise TooLarge
            return Typed(fields, {}), await _kept(part, uploads)
        else:
            fields[part.name] = await _text(part)
    if not checked:
        visit.check("", {})
    return Typed(fields, {}), None


async def _text(part: BodyPartReader) -> str:
    data = await part.read_chunk(_LONGEST_FIELD)
    if not part.at_eof() and await part.read_chunk(1):
        raise web.HTTPBadRequest
    return bytes(data).decode("utf-8")


async def _kept(part: BodyPartReader, uploads: Uploads) -> Path | None:
    handle, path = await asyncio.to_thread(_new_file, uploads.folder)
    size = 0
    try:
        with os.fdopen(handle, "wb") as file:
            while piece := await part.read_chunk(_PIECE):
                size += len(piece)
                if size > uploads.largest:
                    raise TooLarge
                await asyncio.to_thread(file.write, piece)
    except BaseException:
        drop(path)
        raise
    if size == 0:
        drop(path)
        return None
    return path


def drop(path: Path) -> None:
    """Delete a file that nobody will read."""
    path.unlink(missing_ok=True)


def _new_file(folder: Path) -> tuple[int, Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="import-", suffix=".csv", dir=folder)
    return handle, Path(name)
