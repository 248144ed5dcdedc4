"""Figures to JSON, to a Markdown table on stdout, and into docs/performance.md between two marks."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.load import Numbers
from bench.scenarios import Scenario

_BEGIN, _END = "<!-- figures: written by python -m bench --write -->", "<!-- end of figures -->"
_PAGE = Path("docs/performance.md")


def write(
    found: Mapping[str, dict[str, Numbers]],
    scenarios: Mapping[str, Scenario],
    absent: list[str],
    start: float,
    path: Path,
    *,
    tables: bool,
) -> None:
    data = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "start_seconds": round(start, 3),
        "absent": absent, "scenarios": found,
    }  # fmt: skip
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    text = markdown(found, scenarios, absent, start)
    print(text)
    if tables:
        page = _PAGE.read_text()
        before, _, rest = page.partition(_BEGIN)
        _, _, after = rest.partition(_END)
        _PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{after}")


def markdown(
    found: Mapping[str, dict[str, Numbers]], scenarios: Mapping[str, Scenario], absent: list[str], start: float
) -> str:
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on: {machine()}. From the start of `serve` to its first answer: {start:.2f} s."
    ]
    if absent:
        lines.append(f"Not installed, left out: {', '.join(absent)}.")
    lines += [
        "",
        "| Scenario | Program | Result | to the first | CPU each (µs) | p50 (ms) | p99 (ms) | RSS (MiB) | grown (MiB) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key, by in found.items():
        scenario = scenarios.get(key)
        first = next(iter(by.values()))
        text, unit = (scenario.text, scenario.unit) if scenario else ("1 KiB GET, all cores", "requests/s")
        for peer, one in by.items():
            rate = f"{one['rate']:,.0f}" if one["rate"] >= 100 else f"{one['rate']:.1f}"
            cells = [_cell(one, name) for name in ("cpu", "p50", "p99", "rss", "grown")]
            lines.append(f"| {text} | {peer} | {rate} {unit} | {_ratio(one, first)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ratio(one: Numbers, first: Numbers) -> str:
    """To the first program; nothing where a ratio says nothing (a connection that costs no memory at all)."""
    return f"{one['rate'] / first['rate']:.2f}" if first["rate"] >= 0.1 else ""


def _cell(one: Numbers, name: str) -> str:
    return "" if name not in one else f"{one[name]:.1f}" if one[name] >= 10 else f"{one[name]:.2f}"


def machine() -> str:
    """What the figures were made on."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    versions = [f"Python {platform.python_version()}"]
    for line in (["nginx", "-v"], ["haproxy", "-v"], ["apache2", "-v"], ["openssl", "version"]):
        try:
            done = subprocess.run(line, capture_output=True, text=True)
        except FileNotFoundError:
            continue
        number = re.search(r"(\d+\.\d+[.\w]*)", done.stdout + done.stderr)
        versions.append(f"{line[0]} {number[1]}" if number else line[0])
    cpu = model[1].strip() if model else platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, {', '.join(versions)}"
