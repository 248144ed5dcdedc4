"""What a demo wrote into its own SQLite, copied into another database: the same people, places, sums and audit."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.edges.schema import metadata

_AT_ONCE = 2000


def copy_records(source: Path, url: str) -> None:
    """Bring the database at ``url`` to the present schema, and make its rows those of the SQLite file."""
    with ThreadPoolExecutor(1) as thread:  # the caller's thread may have an event loop that runs
        thread.submit(lambda: asyncio.run(_migrated(url))).result()
    there, here = sa.create_engine(f"sqlite:///{source}"), sa.create_engine(url)
    try:
        with there.connect() as read, here.begin() as written:
            for table in reversed(metadata.sorted_tables):
                written.execute(sa.delete(table))
            for table in metadata.sorted_tables:
                columns = [column.name for column in table.columns]
                for rows in read.execute(sa.select(table)).mappings().partitions(_AT_ONCE):
                    written.execute(sa.insert(table), [{name: row[name] for name in columns} for row in rows])
    finally:
        there.dispose()
        here.dispose()


async def _migrated(url: str) -> None:
    database = Database(url)
    try:
        await database.migrate()
    finally:
        await database.close()
