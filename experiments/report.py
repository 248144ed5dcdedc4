"""What the experiments showed, as lines, as data, and as the table of docs/experiments.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.table import EXPERIMENTS
from experiments.watch import Figures

_BEGIN, _END = "<!-- table: made by python -m experiments -->", "<!-- end of the table -->"
_HEAD = (
    "| Experiment | Requests | Failed | Longest refusal, s | To recover, s | Sign-ins tried / done / lost "
    "| Signed out wrongly | What was seen |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Result:
    """One experiment's outcome. ``figures`` ``None``: it was not made (``skipped`` says why), or it broke off."""

    name: str
    figures: Figures | None
    broken: list[str]
    skipped: str
    took: float

    def data(self) -> dict[str, Any]:
        return asdict(self)


def seen(one: Result) -> str:
    """In words: what did not hold, and what else is worth knowing."""
    found = one.figures
    if found is None:
        return f"not made: {one.skipped}" if one.skipped else f"**broke off: {'; '.join(one.broken)}**"
    parts = [f"**{fault}**" for fault in one.broken]
    parts.append(f"{found.sign_outs} sign-outs stayed out" if not found.sign_outs_revived else "")
    parts.append(f"{found.codes_tried_again} used codes opened nothing" if not found.codes_twice else "")
    parts.append(f"99 % within {found.p99:.2f} s")
    parts += found.said
    return "; ".join(part for part in parts if part)


def row(one: Result) -> str:
    found = one.figures
    if found is None:
        return f"| {one.name} | – | – | – | – | – | – | {seen(one)} |"
    failed = ", ".join(f"{count} × {status}" for status, count in found.failed.items()) or "0"
    return (
        f"| {one.name} | {found.requests} | {failed} | {found.longest_refusal:.1f} | {found.to_recover:.1f} "
        f"| {found.sign_ins_tried} / {found.sign_ins_done} / {found.sign_ins_lost} | {found.signed_out_wrongly} "
        f"| {seen(one)} |"
    )


def said(one: Result) -> str:
    """One line for who looks on."""
    state = "holds" if not one.broken and one.figures else "SKIPPED" if one.skipped else "BROKEN"
    return f"{state:8} {one.took:5.1f} s {row(one)}"


def markdown(path: Path, results: Sequence[Result], seconds: float) -> None:
    """Make the table of this document anew; the text around it stays."""
    made = [
        _BEGIN,
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores for everything: gateways, stores, databases, balancer, the people "
        f"and the demo; Python {platform.python_version()}; each fault lasts {seconds:g} s unless it says otherwise.",
        "",
        _HEAD,
        *(row(one) for one in results),
        "",
        "| Experiment | What is done | What must hold |\n|---|---|---|",
        *(f"| {one.name} | {EXPERIMENTS[one.name].done} | {EXPERIMENTS[one.name].holds} |" for one in results),
        _END,
    ]
    text = path.read_text() if path.exists() else f"{_BEGIN}\n{_END}\n"
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    path.write_text(pattern.sub(lambda _: "\n".join(made), text))
