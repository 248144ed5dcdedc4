"""What deploy/ and docs/operations.md say is there: numbers, reasons, files, alerts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.reasons import Reason
from tests.deploy.running import DEPLOY

ROOT = DEPLOY.parent
OPERATIONS = ROOT / "docs" / "operations.md"
ALERTS = DEPLOY / "monitoring" / "alerts.yaml"
PAGES = [OPERATIONS, *sorted(DEPLOY.rglob("*.md"))]
NUMBER = re.compile(r"\bvtgw_[a-z_]+[a-z]\b")


def known() -> set[str]:
    """Every number the gateway and its supervisor tell."""
    text = "".join((ROOT / "gateway" / name).read_text() for name in ("ops.py", "edges/scrape.py"))
    names = set(re.findall(r'"(vtgw_[a-z_]+)"', text))
    return names | {f"{name}_total" for name in names}


def test_alerts_ask_for_numbers_and_reasons_that_are_told() -> None:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)
    for rule in rules:
        asked = set(NUMBER.findall(rule["expr"]))
        assert asked <= known(), asked - known()
        for reason in re.findall(r'reason="([^"]+)"', rule["expr"]):
            assert reason in {one.value for one in Reason}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
    for name in re.findall(r"\bVtGateway\w+", OPERATIONS.read_text()):
        assert name in names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_what_exists(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link
    for name in NUMBER.findall(text):
        assert name in known(), name
