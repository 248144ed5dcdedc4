"""The way of practice staff from the mailed link to a delegation of theirs (R111–R117): the page of the link, and the end.

* Opening the link consumes nothing: machines open links of mails before people do. Its form leads to a fresh proof by
  card, whoever is signed in already; who has no account passes the form of the first connection and the charter.
* The end needs the browser that began, and a proof given since: what it leads to is judged by ``delegations.receiving``,
  which uses up the link. Another person's card gains nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, State
from gateway.delegations.author import By
from gateway.delegations.receiving import Outcome
from gateway.identity import Space
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.delegation_words import period, rights_said
from gateway.pages.house import House
from gateway.pages.joining_marker import FINALISE, Marker, mark, marked, unmark
from gateway.policy.delegation import DelegationRules
from gateway.reasons import Reason

_CARDS = ("cps", "cpe", "cpa")
_MINE = "Voir mes habilitations"


class Receiving(Protocol):
    """``delegations.receiving``."""

    @property
    def rules(self) -> DelegationRules: ...

    async def invited(self, token: str, now: datetime) -> tuple[Delegation, Account] | None: ...

    async def finalise(self, token: str, by: By, now: datetime) -> tuple[Outcome, Delegation | None]: ...


class JoiningPages:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House, receiving: Receiving) -> None:
        self._house = house
        self._receiving = receiving

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/delegations/invitation", self.link),
            ("POST", "/delegations/invitation", self.choose),
            ("GET", FINALISE, self.finalise),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    # The link

    async def link(self, visit: Visit) -> web.StreamResponse:
        token = visit.request.query.get("token", "")
        found = await self._receiving.invited(token, visit.now)
        return self._dead(visit) if found is None else self._invitation(visit, token, *found)

    async def choose(self, visit: Visit) -> web.StreamResponse:
        """The means is chosen: this browser accepts, and the card comes next, from the beginning."""
        fields = await visit.form()
        token, way = fields.get("token", ""), fields.get("way", "")
        found = await self._receiving.invited(token, visit.now)
        if found is None:
            return self._dead(visit)
        if way not in self._ways():
            visit.log(Reason.METHOD_DISABLED, 422)
            return self._invitation(visit, token, *found, problem="Choisissez un des moyens proposés.", status=422)
        await mark(visit, token, _name(found[1]))
        space = Space.PROFESSIONNEL.value
        return go(f"{self._house.prefix}/sign-in/{way}?space={space}&return={quote(self._house.prefix + FINALISE)}")

    def _invitation(
        self, visit: Visit, token: str, delegation: Delegation, doctor: Account, *, problem: str = "", status: int = 200
    ) -> web.Response:
        rules = self._receiving.rules
        return visit.page(
            "joining",
            status=status,
            token=token,
            doctor=_name(doctor),
            invited=f"{delegation.given_name} {delegation.family_name}".strip(),
            period=period(delegation, rules.zone),
            rights=rights_said(delegation, rules, ""),
            until=texts.moment(delegation.invite_until or delegation.ends, visit.zone),
            needed=self._needed(),
            ways=self._ways(),
            problem=problem,
        )

    def _ways(self) -> Sequence[str]:
        """The means that finish an invitation and that the professional space offers (R112)."""
        house, accepted = self._house, self._receiving.rules.finalise_with
        fitting = [("card", not accepted.isdisjoint(_CARDS)), ("psc", "ecps" in accepted)]
        offered = house.methods[Space.PROFESSIONNEL]
        return tuple(way for way, fits in fitting if fits and way in offered and way in house.providers)

    def _needed(self) -> str:
        """« votre carte CPS, CPE ou CPA, ou votre e-CPS »."""
        accepted = self._receiving.rules.finalise_with
        cards = [one.upper() for one in _CARDS if one in accepted]
        said = f"votre carte {', '.join(cards[:-1])}{' ou ' if cards[:-1] else ''}{cards[-1]}" if cards else ""
        return " ou ".join(one for one in (said, "votre e-CPS" if "ecps" in accepted else "") if one)

    # The end

    async def finalise(self, visit: Visit) -> web.StreamResponse:
        """Back from the card, or from the charter: what becomes of the invitation."""
        marker = await marked(visit)
        if visit.session is None or visit.account is None:
            then = FINALISE if marker is not None else "/delegations"
            space = Space.PROFESSIONNEL.value
            return go(f"{self._house.prefix}/sign-in?space={space}&return={quote(self._house.prefix + then)}")
        if marker is None:
            return self._unknown(visit)
        # Only what was proved since this browser said that it accepts: a session of before is no card (R112). Pro Santé
        # Connect says the second of a proof, and no more.
        accepted = marker.at.replace(microsecond=0)
        since = tuple(proof for proof in visit.session.proofs if proof.at >= accepted)
        if not since:
            return self._card_first(visit, marker)
        by = By(visit.account, replace(visit.session, proofs=since), visit.client, visit.request_id)
        outcome, delegation = await self._receiving.finalise(marker.token, by, visit.now)
        await unmark(visit, marker)
        if outcome is Outcome.ACTIVE and delegation is not None:
            return self._accepted(visit, visit.account, marker, delegation)
        return self._not_active(visit, marker, outcome)

    def _accepted(self, visit: Visit, account: Account, marker: Marker, delegation: Delegation) -> web.Response:
        rules = self._receiving.rules
        by_code = bool(account.password_hash) and "otp" in rules.staff_methods
        return visit.page(
            "joined",
            doctor=marker.doctor,
            delegation=delegation.id,
            period=period(delegation, rules.zone),
            rights=rights_said(delegation, rules, ""),
            begun=delegation.state(visit.now) is State.ACTIVE,
            identifier=account.login if by_code else "",
        )

    def _not_active(self, visit: Visit, marker: Marker, outcome: Outcome) -> web.Response:
        doctor, prefix = f"le Dr\u00a0{marker.doctor}", self._house.prefix
        again = (f"{prefix}/delegations/invitation?token={quote(marker.token)}", "Revenir à l'invitation", False)
        mine = (f"{prefix}/delegations", _MINE, False)
        if outcome is Outcome.PENDING:
            return visit.message(
                "Le médecin doit d'abord confirmer",
                f"Le nom de votre carte n'est pas celui que {doctor} a indiqué. Un message lui demande de confirmer que "
                "l'invitation vous est bien destinée.",
                "Rien ne vous est accordé avant cette confirmation. Ensuite, la délégation figurera parmi vos habilitations.",
                actions=[mine],
                reason=Reason.NAME_MISMATCH,
            )
        if outcome is Outcome.ALREADY:
            return visit.message(
                "Vous avez déjà une délégation de ce médecin",
                f"Une délégation que {doctor} vous a donnée couvre déjà une partie de cette période\u00a0: l'invitation ne "
                "s'y ajoute pas.",
                "Si les droits ou la période doivent changer, demandez au médecin de modifier la délégation en cours.",
                status=409,
                actions=[mine],
                reason=Reason.DELEGATION_OVERLAP,
            )
        if outcome is Outcome.OWN:
            return visit.message(
                "Cette invitation vient de vous",
                "Un médecin ne se donne pas de délégation à lui-même. L'invitation reste valable\u00a0: c'est la personne "
                "invitée qui l'ouvre, avec sa propre carte.",
                status=403,
                actions=[(f"{prefix}/delegations", "Mes délégations", False)],
                reason=Reason.NOT_ALLOWED,
            )
        if outcome is Outcome.WRONG_MEANS:
            return visit.message(
                "Ce moyen ne permet pas d'accepter l'invitation",
                f"Il faut pour cela {self._needed()}. L'invitation reste valable.",
                status=403,
                actions=[again, mine],
                reason=Reason.METHOD_DISABLED,
            )
        return self._dead(visit)

    # Where it does not go on

    def _dead(self, visit: Visit) -> web.Response:
        """Used, expired, replaced, called off, or never a link: nothing tells which."""
        where = "/delegations" if visit.session is not None else "/sign-in?space=professionnel"
        label = _MINE if visit.session is not None else "Se connecter"
        return visit.message(
            "Cette invitation n'est plus valable",
            "Elle a déjà servi, a expiré, ou le médecin l'a remplacée ou annulée.",
            "Si vous l'avez acceptée, la délégation figure parmi vos habilitations. Sinon, demandez au médecin de vous "
            "envoyer une nouvelle invitation.",
            status=403,
            actions=[(f"{self._house.prefix}{where}", label, False)],
            reason=Reason.LINK_EXPIRED,
        )

    def _unknown(self, visit: Visit) -> web.Response:
        return visit.message(
            "Aucune invitation n'est en cours dans ce navigateur",
            "Si vous venez de l'accepter, la délégation figure parmi vos habilitations.",
            "Sinon, ouvrez de nouveau le lien du message, dans ce navigateur\u00a0: il reste valable tant qu'il n'a pas servi.",
            status=403,
            actions=[(f"{self._house.prefix}/delegations", _MINE, False)],
            reason=Reason.ATTEMPT_UNKNOWN,
        )

    def _card_first(self, visit: Visit, marker: Marker) -> web.Response:
        """Signed in, and no card shown since the link was opened here."""
        url = f"{self._house.prefix}/delegations/invitation?token={quote(marker.token)}"
        return visit.message(
            "Il reste à présenter votre carte",
            f"Pour accepter l'invitation du Dr\u00a0{marker.doctor}, il faut {self._needed()}, même si vous êtes déjà connecté.",
            status=403,
            actions=[(url, "Revenir à l'invitation", False)],
            reason=Reason.STEP_UP_NEEDED,
        )


def _name(doctor: Account) -> str:
    return f"{doctor.given_name} {doctor.family_name}".strip()
