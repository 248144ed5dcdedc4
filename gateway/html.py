"""Templates to text, escaping on; nothing else. A name a template needs and does not get is an error, never a blank."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_ENVIRONMENT = Environment(
    loader=PackageLoader("gateway", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **facts: Any) -> str:
    """The page of this template (name without suffix)."""
    return _ENVIRONMENT.get_template(f"{template}.html.j2").render(**facts)


@lru_cache
def static(name: str) -> tuple[bytes, str]:
    """A static file of the package and its version (a hash of its bytes); raises ``FileNotFoundError``."""
    data = files("gateway").joinpath("static", name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]
