"""``demo``: a whole world on this machine, in one command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.commands.shared import BAD_CONFIGURATION, FAILED


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(".demo"), show_default=True,
              help="Where the demo keeps its state; a second demo there keeps its accounts.")  # fmt: skip
@click.option(
    "--port-base", type=click.IntRange(1024, 65525), default=8443, show_default=True, help="First of ten ports."
)
@click.option("--backend", help="Put the gateway in front of your own application instead of the sample one.")
def demo(folder: Path, port_base: int, backend: str | None) -> None:
    """Gateway, sample backend, Pro Santé Connect, cards, mailbox, directory and console; loopback only.

    \b
    Examples:
      vt-gateway demo
      vt-gateway demo --backend http://127.0.0.1:3000
      vt-gateway demo --dir /tmp/vt --port-base 9443
    """
    from gateway.commands.serve import run_loop
    from gateway.demo.world import DemoError, run
    from gateway.edges import logs
    from gateway.settings import SettingsError

    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "gateway.log").open("a", encoding="utf-8")
    logs.configure("info", log)
    try:
        run_loop(run(folder.resolve(), port_base, backend, click.echo))
    except DemoError as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    except SettingsError as error:  # the environment speaks for the demo too
        click.echo("\n".join(error.faults), err=True)
        sys.exit(BAD_CONFIGURATION)
    finally:
        log.close()
