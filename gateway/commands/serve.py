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

from gateway.commands.shared import BAD_CONFIGURATION, NOT_READY, config_option, settings_of

if TYPE_CHECKING:
    from gateway.edges.sockets import Handed
    from gateway.settings import Settings

_AT_ONCE = 2.0  # seconds for the event loop to be taken down


@click.command()
@config_option
def serve(config: Path) -> None:
    """Run the gateway until SIGTERM, then let requests in flight end and exit 0.

    SIGHUP reads the configuration again and replaces the workers one by one, without losing a request; a file with faults
    changes nothing. SIGUSR2 does so with a new version of the program too.

    \b
    Example:
      vt-gateway serve --config /etc/vt-gateway/gateway.toml
    """
    from gateway.edges.sockets import Handed

    handed = Handed.taken()
    if handed is None:
        supervise(config)
    else:
        work_as(config, handed)


def supervise(config: Path) -> None:
    """Become the supervisor: a program of its own, so that it weighs little. Ends with 78 for a bad configuration."""
    from gateway.commands.plans import plan_of, text_of
    from gateway.commands.supervision.loop import SIGNALS
    from gateway.commands.supervision.succession import State, become

    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes before the supervisor can hear it waits for it
    text = text_of(config)
    become(State(str(config), plan_of(settings_of(config, text), text)))


def work_as(config: Path, handed: Handed) -> None:
    """One worker's life, in the process that a supervisor started."""
    from gateway.edges import logs
    from gateway.settings import SettingsError, load

    faulthandler.register(signal.SIGQUIT, all_threads=True)  # where does it hang?
    try:
        settings = load(config, os.environ, handed.text)
    except SettingsError as error:
        for fault in error.faults:
            click.echo(fault, err=True)
        sys.exit(BAD_CONFIGURATION)
    logs.configure(settings.log.level)
    raise_file_limit()
    run_loop(work(config, settings, handed))


async def work(config: Path, settings: Settings, handed: Handed) -> None:
    """Serve until the supervisor says otherwise, or is gone."""
    from gateway.commands.patience import patiently
    from gateway.commands.supervision.processes import REPLACED
    from gateway.deployment import StartError
    from gateway.edges.memory import settle
    from gateway.edges.pulse import Pulse
    from gateway.ending import LAST

    stop, replaced, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def leave() -> None:
        replaced.set()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(REPLACED, leave)
    loop.add_signal_handler(signal.SIGUSR1, again.set)  # at once
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):  # sent to all of us: the supervisor decides
        signal.signal(name, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def orphaned() -> None:
        loop.remove_reader(handed.alive)
        stop.set()

    loop.add_reader(handed.alive, orphaned)
    pulse = Pulse(handed.say_alive)
    pulse.start()
    try:
        gateway = await patiently(settings, handed, pulse, stop)
    except StartError as error:
        click.echo(f"{config}: {error}", err=True)
        sys.exit(NOT_READY)
    if gateway is None:
        return
    settle()
    handed.say_ready()
    await stop.wait()
    end_within(settings.gateway.drain + LAST)
    ending = asyncio.create_task(gateway.stop(replaced=replaced.is_set()), name="drain")
    hurry = asyncio.create_task(again.wait(), name="second signal")
    await asyncio.wait({ending, hurry}, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        end_within(_AT_ONCE)
        sys.exit(0)  # a second signal: end at once
    hurry.cancel()
    pulse.stop()


def end_within(seconds: float) -> None:
    """However it is held, by a task, a thread or a call that does not return, this process ends by then: with exit code 1,
    and on stderr where each thread stood. A gateway that has closed its listeners and lives on is of use to nobody."""
    faulthandler.dump_traceback_later(seconds, exit=True)


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

    try:
        asyncio.run(run())
    except OSError as error:  # its folder cannot be made, or the file not be opened
        click.echo(f"records.url: {error.filename}: {error.strerror}", err=True)
        sys.exit(NOT_READY)
    click.echo("The database is current.")
