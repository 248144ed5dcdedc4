"""Figures as drawings: SVG made on the server, put into the page itself. Pure.

* No script, no style attribute, nothing fetched: colours and strokes are classes of ``admin.css``, so that day, night,
  print and high contrast apply.
* Nothing is told by colour alone: bars carry their value, stacks have hatching and a legend, lines have dashes and
  their name at the end.
* Each drawing has a title and a description; the page puts the same figures into a table beside it (WCAG 1.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gateway.admin.words import share, whole

_WIDTH = 340  # of the drawing, in its own units: letters stay readable on a phone
_BAR, _STEP = 16, 44
_LONGEST = 40  # letters of a label


@dataclass(frozen=True, slots=True)
class Series:
    """Values in the order of the labels they are drawn over; ``None``: not known."""

    name: str
    values: Sequence[float | None]


def bars(key: str, title: str, rows: Sequence[tuple[str, int]]) -> Markup:
    """One horizontal bar for each row, its label above, its value at the end. ``key`` names it within the page."""
    most = max((value for _, value in rows), default=0)
    parts: list[Markup] = []
    for place, (label, value) in enumerate(rows):
        top = place * _STEP
        length = _length(value, most)
        parts.append(_text(0, top + 13, label))
        parts.append(_bar(0, top + 19, length, "c1"))
        parts.append(_text(length + 6, top + 32, whole(value), "v"))
    said = ", ".join(f"{label}\u00a0: {whole(value)}" for label, value in rows)
    return _drawing(key, title, said, max(1, len(rows)) * _STEP, parts)


def stacks(key: str, title: str, names: tuple[str, str], rows: Sequence[tuple[str, int, int]]) -> Markup:
    """For each row one bar of two parts, the second hatched; each bar is its whole, the share of the first is written."""
    parts: list[Markup] = [
        _bar(0, 2, 16, "c1"), _text(22, 15, names[0]),
        _bar(170, 2, 16, "c2"), _hatching(key, 170, 2, 16), _text(192, 15, names[1]),
    ]  # fmt: skip
    for place, (label, first, second) in enumerate(rows):
        top, whole_length = 30 + place * _STEP, float(_WIDTH - 1)
        length = whole_length * first / (first + second) if first + second else 0.0
        said = f"{whole(first)} sur {whole(first + second)} ({share(first, first + second)})"
        parts.append(_text(0, top + 13, label))
        parts.append(_text(_WIDTH, top + 13, said, "v end"))
        if first + second == 0:
            parts.append(_bar(0, top + 19, whole_length, "c0"))
            continue
        parts.append(_bar(0, top + 19, length, "c1"))
        parts.append(_bar(length, top + 19, whole_length - length, "c2"))
        parts.append(_hatching(key, length, top + 19, whole_length - length))
    said = "; ".join(f"{label}\u00a0: {names[0]} {whole(one)}, {names[1]} {whole(two)}" for label, one, two in rows)
    return _drawing(key, title, said, 30 + max(1, len(rows)) * _STEP, parts, hatched=True)


def lines(key: str, title: str, labels: Sequence[str], series: Sequence[Series], unit: str = "") -> Markup:
    """Up to four lines over the labels (days): each with its own dashes, named in the legend. Gaps stay gaps."""
    top, height = 24 * len(series) + 12, 130
    known = [value for one in series for value in one.values if value is not None]
    most = _ceiling(max(known, default=0.0))
    left = 8 + 8 * len(whole(int(most)) + unit)
    parts: list[Markup] = []
    for place, one in enumerate(series):
        parts.append(_line(f"l{place + 1}", [(0, 24 * place + 10), (30, 24 * place + 10)]))
        parts.append(_text(38, 24 * place + 15, one.name))
    for mark in (0.0, most / 2, most):
        y = top + height * (1 - mark / most)
        parts.append(_line("grid", [(left, y), (_WIDTH, y)]))
        parts.append(_text(left - 6, y + 4, whole(int(mark)) + unit, "v end"))
    width = _WIDTH - left - 2
    for place, one in enumerate(series):
        for run in _runs(one.values):
            points = [
                (left + width * (at / max(1, len(labels) - 1)), top + height * (1 - value / most)) for at, value in run
            ]
            parts.append(_line(f"l{place + 1}", points))
            if len(points) == 1:
                parts.append(
                    Markup('<circle class="p{}" cx="{}" cy="{}" r="3"/>').format(place + 1, *map(_n, points[0]))
                )
    if labels:
        parts.append(_text(left, top + height + 20, labels[0]))
        if len(labels) > 1:
            parts.append(_text(_WIDTH, top + height + 20, labels[-1], "end"))
    said = "; ".join(_course(one, labels, unit) for one in series)
    return _drawing(key, title, said, top + height + 28, parts)


def _course(series: Series, labels: Sequence[str], unit: str) -> str:
    """How a line goes, in words: where it begins and where it ends."""
    known = [(label, value) for label, value in zip(labels, series.values, strict=False) if value is not None]
    if not known:
        return f"{series.name}\u00a0: aucune donnée"
    (first, begins), (last, ends) = known[0], known[-1]
    return f"{series.name}\u00a0: {whole(int(begins))}{unit} le {first}, {whole(int(ends))}{unit} le {last}"


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The stretches without a gap."""
    found: list[list[tuple[int, float]]] = []
    before: float | None = None
    for at, value in enumerate(values):
        if value is not None:
            if before is None:
                found.append([])
            found[-1].append((at, value))
        before = value
    return found


def _ceiling(most: float) -> float:
    """The top of an axis: an even round number not below the greatest value."""
    step = 2.0
    while True:
        for factor in (1, 2, 5):
            if most <= step * factor:
                return step * factor
        step *= 10


def _length(value: int, most: int) -> float:
    """Of a bar, leaving room for its number; what is there is seen."""
    if most <= 0 or value <= 0:
        return 0.0
    return max(2.0, (_WIDTH - 70) * value / most)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, kind: str = "") -> Markup:
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    extra = Markup(' class="{}"').format(kind) if kind else Markup("")
    return Markup('<text x="{}" y="{}"{}>{}</text>').format(_n(x), _n(y), extra, shown)


def _bar(x: float, y: float, width: float, kind: str) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(kind, _n(x), _n(y), _n(width), _BAR)


def _hatching(key: str, x: float, y: float, width: float) -> Markup:
    return Markup('<rect fill="url(#{}-h)" x="{}" y="{}" width="{}" height="{}"/>').format(
        key, _n(x), _n(y), _n(width), _BAR
    )


def _line(kind: str, points: Sequence[tuple[float, float]]) -> Markup:
    if len(points) == 2 and kind == "grid":
        (x1, y1), (x2, y2) = points
        return Markup('<path class="grid" d="M{} {}L{} {}"/>').format(_n(x1), _n(y1), _n(x2), _n(y2))
    path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    return Markup('<path class="{}" d="{}"/>').format(kind, path)


def _drawing(
    key: str, title: str, said: str, height: float, parts: Sequence[Markup], *, hatched: bool = False
) -> Markup:
    pattern = Markup(
        '<defs><pattern id="{}-h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path class="hatch" d="M0 0V6"/></pattern></defs>'
    ).format(key)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>{}{}</svg>'
    ).format(
        _WIDTH, _n(height), key, key, key, title, key, said or "aucune donnée", pattern if hatched else "",
        Markup("").join(parts),
    )  # fmt: skip
