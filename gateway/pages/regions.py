"""Regions: who helps, where links lead, which colours and logo. Pure values; pages show them.

* The region of somebody signed in is that of their establishment: the nearest scope above theirs that a region names.
  Otherwise the one chosen on the help page (a cookie), otherwise the deployment's, otherwise nobody's in particular.
* A region changes looks and contacts, never a rule of access.
* What a deployment gives is looked at before it is served: colours that leave text hard to read are refused (WCAG
  1.4.3), and so is a picture that is large, not what its name says, or able to run or fetch something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from zoneinfo import ZoneInfo

LARGEST_LOGO = 50_000  # bytes: a first visit stays light (R153)
_LEAST_CONTRAST = 4.5
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
# Ours, as static/style.css sets them (a test compares): what a theme does not set stays so.
LIGHT = {"accent": "#0e5a6b", "accent-ink": "#ffffff", "accent-soft": "#e3f0f2", "ground": "#f5f8f8",
         "paper": "#ffffff", "ink": "#14242b", "soft": "#4c5d66"}  # fmt: skip
DARK = {"accent": "#7fcbd9", "accent-ink": "#06222a", "accent-soft": "#14313a", "ground": "#0e1518",
        "paper": "#172126", "ink": "#e8eff1", "soft": "#aebdc4"}  # fmt: skip
_READ_ON = (("accent-ink", "accent"), ("accent", "paper"), ("accent", "ground"), ("accent", "accent-soft"),
            ("ink", "accent-soft"), ("ink", "ground"), ("soft", "ground"))  # fmt: skip
_SETTABLE = ("accent", "accent-ink", "accent-soft", "ground")
# What makes a drawing more than a drawing.
_LIVELY = re.compile(
    rb"<!(?:DOCTYPE|ENTITY)|<\?xml-stylesheet|<(?:[\w.-]+:)?(?:script|foreignObject|iframe|animate\w*|set)\b|\son\w+\s*="
    rb"|javascript:|href\s*=\s*[\"']?\s*(?!#|data:image/)[^\"'\s>]|url\(\s*[\"']?\s*(?!#)[^\"'\s]|@import",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Contact:
    """A team that helps: ``url`` is https:, mailto: or tel:."""

    label: str
    url: str
    topics: tuple[str, ...] = ()
    hours: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where help links lead: https addresses."""

    procedure: str
    faq: str
    card_help: str
    card_diagnostic: str
    card_support: str
    tops: str
    ecps_help: str
    ecps_wallet: str
    monsisra_support: str
    accessibility: str | None = None


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that ``logo_of`` has looked at."""

    data: bytes
    kind: str  # a media type


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """``id`` is '' for nobody's in particular. ``theme`` is a style sheet (``theme_of``), '' for our own colours."""

    links: Links
    zone: ZoneInfo
    id: str = ""
    name: str = ""
    scope: str = ""
    logo: Logo | None = None
    theme: str = ""
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Regions:
    """All of a deployment's. ``neutral`` is what applies without a region; regions without contacts have its contacts.
    ``default`` is the id of the region of people whose region is not known. Raises ``ValueError`` for an id that is
    there twice, or a default that is not there."""

    prefix: str
    neutral: Region
    choices: tuple[Region, ...] = ()
    default: str = ""
    _by_id: Mapping[str, Region] = field(init=False, repr=False)
    _by_scope: Mapping[str, Region] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        whole = tuple(one if one.contacts else replace(one, contacts=self.neutral.contacts) for one in self.choices)
        by_id = {one.id: one for one in whole}
        if len(by_id) < len(whole) or "" in by_id:
            raise ValueError("regions.id: each region has one of its own")
        if self.default and self.default not in by_id:
            raise ValueError(f"ui.region: there is no region {self.default}")
        object.__setattr__(self, "choices", whole)
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "_by_scope", {one.scope: one for one in whole if one.scope})

    def by_id(self, region_id: str) -> Region | None:
        return self._by_id.get(region_id)

    def of(self, cookie: str | None, scopes: Sequence[str], chain: Callable[[str], Sequence[str]]) -> Region:
        """The region of a visit. ``scopes``: of the person signed in, empty for nobody; ``chain``: the ids of a scope and
        those above it, nearest first. Of several scopes the first that has a region decides."""
        if self._by_scope:
            for scope in scopes:
                for above in (scope, *chain(scope)):
                    if (found := self._by_scope.get(above)) is not None:
                        return found
        return self._by_id.get(cookie or "") or self._by_id.get(self.default) or self.neutral

    def shown(self, region: Region) -> SimpleNamespace:
        """What templates show of it: ``id``, ``name``, and the addresses ``logo`` and ``theme`` ('' if it has none)."""

        def address(path: str, content: bytes) -> str:
            return f"{self.prefix}/{path}?v={hashlib.sha256(content).hexdigest()[:12]}" if content else ""

        return SimpleNamespace(
            id=region.id,
            name=region.name,
            logo=address(f"region-logo/{region.id}", region.logo.data if region.logo else b""),
            theme=address(f"theme/{region.id}.css", region.theme.encode()),
        )


def logo_of(data: bytes) -> Logo:
    """The picture, once it is known to be a still PNG or SVG of reasonable size; raises ``ValueError``."""
    if len(data) > LARGEST_LOGO:
        raise ValueError(f"the picture has {len(data)} bytes; at most {LARGEST_LOGO}")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Logo(data, "image/png")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the picture is neither PNG nor SVG in UTF-8") from None
    if not re.search(
        rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg[\s>]", data.removeprefix(b"\xef\xbb\xbf"), re.DOTALL
    ):
        raise ValueError("the picture is neither PNG nor SVG in UTF-8")
    if found := _LIVELY.search(data):
        raise ValueError(f"the picture must be a still drawing, without {found[0].decode().strip()}…")
    return Logo(data, "image/svg+xml")


def theme_of(colours: Mapping[str, str | None]) -> str:
    """The style sheet of these colours (``accent``, ``accent_ink``, ``accent_soft``, ``ground``, and the same with
    ``dark_``; #rrggbb), '' if none is set. Raises ``ValueError`` if one is no colour or would leave text hard to read."""
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for name, value in colours.items():
        if value is None:
            continue
        where, key = (dark, name[5:]) if name.startswith("dark_") else (light, name)
        key = key.replace("_", "-")
        if key not in _SETTABLE or not _HEX.fullmatch(value):
            raise ValueError(f"colours.{name}: a colour is written #rrggbb")
        where[key] = value.lower()
    parts = []
    for scheme, ours, theirs in (("light", LIGHT, light), ("dark", DARK, dark)):
        palette = {**ours, **theirs}
        for text, behind in _READ_ON:
            if not {text, behind} & theirs.keys():
                continue
            if (seen := contrast(palette[text], palette[behind])) < _LEAST_CONTRAST:
                raise ValueError(
                    f"colours ({scheme}): {text} {palette[text]} on {behind} {palette[behind]} has a contrast of "
                    f"{seen:.2f}; text needs {_LEAST_CONTRAST}"
                )
        if theirs:
            body = "".join(f"--{key}:{value};" for key, value in theirs.items())
            parts.append(f"@media screen and (prefers-color-scheme:{scheme}){{:root{{{body}}}}}\n")
    return "".join(parts)


def contrast(one: str, other: str) -> float:
    """How far apart two colours (#rrggbb) are, 1 to 21 (WCAG 2.1, contrast ratio)."""
    first, second = sorted((_luminance(one), _luminance(other)))
    return (second + 0.05) / (first + 0.05)


def _luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(colour[1:3]) + 0.7152 * linear(colour[3:5]) + 0.0722 * linear(colour[5:7])
