"""What several subcommands need: the configuration, or a clear end with exit code 78."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gateway.settings import Settings

FAILED, NOT_READY, BAD_CONFIGURATION = 1, 75, 78

_F = TypeVar("_F", bound=Callable[..., Any])
config_option: Callable[[_F], _F] = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GATEWAY_CONFIG",
    required=True,
    help="The configuration file (TOML); also GATEWAY_CONFIG.",
)


def settings_of(path: Path, text: str | None = None) -> Settings:
    """The settings of this file, or of ``text`` that stood in it; prints every fault and ends with 78 when they cannot be
    used."""
    from gateway.settings import SettingsError, load

    try:
        return load(path, os.environ, text)
    except SettingsError as error:
        for fault in error.faults:
            click.echo(fault, err=True)
        sys.exit(BAD_CONFIGURATION)
