"""The table of the API: every operation, once, and the room that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import RootModel

from gateway import __version__
from gateway.administration.offices import Offices
from gateway.api.accounts import Accounts
from gateway.api.app import ROOT, Api
from gateway.api.delegations import DelegationDesk
from gateway.api.document import document
from gateway.api.imports import ImportDesk, UploadSettings
from gateway.api.insight import Insight
from gateway.api.operation import Call, Operation, Reply
from gateway.api.scopes import Scopes
from gateway.api.switches import Switches
from gateway.api.tokens import TokenDesk
from gateway.delegations.oversight import Oversight
from gateway.pages.house import House


class DocumentSaid(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""


def operations(offices: Offices, uploads: UploadSettings, oversight: Oversight) -> list[Operation]:
    """Every operation but the document itself."""
    rooms = (
        Scopes(offices), Switches(offices), Accounts(offices), ImportDesk(offices, uploads), Insight(offices),
        DelegationDesk(oversight), TokenDesk(offices),
    )  # fmt: skip
    return [one for room in rooms for one in room.operations()]


def furnished(house: House, offices: Offices, uploads: UploadSettings, oversight: Oversight) -> Api:
    """The API over these offices, as a room of the pages."""
    table = with_document(operations(offices, uploads, oversight), house.prefix + ROOT)
    return Api(house, table, offices.tokens.actor_of)


def with_document(table: Sequence[Operation], base: str) -> list[Operation]:
    """The table with the operation that describes it, itself included."""
    found: list[Operation] = list(table)
    made: list[DocumentSaid] = []

    async def said(call: Call) -> Reply:
        if not made:
            made.append(DocumentSaid(document(found, base, __version__)))
        return Reply(made[0])

    found.append(
        Operation(
            "readDocument", "GET", "openapi.json", "Lire ce document", said, {200: DocumentSaid}, free=True,
        )
    )  # fmt: skip
    return found
