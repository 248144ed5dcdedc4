"""What happens on one machine between two steps of the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.accounts.register import Register
from gateway.gate import COOKIE
from gateway.session.keeper import Keeper
from tests.resilience.pair import Pair, Wanderer
from tests.stories.test_main_job import DEEP, by_psc

ACCOUNT = "acc_dr-petit"


@pytest.mark.parametrize(("here", "there"), [("a", "b"), ("b", "a")])
def test_r144_everything_closed_here_while_a_session_is_born_there(pair: Pair, here: str, there: str) -> None:
    """« Se déconnecter partout » between the moment somebody is let in and the moment their session can be seen: the
    session does not live, and the next one does."""
    store = pair.gateways[there]._store
    write = store.write
    closed: list[int] = []

    async def everywhere(key: str, value: bytes, ttl: timedelta) -> None:
        if key.startswith("session:") and not closed:
            closed.append(1)
            ambient, other = pair.ambient(here), pair.gateways[here]
            now = ambient.now()
            await Register(other.records, ambient).insist(ACCOUNT, now, memory_void_at=now)
            await Keeper(other._store, other._store, ambient).close_all(ACCOUNT, now)
        await write(key, value, ttl)

    visitor = Wanderer(pair, there)
    held: Any = store
    held.write = everywhere
    try:
        by_psc(visitor, "dr-petit")
    finally:
        del held.write
    assert closed
    assert ("localhost", COOKIE) not in visitor.cookies, visitor.last.text
    assert visitor.last.status == 403
    (ended,) = pair.rows(
        "SELECT count(*) FROM audit WHERE account = :account AND reason = 'attempt-expired'", account=ACCOUNT
    )
    assert ended[0] >= 1
    again = Wanderer(pair, there)
    by_psc(again, "dr-petit")
    assert again.last.url.endswith(DEEP)
