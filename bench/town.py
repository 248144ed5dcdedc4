"""A place to simulate in: gateways on a store and records as ``experiments.estate`` makes them, with many people, their
cards, an application that says who asked, and Pro Santé Connect."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.beyond import REALM
from bench.people import Person, populate, write_cards
from bench.process import Program, free_port, spent, tree, wait_for
from experiments.estate import Estate, estate
from tests.stories.conftest import running

CARDS = 24  # people with a card; making one takes a tenth of a second


@dataclass
class Town:
    """``base``: where people come in, in clear. ``card_bases``: the card listeners of the gateways."""

    estate: Estate
    base: str
    card_bases: list[str]
    psc: str
    people: list[Person]
    cards: int  # so many of them, the first, have one

    def card(self, person: Person) -> ssl.SSLContext:
        """The TLS of a browser with this person's card in its reader."""
        world = self.estate.demo.folder
        context = ssl.create_default_context(cafile=str(world / "ca.pem"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(world / f"cards/{person.card}.pem", world / f"cards/{person.card}.key")
        return context

    def trust(self) -> ssl.SSLContext:
        """The TLS of a browser without a card."""
        return ssl.create_default_context(cafile=str(self.estate.demo.folder / "ca.pem"))

    def cpu(self) -> float:
        """Seconds of CPU of all gateways so far, supervisors included."""
        return sum(spent(tree(one.process.pid)) for one in self.estate.gateways if one.process is not None)

    def rss(self) -> list[int]:
        """Resident bytes of each worker."""
        return [resident(pid) for one in self.estate.gateways for pid in one.workers()]


def resident(pid: int) -> int:
    """Bytes of this process that are its own and in memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def town(
    folder: Path,
    *,
    gateways: int = 1,
    workers: int = 1,
    store: str = "redis",
    records: str = "postgres",
    front: bool = False,
    people: int = 400,
    cards: int = CARDS,
) -> Iterator[Town]:
    """Everything started, and stopped at the end. ``store`` and ``records`` as ``experiments.estate`` takes them."""
    world = folder / "world"
    world.mkdir(parents=True)
    write_cards(world, cards)
    with running(world) as demo:
        application, psc = free_port(), free_port()
        own = demo.about["psc"].rsplit(":", 1)[1]
        config = world / "gateway.toml"
        text = config.read_text().replace(f"https://localhost:{own}{REALM}", f"https://localhost:{psc}{REALM}")
        config.write_text(text.replace(f'url = "{demo.about["backend"]}"', f'url = "http://127.0.0.1:{application}"'))
        redirect = f"{demo.about['gateway']}/_gateway/sign-in/psc/callback"
        line = [sys.executable, "-m", "bench.beyond", str(world), str(application), str(psc), str(people), redirect]
        with (folder / "beyond.log").open("wb") as log:
            beyond = Program(line, None, log)
            try:
                wait_for(application, beyond)
                wait_for(psc, beyond)
                with estate(
                    folder / "estate",
                    gateways=gateways,
                    workers=workers,
                    store=store,
                    records=records,
                    front=front,
                    demo=demo,
                ) as made:
                    asyncio.run(populate(made.records_url, config, people))
                    listeners = [_card_base(one.config) for one in made.gateways]
                    known = [Person(number) for number in range(people)]
                    yield Town(made, made.front, listeners, f"https://localhost:{psc}", known, cards)
            finally:
                beyond.stop()


def _card_base(config: Path) -> str:
    return "https://" + str(tomllib.loads(config.read_text())["listen"]["card"]["address"])
