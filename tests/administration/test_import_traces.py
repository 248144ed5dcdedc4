"""What the audit keeps of an import about those that existed before (R93)."""

from __future__ import annotations

import json

import pytest

from gateway.administration.import_traces import Traces, scope_traces, traces
from gateway.audit import Act, Record
from gateway.ports import Insert, Update
from gateway.reasons import RecordsUnavailable
from tests.administration.world import AURA
from tests.ambient import START

JOINED = Insert("memberships", {"account_id": "acc_1", "scope_id": "ehpad", "since": START})
LOGIN = Insert("logins", {"key": "u:eve", "account_id": "acc_1", "created_at": START})


def test_r93_only_of_accounts_that_existed_and_of_what_lets_somebody_in() -> None:
    """A date of sign-in or a profession is no trace; a new key, an address, a password are, in words and never as values."""
    values = {
        "acc_1": {"mail": "a@x.test", "mail_key": "a@x.test", "last_sign_in_at": START},
        "acc_3": {"profession": "60"},
    }
    new = Insert("memberships", {"account_id": "acc_2", "scope_id": "ehpad", "since": START})
    joined, taken = traces(AURA, "imp_1", [JOINED, LOGIN, new], values, {"acc_1", "acc_3"}, START)
    assert (joined.act, joined.account, joined.scope) == (Act.MEMBERSHIP_ADDED, "acc_1", "ehpad")
    assert (taken.act, taken.account, taken.facts["what"]) == (Act.ACCOUNT_CHANGED, "acc_1", "login mail")
    assert {one.facts["import"] for one in (joined, taken)} == {"imp_1"}
    assert "x.test" not in repr(taken)


def test_r93_of_scopes_the_old_and_the_new() -> None:
    """A path alone follows from what is above; what the file makes has no history."""
    rows = {"ch": {"id": "ch", "name": "CH", "city": None, "parent_id": "a"}}
    changes = [
        Update("scopes", {"name": "Hôpital", "version": 2}, {"id": "ch", "version": 1}),
        Update("scopes", {"path": "/x/y/"}, {"id": "ch", "version": 1}),
        Insert("scopes", {"id": "new", "name": "Neuf"}),
    ]
    (trace,) = scope_traces(AURA, "imp_1", changes, rows, START)
    assert (trace.act, trace.scope) == (Act.SCOPE_CHANGED, "ch")
    assert json.loads(trace.facts["old"]) == {"name": "CH"}
    assert json.loads(trace.facts["new"]) == {"name": "Hôpital"}


class Book:
    """An audit that can fail."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.down = False

    async def record(self, record: Record) -> None:
        if self.down:
            raise RecordsUnavailable("the test says so")
        self.rows.append(record)


async def test_a_batch_decided_again_is_not_a_second_act() -> None:
    """Whatever the clock says; what failed to be written is written the next time."""
    book = Book()
    written = Traces(book)
    first = traces(AURA, "imp_1", [JOINED], {}, {"acc_1"}, START)
    again = traces(AURA, "imp_1", [JOINED], {}, {"acc_1"}, START.replace(hour=3))
    book.down = True
    with pytest.raises(RecordsUnavailable):
        await written.write(first)
    book.down = False
    for found in (first, again):
        await written.write(found)
    assert book.rows == first
    await written.write(traces(AURA, "imp_1", [LOGIN], {}, {"acc_1"}, START))
    assert len(book.rows) == 2
