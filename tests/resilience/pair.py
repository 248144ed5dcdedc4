"""Two gateways in this process, A and B, whose clocks differ, on one Redis and one PostgreSQL; and who wanders between them.

They run in a loop of their own, in a thread: people of the tests are outside, as in life.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any, TypeVar

import sqlalchemy as sa

from gateway.app import Gateway
from gateway.edges.system import SystemAmbient
from gateway.settings import load
from tests.resilience.beside import LISTENERS, beside, port_of
from tests.visitor import Demo, Visitor

T = TypeVar("T")
APART = 5.0  # seconds between the two clocks


@dataclass
class Pair:
    """``gateways`` and ``ports`` by name; ``offset``: seconds that each clock is ahead of the true time."""

    demo: Demo
    loop: asyncio.AbstractEventLoop
    store: str
    records: str
    gateways: dict[str, Gateway] = field(default_factory=dict)
    ports: dict[str, dict[str, int]] = field(default_factory=dict)
    offset: dict[str, float] = field(default_factory=lambda: {"a": 0.0, "b": APART})

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        """Do this in the loop of the gateways."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def ambient(self, name: str) -> SystemAmbient:
        return SystemAmbient(lambda: timedelta(seconds=self.offset[name]))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """What the one database holds; ``:name`` stands for a value."""
        engine = sa.create_engine(self.records)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sa.text(statement), values)]
        finally:
            engine.dispose()

    async def open(self, name: str) -> None:
        config, self.ports[name] = beside(self.demo, name, store=self.store, records=self.records)
        self.gateways[name] = Gateway(load(config, {"GATEWAY_LOG__ACCESS": "false"}), ambient=self.ambient(name))
        await self.gateways[name].start()


@contextmanager
def pair_of(demo: Demo, store: str, records: str) -> Iterator[Pair]:
    """Both gateways, serving."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="two gateways")
    thread.start()
    pair = Pair(demo, loop, store, records)
    try:
        for name in ("a", "b"):
            pair.run(pair.open(name))
        yield pair
    finally:
        for gateway in pair.gateways.values():
            pair.run(gateway.stop(1))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def until(true: Callable[[], bool], seconds: float) -> None:
    """Look until it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)


def side(pair: Pair, name: str) -> Demo:
    """The same world, as somebody sees it who only ever reaches one of the two."""
    demo = Demo(pair.demo.folder)
    for listener, known in LISTENERS.items():
        place, port = demo.about[known].rsplit(":", 1)[0], pair.ports[name][listener]
        demo.about[known] = f"{place}:{port}"
    return demo


def twin(visitor: Wanderer, way: str) -> Wanderer:
    """The same browser, in another tab, whose requests go this way."""
    one = Wanderer(visitor.pair, way)
    one.cookies, one.last = dict(visitor.cookies), visitor.last
    return one


class Wanderer(Visitor):
    """A browser behind a balancer that knows no stickiness: each request lands on the next of ``way``, over and over."""

    def __init__(self, pair: Pair, way: str = "ab", card: tuple[str, str] | None = None) -> None:
        super().__init__(pair.demo, card)
        self.pair = pair
        self._places = {port_of(pair.demo, listener): listener for listener in LISTENERS}
        self.at(way)

    def at(self, way: str) -> None:
        """From now on this way."""
        self._next: Callable[[], str] = cycle(way).__next__

    def port_for(self, port: int) -> int:
        listener = self._places.get(port)
        return port if listener is None else self.pair.ports[self._next()][listener]
