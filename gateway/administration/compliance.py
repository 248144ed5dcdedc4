"""How this deployment stands before the référentiel d'identification électronique: what is accepted, what runs on borrowed
time, what could not be kept as a reservation (G3, G8, G16–G18, G26, G27). Nothing is decided here.

The report is what an owner signs once a year and an inspector asks for: only facts, each with its date and its author.
Everybody sees it for their own reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.administration.actor import Actor, NotYours
from gateway.desk import PolicyDesk
from gateway.overview import Measure, Overview
from gateway.policy.establishments import PolicyBook, Ruling, Scope, Why
from gateway.policy.legal import CHANNELS, MEANS, NAMES, Legal, Status, alarm
from gateway.policy.rights import Reach
from gateway.ports import Records, Row

LEAST_BITS = 50  # G27: weaker passwords could not be kept as a reservation
_MOST_FAILURES, _MOST_IN_A_DAY = 10, 25  # G14
_ADVISED_IDLE = timedelta(minutes=30)  # G25
_YEAR = timedelta(days=365)  # G17
_AT_ONCE = 2_000  # scopes looked at before others get their turn
_FEW = 400  # ids in one question
_LOCAL = ("etablissement", "service")


@dataclass(frozen=True, slots=True)
class ComplianceSettings:
    """Of the deployment. ``offered``: providers of any space; ``password_bits``: below this a password is refused (0: the
    rule of characters alone); ``revocation``: of cards, empty without cards."""

    offered: frozenset[str]
    password_bits: float
    failures_in_a_row: int
    failures_in_a_day: int
    idle: timedelta
    absolute: timedelta
    revocation: str
    revoke_on_enable: bool
    derogation_max: timedelta
    breakglass_max: timedelta
    dormancy: timedelta
    generic_names: tuple[str, ...]
    generic_mailboxes: tuple[str, ...]
    zone: ZoneInfo


@dataclass(slots=True)
class _Found:
    """What a walk over the scopes within reach brought. ``overrides`` and ``channels`` by means."""

    legal: Mapping[str, Legal]  # what holds at the top of the reach
    overrides: dict[str, list[tuple[Scope, Legal]]]
    channels: dict[str, int]
    exceptions: list[tuple[Scope, Ruling]]
    weak: int = 0
    places: int = 0


class Compliance:
    """``report`` raises ``RecordsUnavailable``."""

    def __init__(self, desk: PolicyDesk, overview: Overview, records: Records, settings: ComplianceSettings) -> None:
        self._desk = desk
        self._overview = overview
        self._records = records
        self._settings = settings

    async def report(self, actor: Actor, now: datetime) -> dict[str, Any]:
        """The report on the actor's reach, JSON-able, with French sentences. Raises ``NotYours`` without any reach."""
        book = self._desk.book
        reach = actor.reach(book)
        if not reach.paths:
            raise NotYours("Ce rapport est réservé aux administrateurs et aux référents.")
        found = await self._walk(book, reach, now)
        means = [self._means(name, found, now) for name in MEANS]
        return {
            "at": now.isoformat(),
            "reach": [scope.name for scope in book.scopes.values() if scope.path in reach.paths]
            if not reach.everything
            else ["France entière"],
            "means": means,
            "alarms": [one for line in means for one in line.pop("alarms")],
            "exceptions": await self._exceptions(found, now),
            "points": self._points(found, book, now),
            "identities": await self._identities(reach, now),
            "bounds": {
                "mandatory_from": book.defaults.mandatory_from.isoformat(),
                "derogation_max_days": self._settings.derogation_max.days,
                "breakglass_max_seconds": int(self._settings.breakglass_max.total_seconds()),
                "on_enable": "revoke" if self._settings.revoke_on_enable else "next_login",
            },
            "declaration": self._declaration(means, now),
        }

    # What the scopes say

    async def _walk(self, book: PolicyBook, reach: Reach, now: datetime) -> _Found:
        legal, channels = book.defaults.legal, book.defaults.channels
        tops = [] if reach.everything else [one for one in book.scopes.values() if one.path in reach.paths]
        if len(tops) == 1:  # what those above it set holds here too
            legal = {name: one.value for name, one in book.legal(tops[0].id).items()}
            channels = book.sourced(tops[0].id)["channels"].value
        used = {means: int(channel in channels) for channel, means in CHANNELS.items()}
        found = _Found(legal, {name: [] for name in MEANS}, used, [])
        async for scope in _within(book, reach):
            for name, one in (scope.set.legal or {}).items():
                found.overrides[name].append((scope, one))
            for channel in scope.set.channels or ():
                if channel in CHANNELS:
                    found.channels[CHANNELS[channel]] += 1
            if scope.switches:
                for ruling in (book.ruling(scope.id, now), book.ruling(scope.id, now, emergencies=False)):
                    special = ruling.why in (Why.BREAKGLASS, Why.DEROGATION) and ruling.scope == scope.id
                    if special and (scope, ruling) not in found.exceptions:
                        found.exceptions.append((scope, ruling))
            if scope.kind in _LOCAL:
                found.places += 1
                found.weak += not book.ruling(scope.id, now).strong
        return found

    def _means(self, name: str, found: _Found, now: datetime) -> dict[str, Any]:
        """One means: its status, where scopes say otherwise, and whether it is on."""
        legal = found.legal.get(name)
        enabled = self._enabled(name, found, legal)
        overrides = [
            {"scope": scope.id, "scope_name": scope.name, **self._legal(one, now)}
            for scope, one in found.overrides[name]
        ]
        alarms = []
        if enabled and legal is not None and alarm(legal, now):
            alarms.append(self._alarm(name, None, legal, now))
        if enabled:
            alarms += [self._alarm(name, scope, one, now) for scope, one in found.overrides[name] if alarm(one, now)]
        line = self._legal(legal, now) if legal is not None else {"status": None, "until": None, "alarm": None}
        return {
            "means": name,
            "name": NAMES[name],
            "enabled": enabled,
            **line,
            "overrides": overrides,
            "alarms": alarms,
        }

    def _enabled(self, name: str, found: _Found, legal: Legal | None) -> bool:
        """Whether somebody within reach can come in by it."""
        barred = legal is not None and legal.status is Status.INTERDIT
        if barred and all(one.status is Status.INTERDIT for _, one in found.overrides[name]):
            return False  # a scope may be allowed what the nation forbids
        if name in ("psc", "card", "passkey"):
            return name in self._settings.offered
        if "password" not in self._settings.offered:
            return False
        if name == "password":
            return found.weak > 0
        return found.channels[name] > 0

    def _legal(self, legal: Legal, now: datetime) -> dict[str, Any]:
        until = legal.until.isoformat() if legal.until else None
        return {"status": legal.status.value, "reference": legal.reference, "until": until, "alarm": alarm(legal, now)}

    def _alarm(self, name: str, scope: Scope | None, legal: Legal, now: datetime) -> dict[str, Any]:
        said, until = alarm(legal, now), self._moment(legal.until)
        where = f" ({scope.name})" if scope is not None else ""
        if said == "ended" and legal.status is Status.TRANSITION:
            sentence = f"{NAMES[name]}{where}\u00a0: moyen de transition, admis jusqu'au {until} et toujours ouvert."
        elif said == "ended":
            sentence = f"{NAMES[name]}{where}\u00a0: l'homologation {legal.reference} a pris fin le {until}."
        else:
            sentence = f"{NAMES[name]}{where}\u00a0: l'homologation {legal.reference} prend fin le {until}."
        return {"means": name, "scope": scope.id if scope else None, "alarm": said, "sentence": sentence}

    async def _exceptions(self, found: _Found, now: datetime) -> list[dict[str, Any]]:
        """Derogations and emergencies that run, the first to end first (G18, G26)."""
        ids = [ruling.switch.id for _, ruling in found.exceptions if ruling.switch is not None]
        rows: dict[str, Row] = {}
        for start in range(0, len(ids), _FEW):
            for row in await self._records.find("switches", {"id": ids[start : start + _FEW]}):
                rows[cast(str, row["id"])] = row
        people = await self._overview.people([scope.id for scope, _ in found.exceptions]) if found.exceptions else {}
        lines = []
        for scope, ruling in found.exceptions:
            switch = ruling.switch
            if switch is None or switch.derogation_until is None:
                continue
            row = rows.get(switch.id, {})
            kind = "breakglass" if ruling.why is Why.BREAKGLASS else "derogation"
            word = "Ouverture de secours" if kind == "breakglass" else "Dérogation"
            end = texts.limit(switch.derogation_until, now, self._settings.zone)
            lines.append(
                {
                    "kind": kind,
                    "scope": scope.id,
                    "scope_name": scope.name,
                    "since": switch.effective_from.isoformat(),
                    "until": switch.derogation_until.isoformat(),
                    "reason": row.get("reason"),
                    "author": row.get("author"),
                    "batch": row.get("batch"),
                    "people": people.get(scope.id, 0),
                    "sentence": f"{word}\u00a0: {scope.name}, mot de passe seul {end}.",
                }
            )
        return sorted(lines, key=lambda line: (line["until"], line["scope"]))

    # What the settings say

    def _points(self, found: _Found, book: PolicyBook, now: datetime) -> list[dict[str, Any]]:
        """The five points that could not be kept as reservations (G27)."""
        settings = self._settings
        cut_off = self._moment(book.defaults.mandatory_from)
        weak = f"{found.weak} établissements ou services sur {found.places} acceptent le mot de passe seul"
        bits = "La seule règle des caractères vaut 47,6 bits"
        if settings.password_bits:
            bits = f"Un mot de passe doit atteindre {settings.password_bits:g} bits"
        idle, soft = texts.duration(settings.idle), settings.revocation == "soft"
        card = {"hard": "listes de révocation exigées", "soft": "carte acceptée sans liste de révocation"}
        revoked = card.get(settings.revocation, "pas de carte directe")
        limited = settings.failures_in_a_row <= _MOST_FAILURES and settings.failures_in_a_day <= _MOST_IN_A_DAY
        return [
            _point("password_alone", "Mot de passe comme seul facteur", not found.weak,
                   f"{weak} (date nationale\u00a0: {cut_off})." if found.weak
                   else "Aucun établissement ni service n'accepte le mot de passe seul."),
            _point("entropy", "Mots de passe d'au moins 50 bits", settings.password_bits >= LEAST_BITS,
                   f"{bits} (password.min_entropy_bits)."),
            _point("failures", "Échecs limités", limited,
                   f"Attente croissante après {settings.failures_in_a_row} échecs, {settings.failures_in_a_day} par jour."),
            _point("idle", "Déconnexion automatique", settings.idle <= _ADVISED_IDLE,
                   f"Une session se ferme après {idle} sans activité, et {texts.duration(settings.absolute)} en tout."),
            _point("revocation", "Révocation", not soft,
                   f"Comptes, sessions et moyens se révoquent à tout moment\u00a0; cartes\u00a0: {revoked}."),
        ]  # fmt: skip

    async def _identities(self, reach: Reach, now: datetime) -> dict[str, Any]:
        """What has to be looked at again in the list of persons (G16)."""
        settings = self._settings
        measure = Measure(now, settings.dormancy, settings.generic_names, settings.generic_mailboxes)
        found = await self._overview.readiness(reach.paths, measure)
        counts = {
            name: found.counts.get(name, 0) for name in ("no_national_id", "never_strong", "dormant", "duplicate")
        }
        sentence = (
            f"{found.people} comptes, dont {counts['no_national_id']} sans identifiant national et "
            f"{counts['never_strong']} jamais connectés par un moyen fort."
        )
        return {"people": found.people, "ready": found.ready, **counts, "sentence": sentence}

    def _declaration(self, means: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
        """The means that are on, as the yearly commitment lists them (G17)."""
        lines = [
            {name: line.get(name) for name in ("means", "name", "status", "reference", "until")}
            for line in means
            if line["enabled"]
        ]
        return {"stated_at": now.isoformat(), "renew_by": (now + _YEAR).isoformat(), "means": lines}

    def _moment(self, instant: datetime | None) -> str:
        return texts.day(instant, self._settings.zone) if instant is not None else "une date non fixée"


async def _within(book: PolicyBook, reach: Reach) -> AsyncIterator[Scope]:
    """The open scopes within reach; others get their turn now and then."""
    for place, scope in enumerate(list(book.scopes.values()), 1):
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if scope.path and scope.path in reach and not scope.retired:
            yield scope


def _point(key: str, title: str, holds: bool, sentence: str) -> dict[str, Any]:
    return {"key": key, "title": title, "holds": holds, "sentence": sentence}
