"""The dashboard: adoption, sign-ins by means, scopes by state, codes, failures, readiness (R94).

Each drawing stands beside the same figures as a table; drawings come from ``charts`` and need no script.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from types import SimpleNamespace

from aiohttp import web
from markupsafe import Markup

from gateway.admin import charts
from gateway.admin.frame import Room
from gateway.admin.words import CATEGORIES, count, reason_said, share, whole
from gateway.administration.actor import Actor
from gateway.administration.dashboard import Figures
from gateway.identity import Method
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.pages.words import MEANS
from gateway.policy.legal import CHANNEL_NAMES

_PERIODS = (30, 90, 366)
_MOST = 8  # bars of one drawing; the table has them all
_LEVELS = (
    ("substantial", "carte ou e-CPS"),
    ("transition", "mot de passe et code"),
    ("password", "mot de passe seul"),
)
_KINDS = {"etablissement": "Établissements", "service": "Services"}
Table = Sequence[Sequence[str]]


class DashboardPage(Room):
    """GET admin, for all one sees or for one scope and what lies below it."""

    section = "dashboard"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "", self.show), ("GET", "/", self.show)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        asked = visit.request.query
        days = int(asked.get("days", "")) if asked.get("days", "") in {str(one) for one in _PERIODS} else 90
        scope = self.offices.scopes.see(actor, asked["scope"]) if asked.get("scope") else None
        figures = await self.offices.dashboard.figures(actor, visit.now, days, scope.id if scope else "")
        establishments = figures.scopes.get("etablissement", {})
        strong, weak = establishments.get("strong", 0), establishments.get("password_only", 0)
        sign_ins = sum(sum(series) for series in figures.sign_ins.values())
        return self.page(
            visit,
            actor,
            "dashboard",
            f"Tableau de bord\u00a0: {scope.name}" if scope else "Tableau de bord",
            crumbs=[("Tableau de bord", self.url())] if scope else (),
            scope=scope,
            days=days,
            periods=[
                (one, f"{one} jours" if one < 366 else "1 an", self.url(days=str(one), scope=scope.id if scope else ""))
                for one in _PERIODS
            ],
            tiles=[
                ("Établissements en authentification forte", f"{whole(strong)} sur {whole(strong + weak)}"),
                ("Personnes prêtes", f"{share(figures.ready, figures.people)} de {whole(figures.people)}"),
                ("Comptes en sommeil", whole(figures.counts.get("dormant", 0))),
                ("Adresses communes", whole(figures.counts.get("shared_mail", 0))),
                (f"Connexions en {days} jours", whole(sign_ins)),
            ],
            drawings=[one for one in _drawings(figures) if one is not None],
            readiness=[
                (label, whole(figures.counts.get(name, 0)), name, figures.counts.get(name, 0) > 0)
                for name, label in CATEGORIES.items()
            ],
            readiness_drawing=charts.bars(
                "ready", "Ce qui peut gêner une connexion avec un code",
                [(label, figures.counts.get(name, 0)) for name, label in CATEGORIES.items()],
            ),
            people=count(figures.people, "personne"),
            regions=[
                (
                    one.id, one.name, f"{whole(one.strong)} sur {whole(one.strong + one.password_only)}",
                    whole(one.sign_ins), share(one.substantial, one.sign_ins),
                    share(one.codes_sent, one.codes_sent + one.codes_not_sent), whole(one.refused),
                    share(one.ready or 0, one.people or 0) if one.people is not None else "–",
                )
                for one in figures.regions
            ],
        )  # fmt: skip


def _drawings(figures: Figures) -> Sequence[SimpleNamespace | None]:
    return [_adoption(figures), _switched(figures), _by_means(figures), _states(figures), _delivery(figures),
            _failures(figures)]  # fmt: skip


def _panel(key: str, title: str, drawing: Markup, head: Sequence[str], rows: Table, note: str = "") -> SimpleNamespace:
    return SimpleNamespace(key=key, title=title, drawing=drawing, head=head, rows=rows, note=note)


def _nothing(key: str, title: str) -> SimpleNamespace:
    return SimpleNamespace(key=key, title=title, drawing="", head=(), rows=(), note="Aucune donnée sur cette période.")


def _adoption(figures: Figures) -> SimpleNamespace:
    """Sign-ins by level; by week as soon as days would be too many to see."""
    title = "Connexions par niveau"
    labels, buckets = _buckets(figures.days)
    series = {name: [sum(figures.adoption[name][day] for day in bucket) for bucket in buckets] for name, _ in _LEVELS}
    if not any(any(values) for values in series.values()):
        return _nothing("adoption", title)
    step = "par jour" if len(buckets) == len(figures.days) else "par semaine"
    drawing = charts.lines(
        "adoption", f"{title}, {step}", labels, [charts.Series(label, series[name]) for name, label in _LEVELS]
    )
    rows = [[label, *(whole(series[name][at]) for name, _ in _LEVELS)] for at, label in enumerate(labels)]
    return _panel("adoption", f"{title}, {step}", drawing, ["Début", *(label for _, label in _LEVELS)], rows)


def _switched(figures: Figures) -> SimpleNamespace:
    """Establishments that ask for a second factor, as counted each day."""
    title = "Établissements en authentification forte"
    labels, buckets = _buckets(figures.days)

    def newest(series: Sequence[int | None]) -> list[int | None]:
        return [next((series[day] for day in reversed(bucket) if series[day] is not None), None) for bucket in buckets]

    strong, every = newest(figures.scopes_strong), newest(figures.scopes_all)
    if all(one is None for one in strong):
        return _nothing("switched", title)
    drawing = charts.lines(
        "switched", title, labels, [charts.Series("en authentification forte", strong), charts.Series("tous", every)]
    )
    rows = [
        [label, whole(one), whole(other or 0), share(one, other or 0)]
        for label, one, other in zip(labels, strong, every, strict=True)
        if one is not None
    ]
    return _panel("switched", title, drawing, ["Début", "Forte", "Tous", "Part"], rows)


def _by_means(figures: Figures) -> SimpleNamespace:
    title = "Connexions par moyen"
    sums = {_means(name): sum(series) for name, series in figures.sign_ins.items()}
    rows = sorted(((label, number) for label, number in sums.items() if number), key=lambda one: (-one[1], one[0]))
    if not rows:
        return _nothing("means", title)
    drawing = charts.bars("means", title, rows[:_MOST])
    every = sum(number for _, number in rows)
    said = [[label, whole(number), share(number, every)] for label, number in rows]
    return _panel("means", title, drawing, ["Moyen", "Connexions", "Part"], said)


def _states(figures: Figures) -> SimpleNamespace:
    title = "Échelons par état"
    rows = [
        (label, figures.scopes.get(kind, {}).get("strong", 0), figures.scopes.get(kind, {}).get("password_only", 0))
        for kind, label in _KINDS.items()
    ]
    if len(figures.regions) > 1:
        rows += [(one.name, one.strong, one.password_only) for one in figures.regions]
    rows = [one for one in rows if one[1] + one[2]]
    if not rows:
        return _nothing("states", title)
    drawing = charts.stacks("states", title, ("forte", "mot de passe seul"), rows)
    said = [[label, whole(one), whole(two), share(one, one + two)] for label, one, two in rows]
    note = "Les régions comptent leurs établissements." if len(figures.regions) > 1 else ""
    return _panel("states", title, drawing, ["", "Forte", "Mot de passe seul", "Part forte"], said, note)


def _delivery(figures: Figures) -> SimpleNamespace:
    title = "Remise des codes"
    rows = [(CHANNEL_NAMES.get(one.channel, one.channel), one.sent, one.not_sent) for one in figures.delivery]
    if not rows:
        return _nothing("codes", title)
    drawing = charts.stacks("codes", title, ("remis", "non remis"), rows)
    said = [[label, whole(one), whole(two), share(one, one + two)] for label, one, two in rows]
    return _panel("codes", title, drawing, ["Envoi", "Remis", "Non remis", "Part remise"], said)


def _failures(figures: Figures) -> SimpleNamespace:
    title = "Connexions refusées"
    rows = [(reason_said(reason), number) for reason, number in figures.failures.items() if number]
    if not rows:
        return _nothing("failures", title)
    drawing = charts.bars("failures", title, rows[:_MOST])
    return _panel("failures", title, drawing, ["Cause", "Fois"], [[label, whole(number)] for label, number in rows])


def _buckets(days: Sequence[str]) -> tuple[list[str], list[range]]:
    """Days, or weeks that end today, each with the first day as its label."""
    step = 1 if len(days) <= 31 else 7
    begins = sorted(max(0, last - step + 1) for last in range(len(days) - 1, -1, -step))
    ends = [*begins[1:], len(days)]
    return [_day(days[at]) for at in begins], [range(at, end) for at, end in zip(begins, ends, strict=True)]


def _day(text: str) -> str:
    """« 02/03 » is enough within a year."""
    return date.fromisoformat(text).strftime("%d/%m/%y")


def _means(word: str) -> str:
    try:
        said = MEANS[Method(word)]
    except ValueError:  # a means that this version no longer knows
        return word
    return said if said.startswith("e-") else said[:1].upper() + said[1:]
