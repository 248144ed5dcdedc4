"""« Ajouter une délégation de droits »: to practice staff, by a mail (R107–R110); to a fellow doctor, from the national
directory (R118–R124).

What is typed always comes back with what is said about it. The physician of a period form is the directory's word, asked
again by number: what an address says about a name is shown to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from gateway.administration.actor import Faulty, Refused
from gateway.delegations.author import By
from gateway.delegations.forms import invitation_of, period_of
from gateway.delegations.judging import TooOften
from gateway.delegations.office import DelegationOffice, NotFresh
from gateway.delegations.search import DirectorySearch
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.delegation_room import DIRECTORY_DOWN, DelegationRoom, Typed, asked_again, step_up
from gateway.pages.delegation_words import catalogue, listed
from gateway.pages.house import House
from gateway.ports import Listed
from gateway.reasons import DirectoryUnavailable, Reason

_ASSISTANT = "/delegations/assistants/add"
_DOCTOR = "/delegations/doctors/add"
_KEPT = 300  # characters of a typed text shown again
Faults = Mapping[str, Sequence[str]]


class DelegatingPages(DelegationRoom):
    """The two ways to add."""

    def __init__(self, house: House, office: DelegationOffice, search: DirectorySearch) -> None:
        super().__init__(house, office)
        self._search = search

    def routes(self) -> list[web.RouteDef]:
        prefix = self.house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", _ASSISTANT, self.giving(self.assistant_page, _ASSISTANT)),
            ("POST", _ASSISTANT, self.giving(self.assistant, _ASSISTANT)),
            ("GET", _DOCTOR, self.giving(self.doctor_page, _DOCTOR)),
            ("POST", _DOCTOR, self.giving(self.doctor, _DOCTOR)),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    def _proof_first(self, visit: Visit, by: By, then: str) -> web.Response | None:
        """Before anything is typed, the proof that adding will need (R106)."""
        return None if self.office.fresh(by, visit.now) else go(step_up(visit, asked_again(visit, then)))

    # Practice staff

    async def assistant_page(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        if (wait := self._proof_first(visit, by, _ASSISTANT)) is not None:
            return wait
        return self._assistant(visit, Typed({"start": self.today(visit).isoformat(), **_notice(typed)}))

    async def assistant(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        try:
            asked = invitation_of(typed.fields, typed.rights, by.account.mail, self.today(visit), self.office.rules)
            await self.office.invite(by, asked, visit.now)
        except Faulty as error:
            visit.log(error.reason, 422, fields=",".join(sorted(error.faults)))
            return self._assistant(visit, typed, error.faults, 422)
        except NotFresh as error:
            visit.log(error.reason, 403)
            return self._assistant(visit, typed, status=403, proof=step_up(visit, f"{_ASSISTANT}?said=proved"))
        except TooOften as error:
            visit.log(error.reason, 429)
            return self._assistant(visit, typed, {"": (error.sentence,)}, 429)
        return self.done("invited")

    def _assistant(
        self, visit: Visit, typed: Typed, faults: Faults | None = None, status: int = 200, *, proof: str = ""
    ) -> web.Response:
        return visit.page(
            "delegation_assistant",
            status=status,
            typed={name: value[:_KEPT] for name, value in typed.fields.items()},
            rights=catalogue(self.office.rules, typed.rights),
            faults=faults or {},
            today=self.today(visit).isoformat(),
            most=self.office.rules.max_days,
            proof=proof,
        )

    # A fellow doctor

    async def doctor_page(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        if (wait := self._proof_first(visit, by, _DOCTOR)) is not None:
            return wait
        try:
            if typed.get("rpps"):
                one = await self._search.one(by, typed.get("rpps"), visit.now)
                if one is not None:
                    return self._period(visit, _chosen(one, typed, self.today(visit).isoformat()))
                said = {
                    "": ("Ce médecin n'est pas dans l'annuaire, ou n'y est plus en activité. Cherchez de nouveau.",)
                }
                return self._find(visit, typed, said, 404)
            if "name" not in typed.fields:
                return self._find(visit, typed)
            found, more = await self._search.find(by, typed.get("name"), typed.get("postal_code"), visit.now)
        except Faulty as error:
            visit.log(error.reason, 422, fields=",".join(sorted(error.faults)))
            return self._find(visit, typed, error.faults, 422)
        except DirectoryUnavailable as error:
            visit.log(error.reason, 503)
            return _later(self._find(visit, typed, {"": (DIRECTORY_DOWN,)}, 503))
        except Refused as error:
            if error.reason is not Reason.SEARCH_TOO_OFTEN:
                raise
            visit.log(error.reason, 429)
            return self._find(visit, typed, {"": (error.sentence,)}, 429)
        return self._find(visit, typed, found=found, more=more)

    def _find(
        self,
        visit: Visit,
        typed: Typed,
        faults: Faults | None = None,
        status: int = 200,
        *,
        found: Sequence[Listed] | None = None,
        more: bool = False,
    ) -> web.Response:
        return visit.page(
            "delegation_doctor",
            status=status,
            chosen=None,
            typed={name: value[:_KEPT] for name, value in typed.fields.items()},
            faults=faults or {},
            found=None if found is None else [listed(one) for one in found],
            more=more,
            proof="",
        )

    async def doctor(self, visit: Visit, by: By, typed: Typed) -> web.StreamResponse:
        """The form holds the directory's words about the physician, to be shown again; the number alone counts."""
        try:
            first, last = period_of(typed.fields, self.today(visit), self.office.rules)
            await self.office.add_colleague(by, typed.get("rpps"), first, last, visit.now)
        except Faulty as error:
            visit.log(error.reason, 422, fields=",".join(sorted(error.faults)))
            return self._period(visit, typed, error.faults, 422)
        except NotFresh as error:
            visit.log(error.reason, 403)
            return self._period(visit, typed, status=403, proof=step_up(visit, f"{_DOCTOR}?said=proved"))
        except TooOften as error:
            visit.log(error.reason, 429)
            return self._period(visit, typed, {"": (error.sentence,)}, 429)
        except DirectoryUnavailable as error:
            visit.log(error.reason, 503)
            return _later(self._period(visit, typed, {"": (DIRECTORY_DOWN,)}, 503))
        return self.done("given")

    def _period(
        self, visit: Visit, typed: Typed, faults: Faults | None = None, status: int = 200, *, proof: str = ""
    ) -> web.Response:
        return visit.page(
            "delegation_doctor",
            status=status,
            chosen={name: typed.get(name)[:_KEPT] for name in ("rpps", "doctor", "specialty", "places")},
            typed={name: value[:_KEPT] for name, value in typed.fields.items()},
            faults=faults or {},
            today=self.today(visit).isoformat(),
            most=self.office.rules.max_days,
            proof=proof,
        )


def _chosen(one: Listed, typed: Typed, today: str) -> Typed:
    """The period form of this physician; the search that found them is kept for the way back."""
    shown = listed(one)
    kept = {name: typed.get(name) for name in ("name", "postal_code")}
    about = {"doctor": shown.name, "specialty": shown.specialty, "places": shown.places}
    return Typed({**kept, **about, "rpps": one.rpps, "start": today})


def _notice(typed: Typed) -> dict[str, str]:
    return {"said": "proved"} if typed.get("said") == "proved" else {}


def _later(answer: web.Response) -> web.Response:
    answer.headers["Retry-After"] = "60"
    return answer
