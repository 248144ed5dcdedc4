"""One's own data: taking a copy, and having the account erased (R104, RGPD articles 15, 17 and 20)."""

from __future__ import annotations

import json

from aiohttp import web

from gateway import texts
from gateway.accounts.erasure import Archive
from gateway.accounts.mailboxes import Mailboxes
from gateway.audit import Act, Record
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.leaving import Leaving
from gateway.pages.proving import MailProof
from gateway.pages.stepup import need_fresh
from gateway.reasons import Reason

_WORD = "SUPPRIMER"


class Closing:
    """The pages of copy and erasure."""

    def __init__(
        self, house: House, archive: Archive, mailboxes: Mailboxes, proof: MailProof, leaving: Leaving
    ) -> None:
        self._house = house
        self._archive = archive
        self._mailboxes = mailboxes
        self._proof = proof
        self._leaving = leaving

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/account/data", self.page),
            ("POST", "/account/export", self.export),
            ("POST", "/account/erase", self.erase),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def page(self, visit: Visit) -> web.StreamResponse:
        if visit.account is None:
            prefix = self._house.prefix
            return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={prefix}/account/data")
        return visit.page("data", word=_WORD, faults=())

    async def export(self, visit: Visit) -> web.StreamResponse:
        """A JSON file of everything held, secrets left out."""
        await visit.form()
        if (wait := await need_fresh(visit, "/account/data")) is not None:
            return wait
        account = visit.account
        assert account is not None  # noqa: S101 - fresh means signed in
        await self._house.audit.record(
            Record(Act.ACCOUNT_EXPORTED, visit.now, account.id, address=visit.client, correlation=visit.request_id)
        )
        data = await self._archive.export(account.id)
        answer = web.Response(text=json.dumps(data, ensure_ascii=False, indent=1), content_type="application/json")
        answer.headers["Content-Disposition"] = 'attachment; filename="viatrajectoire-mes-donnees.json"'
        return answer

    async def erase(self, visit: Visit) -> web.StreamResponse:
        """Asked in words, after a fresh proof. What the retention of traces needs stays under a pseudonym."""
        fields = await visit.form()
        if (wait := await need_fresh(visit, "/account/data")) is not None:
            return wait
        account, house = visit.account, self._house
        assert account is not None  # noqa: S101 - fresh means signed in
        if fields.get("confirm", "").strip().upper() != _WORD:
            visit.log(Reason.BAD_INPUT, 422)
            faults = (f"Tapez le mot {_WORD} pour confirmer.",)
            return visit.page("data", status=422, word=_WORD, faults=faults)
        await house.audit.record(
            Record(
                Act.ACCOUNT_ERASED,
                visit.now,
                account.id,
                address=visit.client,
                correlation=visit.request_id,
                facts={"by": "owner"},
            )
        )
        await self._archive.erase(account, visit.now, "owner")
        await self._proof.cancel(account.id)  # a link on its way must not fill the empty account again
        for holder in await self._mailboxes.holders(account.mail or ""):
            await house.changed(holder)
        house.notices.post(account, texts.account_erased_mail(visit.now, zone=visit.zone), "notice", visit.request_id)
        await house.keeper.close_all(account.id, visit.now)
        await house.changed(account.id)
        visit.session = visit.account = None
        answer = visit.message(
            "Votre compte est supprimé",
            "Vos données sont effacées. Les traces de connexion, que la loi demande de garder, ne portent plus votre nom.",
        )
        self._leaving.wipe(visit, answer)
        return answer
