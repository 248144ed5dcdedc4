"""Writes vectors.json: assertions that a backend must believe, and must refuse, as of one fixed instant.

    python examples/backends/make_vectors.py

The keys come from a seed that stands here for everybody to read, so the file is the same at every run.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.assertion_tests import TrialKeys, document

ISSUER = "https://vt.example.fr/_gateway/assertion-tests"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SEED = b"no secret: keys for vectors that everybody may have"


def vectors() -> dict[str, Any]:
    """The document as it is committed."""
    return document(TrialKeys(SEED), issuer=ISSUER, audience="self-test", now=NOW, chance="vector")


if __name__ == "__main__":
    found = vectors()
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{path.name}: {len(found['good'])} to believe, {len(found['bad'])} to refuse")
