"""``vt-gateway``: the command line. The only place that configures logging and decides exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 75 dependency not ready, 78 configuration error. Results on stdout, logs (JSON
lines) on stderr.
"""

from __future__ import annotations

import sys

import click

from gateway import __version__
from gateway.commands.assertion import assertion
from gateway.commands.audit import audit
from gateway.commands.backup import backup
from gateway.commands.card import card
from gateway.commands.check import check
from gateway.commands.delegation import delegation
from gateway.commands.demo import demo
from gateway.commands.directory import directory
from gateway.commands.epoch import epoch
from gateway.commands.explain import explain
from gateway.commands.scope import scope
from gateway.commands.serve import migrate, serve
from gateway.commands.token import token
from gateway.commands.user import user
from gateway.commands.user_import import import_accounts


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vt-gateway")
def cli() -> None:
    """The identity gateway in front of ViaTrajectoire.

    \b
    Examples:
      vt-gateway demo                                a whole world on this machine
      vt-gateway check --config gateway.toml         is this configuration right?
      vt-gateway serve --config gateway.toml         run until SIGTERM
    """


for one in (serve, demo, check, migrate, user, scope, token, audit, delegation, explain, card, assertion, directory):
    cli.add_command(one)
for one in (epoch, backup):
    cli.add_command(one)
user.add_command(import_accounts)


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="vt-gateway")


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value]
