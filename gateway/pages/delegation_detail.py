"""One delegation, for the doctor who gave it: change, end, invitation, confirmation, what happened and who used it
(R111, R112, R125, R126).

The version read with the page travels in its forms: when the delegation changed meanwhile nothing is saved, and the page
shows what was typed beside what holds now. Ending asks once, needs no fresh proof, and is never refused for an old page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace

from aiohttp import web

from gateway import texts
from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.register import Register
from gateway.administration.actor import ChangedMeanwhile, Faulty, Refused
from gateway.delegations.author import By
from gateway.delegations.forms import period_of
from gateway.delegations.judging import TooOften
from gateway.delegations.office import DelegationOffice, NotFresh
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.delegation_room import DelegationRoom, Typed, merged, step_up
from gateway.pages.delegation_words import catalogue, given, happening, in_fields, means
from gateway.pages.house import House
from gateway.policy.delegation import chosen_rights, days
from gateway.reasons import Reason

_SAID = {
    "changed": "La délégation est modifiée.",
    "resent": "Une nouvelle invitation est partie. L'ancien lien n'est plus valable.",
    "confirmed": "La personne est confirmée.",
    "declined": "La proposition est refusée. Vous pouvez renvoyer l'invitation à la bonne personne.",
}
_CONFLICT = "Cette délégation a changé pendant ce temps. Rien n'a été enregistré."
_NO_RIGHT = "Choisissez au moins un droit."
_BACK = "/delegations"  # a sign-in or step-up leads to the list: no address with an id is one of those
Faults = Mapping[str, Sequence[str]]


class DelegationDetail(DelegationRoom):
    """The page of one delegation, and its forms."""

    def __init__(self, house: House, office: DelegationOffice, register: Register) -> None:
        super().__init__(house, office)
        self._register = register

    def routes(self) -> list[web.RouteDef]:
        root = self.house.prefix + "/delegations/one/{id}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "", self.giving(self.page, _BACK)),
            ("POST", "/change", self.giving(self.change, _BACK)),
            ("GET", "/end", self.giving(self.ask, _BACK)),
            ("POST", "/end", self.giving(self.end, _BACK)),
            ("POST", "/resend", self.giving(self.resend, _BACK)),
            ("POST", "/confirm", self.giving(self.confirm, _BACK)),
            ("POST", "/decline", self.giving(self.decline, _BACK)),
        ]
        return [web.route(method, root + path, handle(work)) for method, path, work in table]

    async def _one(self, visit: Visit, by: By) -> Delegation:
        return await self.office.one(by, visit.request.match_info["id"], visit.now)

    async def page(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        notice = _SAID.get(typed.get("said"), "")
        return await self._show(visit, by, await self._one(visit, by), notice=notice)

    async def _show(
        self,
        visit: Visit,
        by: By,
        one: Delegation,
        *,
        typed: Typed | None = None,
        faults: Faults | None = None,
        problem: str = "",
        conflict: bool = False,
        proof: str = "",
        notice: str = "",
        status: int = 200,
    ) -> web.Response:
        """``typed``: a change that was not taken; ``conflict``: what holds now is shown beside it."""
        rules = self.office.rules
        shown = given(one, rules, visit.now, visit.zone)
        present = in_fields(one, rules.zone)
        ticked = sorted(one.rights) if typed is None else typed.rights
        return visit.page(
            "delegation",
            status=status,
            one=shown,
            assistant=one.kind is Kind.ASSISTANT,
            mail=one.mail or "",
            proposed=one.proposed_name or "",
            version=one.version,
            typed=present if typed is None else {name: typed.get(name)[:40] for name in ("start", "end")},
            rights=catalogue(rules, ticked),
            open=typed is not None,
            earliest=min(days(one, rules.zone)[0], self.today(visit)).isoformat(),
            today=self.today(visit).isoformat(),
            most=rules.max_days,
            faults=faults or {},
            problem=problem,
            conflict=conflict,
            proof=proof,
            fresh=self.office.fresh(by, visit.now),
            notice=notice,
            history=await self._history(visit, by, one),
            uses=await self._uses(visit, by, one),
        )

    async def _history(self, visit: Visit, by: By, one: Delegation) -> Sequence[SimpleNamespace]:
        """What happened, the newest first. Of administrators one reads that they were some."""
        lines = []
        for event in reversed(await self.office.history(by, one.id, visit.now)):
            invited = event.what in ("proposed", "accepted") or event.detail.get("by") == "delegate"
            if event.author == by.account.id:
                author = "Vous"
            elif invited:
                author = event.detail.get("name") or await self._name(event.author)
            elif event.author == "system" or event.detail.get("by") == "closed":
                author = "ViaTrajectoire"
            else:
                author = "L'administration"
            said = happening(event, self.office.rules)
            lines.append(SimpleNamespace(at=texts.moment(event.at, visit.zone), said=said, author=author))
        return lines

    async def _uses(self, visit: Visit, by: By, one: Delegation) -> Sequence[SimpleNamespace]:
        names: dict[str, str] = {}
        uses = await self.office.uses(by, one.id, visit.now)
        for user in dict.fromkeys(use.user for use in uses):
            names[user] = await self._name(user)
        return [
            SimpleNamespace(
                name=names[use.user],
                began=texts.moment(use.began_at, visit.zone),
                ended=texts.moment(use.ended_at, visit.zone) if use.ended_at is not None else "",
                means=means(use.method),
            )
            for use in uses
        ]

    async def _name(self, account_id: str) -> str:
        account = await self._register.by_id(account_id)
        return f"{account.given_name} {account.family_name}".strip() if account is not None else "Compte supprimé"

    # Change

    async def change(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        one = await self._one(visit, by)
        rules, assistant = self.office.rules, one.kind is Kind.ASSISTANT
        rights = chosen_rights(typed.rights, rules) if assistant else None
        wrong: Faulty | None = None
        try:
            first, last = period_of(typed.fields, self.today(visit), rules, began=days(one, rules.zone)[0])
        except Faulty as error:
            wrong = error
        try:
            if wrong is not None or (assistant and rights is None):
                raise Faulty(merged(wrong, Faulty({"rights": [_NO_RIGHT]}) if assistant and rights is None else None))
            await self.office.change(by, one.id, typed.version, first, last, rights, visit.now)
        except Faulty as error:
            visit.log(error.reason, 422, fields=",".join(sorted(error.faults)))
            return await self._show(visit, by, one, typed=typed, faults=error.faults, status=422)
        except ChangedMeanwhile as error:
            visit.log(error.reason, 409)
            fresh = await self._one(visit, by)
            return await self._show(visit, by, fresh, typed=typed, conflict=True, status=409)
        except NotFresh as error:
            visit.log(error.reason, 403)
            proof = step_up(visit, f"{_BACK}?said=proved")
            return await self._show(visit, by, one, typed=typed, proof=proof, status=403)
        except TooOften as error:
            visit.log(error.reason, 429)
            return await self._show(visit, by, one, typed=typed, faults={"": (error.sentence,)}, status=429)
        return self._here(one, "changed")

    # End

    async def ask(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        one = await self._one(visit, by)
        if one.state(visit.now).over:
            return go(self.url(f"/one/{one.id}"))
        shown = given(one, self.office.rules, visit.now, visit.zone)
        return visit.page(
            "delegation_question",
            title="Mettre fin à cette délégation\u00a0?",
            lines=(
                f"{shown.name}, {shown.period}.",
                "Cette personne ne pourra plus agir pour vous, dès maintenant, même si elle est en train de le faire. "
                "Pour lui rendre ses droits, il faudra une nouvelle délégation.",
            ),
            action=self.url(f"/one/{one.id}/end"),
            button="Mettre fin à la délégation",
            back=self.url(f"/one/{one.id}"),
        )

    async def end(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        await self.office.end(by, visit.request.match_info["id"], visit.now)
        return self.done("ended")

    # Invitation and confirmation

    async def resend(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        async def work(one: Delegation) -> None:
            await self.office.resend(by, one.id, visit.now)

        return await self._act(visit, by, work, "resent")

    async def confirm(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        async def work(one: Delegation) -> None:
            await self.office.confirm(by, one.id, typed.version, visit.now)

        return await self._act(visit, by, work, "confirmed")

    async def decline(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        async def work(one: Delegation) -> None:
            await self.office.decline(by, one.id, typed.version, visit.now)

        return await self._act(visit, by, work, "declined")

    async def _act(
        self, visit: Visit, by: By, work: Callable[[Delegation], Awaitable[None]], said: str
    ) -> web.StreamResponse:
        """One button: done, or the page again with the reason why not."""
        one = await self._one(visit, by)
        try:
            await work(one)
        except NotFresh as error:
            visit.log(error.reason, 403)
            return await self._show(visit, by, one, proof=step_up(visit, f"{_BACK}?said=proved"), status=403)
        except ChangedMeanwhile as error:
            visit.log(error.reason, 409)
            return await self._show(visit, by, await self._one(visit, by), problem=_CONFLICT, status=409)
        except Faulty as error:
            visit.log(error.reason, 422)
            return await self._show(visit, by, one, problem=error.sentence, status=422)
        except Refused as error:
            if error.reason is not Reason.RESEND_TOO_MANY:
                raise
            visit.log(error.reason, 429)
            return await self._show(visit, by, one, problem=error.sentence, status=429)
        return self._here(one, said)

    def _here(self, one: Delegation, said: str) -> web.Response:
        return go(self.url(f"/one/{one.id}?said={said}"))
