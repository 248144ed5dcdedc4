"""``serve`` and ``migrate``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from gateway.commands.shared import NOT_READY, config_option, settings_of


@click.command()
@config_option
def serve(config: Path) -> None:
    """Run the gateway until SIGTERM, then let requests in flight end and exit 0.

    \b
    Example:
      vt-gateway serve --config /etc/vt-gateway/gateway.toml
    """
    from gateway.app import Gateway
    from gateway.deployment import StartError
    from gateway.edges import logs
    from gateway.edges.memory import settle
    from gateway.edges.system import SystemAmbient

    settings = settings_of(config)
    logs.configure(settings.log.level)

    async def run() -> None:
        gateway = Gateway(settings, ambient=SystemAmbient())
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
        await stop.wait()
        ending = asyncio.create_task(gateway.stop(), name="drain")
        hurry = asyncio.create_task(again.wait(), name="second signal")
        await asyncio.wait({ending, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            sys.exit(0)  # a second signal: end at once
        hurry.cancel()

    run_loop(run())


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
