"""make experiments: trouble made on purpose while people are at work; what they saw of it, in figures.

\b
python -m experiments --list
python -m experiments --only store-primary-killed worker-killed --seconds 5
python -m experiments --markdown docs/experiments.md --json experiments.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from experiments import (  # noqa: F401 - they put themselves in the table
    trouble_clocks,
    trouble_fail_over,
    trouble_files,
    trouble_gateways,
    trouble_records,
    trouble_store,
)
from experiments.report import Result, markdown, said
from experiments.table import EXPERIMENTS, Experiment, Impossible, broken, carry_out
from experiments.yard import Yard, yard


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(EXPERIMENTS), help="these; else all")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a fault lasts")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--markdown", type=Path, help="the document whose table is made anew")
    parser.add_argument("--list", action="store_true", help="name the experiments and end")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    wanted = [one for name, one in EXPERIMENTS.items() if not options.only or name in options.only]
    if options.list:
        for one in wanted:
            print(f"{one.name:24} {one.done} → {one.holds}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is stopped
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name, yard(Path(name)) as made:
        for one in sorted(wanted, key=lambda one: one.on):
            results.append(_one(one, made, options.seconds))
            print(said(results[-1]), flush=True)
    results.sort(key=lambda one: list(EXPERIMENTS).index(one.name))
    if options.json:
        options.json.write_text(json.dumps([one.data() for one in results], indent=1, ensure_ascii=False) + "\n")
    if options.markdown:
        markdown(options.markdown, results, options.seconds)
    sys.exit(1 if any(one.broken for one in results) else 0)


def _one(one: Experiment, made: Yard, seconds: float) -> Result:
    """One experiment; when it ends in an error the estate it leaves is not used again."""
    began = time.monotonic()
    try:
        found = asyncio.run(carry_out(one, made.estate(one.on), seconds))
    except Impossible as error:
        return Result(one.name, None, [], str(error), 0.0)
    except Exception as error:
        made.close()
        return Result(
            one.name,
            None,
            [f"{type(error).__name__}: {error}".strip().splitlines()[-1][-300:]],
            "",
            time.monotonic() - began,
        )
    return Result(one.name, found, broken(one, found), "", time.monotonic() - began)


if __name__ == "__main__":
    main()
