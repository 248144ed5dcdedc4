"""One demo world and one Chromium for all stories told in a browser; everybody in them is new."""

from __future__ import annotations

import contextlib
import inspect
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing

import pytest
import pytest_asyncio

from tests.browser import Person, Way
from tests.stories.conftest import running
from tests.visitor import Demo
from tests.workstation import Chromium, chromium_of

Meet = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives in one loop, so every story runs in it."""
    for item in items:
        story = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
        if story and "tests/chromium/" in item.nodeid:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(world: Demo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    async with chromium_of(world, tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
def demo(world: Demo) -> Demo:
    """The world an hour later, its messages cleared: no story feels the brakes of the one before."""
    world.forget()
    world.advance(3600)
    return world


@pytest_asyncio.fixture(loop_scope="session")
async def meet(chromium: Chromium, demo: Demo) -> AsyncIterator[Meet]:
    """``await meet()``: somebody new, with an empty reader. At the end none of their pages may have misbehaved."""
    people: list[Person] = []
    async with AsyncExitStack() as stack:

        async def someone(way: Way = Way.MOUSE, **options: object) -> Person:
            person = await stack.enter_async_context(chromium.person(way, **options))
            people.append(person)
            return person

        yield someone
        chromium.reader.remove()
    assert [fault for person in people for fault in person.faults] == []


def forget_account(demo: Demo, key: str) -> None:
    """Nobody has ever heard of this person: the first connection can be told again."""
    national_id = demo.person(key)["idnat_ps"]
    with closing(sqlite3.connect(demo.folder / "state" / "records.db", timeout=10)) as records, records:
        found = records.execute("SELECT id FROM accounts WHERE national_id = ?", (national_id,)).fetchall()
        tables = [name for (name,) in records.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for (account,) in found:
            for table in tables:
                with contextlib.suppress(sqlite3.OperationalError):  # most tables do not speak of accounts
                    records.execute(f"DELETE FROM {table} WHERE account_id = ?", (account,))  # noqa: S608
            records.execute("DELETE FROM accounts WHERE id = ?", (account,))
