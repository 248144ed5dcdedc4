"""The access log: one JSON line per finished request. No query, no secret, no identifier of a person (G46).

``us`` is the time from the request's head to the end of its answer, in microseconds. Lines are made many at a time,
because what they share is then made once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from gateway.answer import reference_of
from gateway.ports import Ambient
from gateway.proxy.limits import AccessEvent

_REMEMBERED = 4096
_quote = json.JSONEncoder(ensure_ascii=False).encode


class AccessLog:
    """Turns finished requests into lines and hands them to ``write``, many at a time.

    ``clock`` is the door's monotonic clock, in which the events tell their end.
    """

    def __init__(self, write: Callable[[str], None], ambient: Ambient, clock: Callable[[], float]) -> None:
        self._write = write
        self._ambient = ambient
        self._clock = clock
        self._known: dict[tuple[object, ...], str] = {}  # the parts that are equal from line to line

    def __call__(self, events: Sequence[AccessEvent]) -> None:
        known = self._known
        if len(known) > _REMEMBERED:
            known.clear()
        ahead = self._ambient.now().timestamp() - self._clock()  # of the wall clock, to the monotonic one
        tick, stamp = 0, ""
        lines = []
        for ident, label, status, backend, session, reason, sent, received, seconds, ended in events:
            instant = int((ended + ahead) * 1000)
            if instant != tick:
                tick = instant
                second = datetime.fromtimestamp(tick // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                stamp = f"{second}.{tick % 1000:03d}Z"
            who = known.get(label)
            if who is None:
                client, method, path = (_quote(one) for one in label)
                who = known[label] = f'"client":{client},"method":{method},"path":{path}'
            where = (status, backend, session, reason)
            outcome = known.get(where)
            if outcome is None:
                parts = [_quote(one) for one in (backend, session and session[:12], reason and reason.value)]
                outcome = known[where] = '"status":{},"backend":{},"session":{},"reason":{}'.format(status, *parts)
            if reason is not None:  # what the person was shown (R155)
                outcome = f'{outcome},"reference":"{reference_of(ident)}"'
            lines.append(
                f'{{"event":"request","timestamp":"{stamp}","id":"{ident}",{who},{outcome},'
                f'"sent":{sent},"received":{received},"us":{int(seconds * 1000000)}}}\n'
            )
        self._write("".join(lines))
