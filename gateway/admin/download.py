"""Tables sent as they are made: however long they are, a few lines are in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web


class Table(web.StreamResponse):
    """A CSV file. What fails on the way breaks the connection visibly; a table never ends as if it were whole."""

    def __init__(self, name: str, first: str, lines: AsyncIterator[str]) -> None:
        super().__init__(headers={"Content-Disposition": f'attachment; filename="{name}"'})
        self.content_type = "text/csv"
        self.charset = "utf-8"
        self._first = first
        self._lines = lines

    async def write_eof(self, data: bytes = b"") -> None:
        """aiohttp calls this once the head is sent."""
        await self.write(self._first.encode())
        async for line in self._lines:
            await self.write(line.encode())
        await super().write_eof(data)


async def table(name: str, lines: AsyncIterator[str]) -> Table:
    """The answer, its first line made already: what is refused is refused with a page, not within a file."""
    return Table(name, await anext(lines, ""), lines)
