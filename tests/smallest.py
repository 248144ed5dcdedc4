"""The smallest configuration that makes a gateway, as text: what tests of settings and commands begin with."""

from __future__ import annotations

SMALLEST = """
[gateway]
public_url = "https://vt.test"
state_dir = "state"
[listen.public]
address = "127.0.0.1:0"
[backends.vt]
url = "http://127.0.0.1:1"
audience = "vt"
[[routes]]
path = "/"
class = "protected"
backend = "vt"
[smtp]
host = "127.0.0.1"
security = "none"
from = "a@b.test"
"""
