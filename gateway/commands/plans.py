"""From a configuration to what its supervisor needs to know of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.commands.shared import BAD_CONFIGURATION
from gateway.commands.supervision.plan import Plan
from gateway.ending import LAST
from gateway.settings import Settings


def text_of(config: Path) -> str:
    """The file as it stands; ends with 78 when it cannot be read."""
    try:
        return config.read_text("utf-8")
    except OSError as error:
        click.echo(f"{config}: cannot be read: {error.strerror}", err=True)
    except UnicodeDecodeError as error:
        click.echo(f"{config}: is not TOML: {error}", err=True)
    sys.exit(BAD_CONFIGURATION)


def plan_of(settings: Settings, text: str) -> Plan:
    """``text``: the file these settings were read from."""
    listen = settings.listen
    named = {"public": listen.public, "plain": listen.plain, "card": listen.card, "management": listen.management}
    return Plan(
        workers=settings.gateway.workers,
        listeners={name: _address(one.address) for name, one in named.items() if one is not None},
        grace=settings.gateway.drain + LAST + 1,
        watchdog=settings.gateway.watchdog,
        level=settings.log.level,
        state_dir=str(settings.gateway.state_dir),
        text=text,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")  # not ``deployment``'s: the supervisor would wait a second for its imports
    return host.strip("[]"), int(port)
