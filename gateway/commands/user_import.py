"""``user import``: accounts exported from ViaTrajectoire (R102)."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.commands.importing import DRY_RUN, FILE, REPORT, run_import
from gateway.commands.options import json_option
from gateway.commands.shared import config_option


@click.command("import")
@config_option
@json_option
@DRY_RUN
@REPORT
@FILE
def import_accounts(config: Path, as_json: bool, dry_run: bool, report: Path | None, source: Path) -> None:
    """Take accounts exported from ViaTrajectoire, with hashes of known schemes. The same file twice changes nothing more.

    \b
    Examples:
      vt-gateway user import --config gateway.toml accounts.csv --dry-run --report report.csv
      vt-gateway user import --config gateway.toml accounts.csv --json
    """
    run_import(config, "accounts", source, {}, dry_run=dry_run, report=report, as_json=as_json)
