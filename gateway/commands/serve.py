"""``serve`` and ``migrate``."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.shared import NOT_READY, config_option, settings_of

if TYPE_CHECKING:
    from gateway.edges.sockets import Handed
    from gateway.settings import Settings

_AT_ONCE = 2.0  # seconds for the event loop to be taken down


@click.command()
@config_option
def serve(config: Path) -> None:
    """Run the gateway until SIGTERM, then let requests in flight end and exit 0.

    With several workers (gateway.workers), SIGHUP reads the configuration again and replaces them one by one.

    \b
    Example:
      vt-gateway serve --config /etc/vt-gateway/gateway.toml
    """
    from gateway.edges import logs
    from gateway.edges.sockets import Handed

    settings = settings_of(config)
    logs.configure(settings.log.level)
    raise_file_limit()
    handed = Handed.taken()
    if handed is None and settings.gateway.workers > 1:
        sys.exit(supervise(config, settings))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a supervisor waits for signals with all of them blocked
    run_loop(work(config, settings, handed))


async def work(config: Path, settings: Settings, handed: Handed | None) -> None:
    """One worker's life."""
    from gateway.app import Gateway
    from gateway.deployment import StartError
    from gateway.edges.memory import settle
    from gateway.edges.system import SystemAmbient
    from gateway.ending import LAST

    gateway = Gateway(settings, ambient=SystemAmbient(), sockets=handed.sockets if handed else {})
    try:
        await gateway.start()
    except StartError as error:
        click.echo(f"{config}: {error}", err=True)
        sys.exit(NOT_READY)
    settle()
    stop, again = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (again if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, asked)
    if handed is not None:
        alive = handed.alive

        def orphaned() -> None:
            loop.remove_reader(alive)
            asked()

        loop.add_reader(alive, orphaned)
        handed.say_ready()
    await stop.wait()
    end_within(settings.gateway.drain + LAST)
    ending = asyncio.create_task(gateway.stop(), name="drain")
    hurry = asyncio.create_task(again.wait(), name="second signal")
    await asyncio.wait({ending, hurry}, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        end_within(_AT_ONCE)
        sys.exit(0)  # a second signal: end at once
    hurry.cancel()


def end_within(seconds: float) -> None:
    """However it is held, by a task, a thread or a call that does not return, this process ends by then: with exit code 1,
    and on stderr where each thread stood. A gateway that has closed its listeners and lives on is of use to nobody."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def supervise(config: Path, settings: Settings) -> int:
    """Several workers; the exit code."""
    from gateway.commands.supervise import Supervisor
    from gateway.deployment import address
    from gateway.settings import SettingsError, load

    listeners = {
        name: address(one.address)
        for name, one in (
            ("public", settings.listen.public),
            ("plain", settings.listen.plain),
            ("card", settings.listen.card),
            ("management", settings.listen.management),
        )
        if one is not None
    }

    def reread() -> list[str]:
        try:
            load(config, os.environ)
        except SettingsError as error:
            return list(error.faults)
        return []

    return Supervisor(config, settings.gateway.workers, listeners, settings.gateway.drain).run(reread)


def raise_file_limit() -> None:
    """A connection costs one file at the client's side and often one at the backend's: all that the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_loop(work: object) -> None:
    """On uvloop where it is installed."""
    from collections.abc import Coroutine
    from typing import Any, cast

    try:
        import uvloop
    except ImportError:
        asyncio.run(cast(Coroutine[Any, Any, None], work))
    else:
        uvloop.run(cast(Coroutine[Any, Any, None], work))


@click.command()
@config_option
def migrate(config: Path) -> None:
    """Bring the database to the schema of this version. Safe to run twice, and by several at once."""
    from gateway.edges.database import Database
    from gateway.reasons import RecordsUnavailable

    settings = settings_of(config)

    async def run() -> None:
        database = Database(settings.records.url or f"sqlite:///{settings.gateway.state_dir / 'records.db'}")
        try:
            await database.migrate()
        except RecordsUnavailable as error:
            click.echo(f"records.url: {error}", err=True)
            sys.exit(NOT_READY)
        finally:
            await database.close()

    asyncio.run(run())
    click.echo("The database is current.")
