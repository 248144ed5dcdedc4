"""What can be looked up: conformity with the référentiel (G3, G8, G27), and why a connection goes as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from gateway import texts
from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.admin.states import legal_words, length
from gateway.admin.words import ALARMS, whole
from gateway.administration.actor import Actor, Faulty, NotThere
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.policy.legal import CHANNEL_NAMES

_OUTCOMES = {"let-in": ("entre", "good"), "asked": ("doit prouver davantage", ""), "refused": ("refusé", "bad")}
_WAYS = {
    "card": "Carte CPS",
    "psc": "Pro Santé Connect",
    "passkey": "Clé d'accès",
    "password": "Mot de passe",
}


class CompliancePage(Room):
    """GET admin/compliance."""

    section = "compliance"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/compliance", self.show)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        report = await self.offices.compliance.report(actor, visit.now)
        authors = await self.names([str(one["author"]) for one in report["exceptions"] if one["author"]])
        bounds = report["bounds"]
        return self.page(
            visit,
            actor,
            "compliance",
            "Conformité",
            at=texts.moment(datetime.fromisoformat(report["at"]), visit.zone),
            reach=", ".join(report["reach"]),
            alarms=[one["sentence"] for one in report["alarms"]],
            means=[self._means(visit, one) for one in report["means"]],
            exceptions=[self._exception(visit, one, authors) for one in report["exceptions"]],
            points=report["points"],
            identities=report["identities"]["sentence"],
            bounds=[
                ("Date nationale", texts.moment(datetime.fromisoformat(bounds["mandatory_from"]), visit.zone)),
                ("Dérogation, au plus", f"{bounds['derogation_max_days']} jours"),
                ("Ouverture de secours, au plus", length(bounds["breakglass_max_seconds"])),
                (
                    "Sessions ouvertes, quand l'authentification forte arrive",
                    "prennent fin" if bounds["on_enable"] == "revoke" else "vont jusqu'à leur fin",
                ),
            ],
            renew=texts.day(datetime.fromisoformat(report["declaration"]["renew_by"]), visit.zone),
        )

    def _means(self, visit: Visit, line: Mapping[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(
            name=line["name"],
            enabled=line["enabled"],
            status=legal_words(line, visit.zone) if line["status"] else "–",
            alarm=ALARMS.get(str(line["alarm"]), "") if line["enabled"] else "",
            overrides=[
                SimpleNamespace(
                    url=self.url("scopes", one["scope"]), name=one["scope_name"], status=legal_words(one, visit.zone)
                )
                for one in line["overrides"]
            ],
        )

    def _exception(self, visit: Visit, line: Mapping[str, Any], authors: Mapping[str, str]) -> SimpleNamespace:
        return SimpleNamespace(
            emergency=line["kind"] == "breakglass",
            url=self.url("scopes", line["scope"]),
            name=line["scope_name"],
            since=texts.moment(datetime.fromisoformat(line["since"]), visit.zone),
            until=texts.moment(datetime.fromisoformat(line["until"]), visit.zone),
            reason=line["reason"] or "–",
            author=authors.get(str(line["author"]), "–"),
            people=whole(line["people"]),
        )


class ExplainPage(Room):
    """GET and POST admin/explain. Posted, so that neither name nor address stands in logs and histories."""

    section = "explain"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/explain", self.form), ("POST", "/explain", self.explain)]

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return self._show(visit, actor, NOTHING)

    def _show(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        found: SimpleNamespace | None = None,
    ) -> web.Response:
        return self.page(
            visit,
            actor,
            "explain",
            "Expliquer une connexion",
            status=422 if faults else 200,
            typed=typed,
            faults=faults or {},
            found=found,
        )

    async def explain(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        who, url = typed.get("who"), typed.get("url") or "/"
        if not who:
            return self._show(visit, actor, typed, {"who": ["Indiquez l'identifiant de la personne."]})
        try:
            said = (await self.offices.explainer.explain(actor, who, url, visit.now)).as_json()
        except NotThere:  # the same whether the person does not exist or is somebody else's
            return self._show(
                visit, actor, typed, {"who": ["Personne ne répond à cet identifiant dans votre périmètre."]}
            )
        except Faulty as refused:
            return self._show(visit, actor, typed, refused.faults)
        label, kind = _OUTCOMES.get(said["verdict"]["outcome"], (said["verdict"]["outcome"], ""))
        found = SimpleNamespace(
            name=said["name"],
            account=self.url("accounts", said["account"]),
            path=said["path"],
            at=texts.moment(datetime.fromisoformat(said["at"]), visit.zone),
            version=said["policy_version"],
            label=label,
            kind=kind,
            sentence=said["verdict"]["sentence"],
            steps=said["steps"],
            ways=[self._way(one) for one in said["ways"]],
        )
        return self._show(visit, actor, typed, found=found)

    def _way(self, way: Mapping[str, Any]) -> SimpleNamespace:
        label, kind = _OUTCOMES.get(way["outcome"], (way["outcome"], ""))
        name = _WAYS.get(way["way"], way["way"])
        if way["channel"]:
            name = f"{name} et code par {CHANNEL_NAMES.get(way['channel'], way['channel'])}"
        elif way["way"] == "password":
            name = "Mot de passe seul"
        first = way["at_sign_in"] if way["at_sign_in"]["outcome"] != "let-in" else way["at_url"]
        return SimpleNamespace(name=name, label=label, kind=kind, sentence=first["sentence"])
