"""Workers on one SQLite file, to be killed: run as a program, it forks one more for each line it reads, and says its number.

Each worker writes what was acknowledged to it into a file of its own, before it goes on: what stands there must be in the
database, whatever happened since.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.edges.database import Database
from gateway.ports import Change, Insert, Row, Span, Update
from gateway.reasons import RecordsUnavailable, StoreUnavailable, Taken

PAIRS = Span("pair-", "pair.")


async def records(url: str, name: str, say: Callable[[str], None]) -> None:
    """Pairs in one transaction, a counter, names that all want, and a look whether half of a pair can be seen."""
    database = Database(url)
    await timed(say, database.migrate())
    chance = random.Random(name)
    number = 0

    def raised(found: Row | None) -> Sequence[Change]:
        assert found is not None and isinstance(found["value"], int)
        return [Update("revisions", {"value": found["value"] + 1}, {"name": "sum"})]

    while True:
        number += 1
        pair = f"pair-{name}-{number}"
        rows = [Insert("revisions", {"name": f"{pair}-{side}", "value": number}) for side in "ab"]
        if await timed(say, database.write(*rows)):
            say(f"pair {pair}")
        if await timed(say, database.amend("revisions", {"name": "sum"}, raised)):
            say("sum 1")
        wanted = f"wanted-{int(time.time() * 20)}"
        if await timed(say, database.write(Insert("revisions", {"name": wanted, "value": 0}))):
            say(f"won {wanted}")
        if await database.count("revisions", {"name": PAIRS}) % 2:
            say("half 1")
        await asyncio.sleep(chance.random() * 0.01)


async def store(url: str, name: str, say: Callable[[str], None]) -> None:
    """A counter raised by swaps, and marks that only one may set."""
    from datetime import timedelta

    from gateway.edges.stores import open_store
    from gateway.edges.system import SystemAmbient

    day, opened = timedelta(days=1), open_store(url, SystemAmbient())
    await opened.start()
    chance = random.Random(name)
    while True:
        (before,) = await opened.read("sum")
        if await timed(say, opened.swap("sum", before, b"%d" % (int(before or b"0") + 1), day)):
            say("sum 1")
        wanted = f"wanted-{int(time.time() * 20)}"
        if await timed(say, opened.swap(wanted, None, name.encode(), day)):
            say(f"won {wanted}")
        await asyncio.sleep(chance.random() * 0.005)


async def timed(say: Callable[[str], None], call: object) -> bool:
    """Whether it was acknowledged; what took long is said."""
    began = time.monotonic()
    try:
        done = await call  # type: ignore[misc]
    except Taken:
        return False
    except (RecordsUnavailable, StoreUnavailable):
        say("unavailable 1")
        return False
    finally:
        say(f"took {time.monotonic() - began:.3f}")
    return done is not False


def main(what: str, url: str, folder: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        os.setsid()
        name = line.strip()
        file = os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

        def say(sentence: str, file: int = file) -> None:
            os.write(file, f"{sentence}\n".encode())

        asyncio.run({"records": records, "store": store}[what](url, name, say))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
