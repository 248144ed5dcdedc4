"""From the bytes of a head to a ``Plan``: the request as judged, and the bytes in which it goes on.

A plan is made once per distinct head and connection. Browsers and scripts send the same bytes again and again, and the
header block after the request line hardly changes at all: blocks, paths and the effective client are remembered, and a
head that is byte for byte the last one of its connection costs a comparison. What is remembered are judgements about
bytes; whether a request may go on is asked of the gate every time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from gateway.proxy.heads import Block, Blocks, Effective, authority, effective, origin_form
from gateway.proxy.limits import METHODS, DoorSettings, Meters
from gateway.proxy.wire import WireError, request_line
from gateway.reasons import Reason
from gateway.request import BadTarget, Peer, RequestHead, canonical_path

_PATHS = 4096  # remembered targets; bounded, because clients choose them
_PATH_WORTH_KEEPING = 512


class Way(IntEnum):
    """Where a request leads."""

    BACKEND = 0  # if the gate says so
    PAGES = 1  # our own pages, which ask the gate themselves
    AUTH = 2  # a front proxy asks about another request (forward-auth)


_PAGES = Way.PAGES


class Plan:
    """One request head that was found sound. Belongs to one connection; shared by its equal requests."""

    __slots__ = ("again", "asked", "block", "fault", "given", "head", "label", "lines", "raw", "way", "who")

    def __init__(
        self, raw: bytes, head: RequestHead, asked: RequestHead, block: Block, who: Effective, given: str, way: Way
    ) -> None:
        self.raw = raw  # with the empty line that ends it
        self.head = head
        self.asked = asked  # what the gate judges: ``head`` itself, or the request that a front proxy describes
        self.fault: Reason | None = None  # why what a front proxy describes cannot be judged
        self.block = block
        self.who = who
        self.given = given  # the authority that ``who`` was made for
        self.way = way
        self.label = (who.client, asked.method, asked.path)  # for the access log
        self.again = block.framing.empty and not block.upgrade  # equal bytes may be taken for an equal request
        self.lines = self._lines()

    def _lines(self) -> bytes:
        """The head for the backend up to our own lines: the client's allowed fields first, ours after (B1)."""
        block, who, head = self.block, self.who, self.head
        framing = block.framing
        if framing.chunked:
            length = b"Transfer-Encoding: chunked\r\n"
        elif framing.length or head.method in ("POST", "PUT", "PATCH"):
            length = b"Content-Length: %d\r\n" % (framing.length or 0)
        else:
            length = b""
        pages = self.way is Way.PAGES
        return b"".join(
            (
                b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method.encode(), head.target, who.authority.encode()),
                block.to_pages if pages else block.crossing,
                length,
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n" if block.upgrade else b"",
                who.spoken,
                who.internal if pages else b"",
            )
        )

    def message(self, stamp: bytes) -> bytes:
        """The whole head for the backend, ``stamp`` last."""
        ident = self.head.request_id
        traced = f"X-Request-ID: {ident}\r\ntraceparent: 00-{ident}-{ident[16:]}-01\r\n"
        if self.way is _PAGES:
            traced += f"vtgw-request-id: {ident}\r\n"
        return b"".join((self.lines, traced.encode(), stamp, b"\r\n"))


class Planner:
    """Makes plans for one worker. ``spoofed`` hears of certificates handed over by somebody untrusted (R37)."""

    def __init__(self, settings: DoorSettings, meters: Meters, spoofed: Callable[[Peer], None]) -> None:
        self._settings = settings
        self._meters = meters
        self._spoofed = spoofed
        self._blocks = Blocks(settings.names, settings.limits)
        self._paths: dict[bytes, str] = {}

    def plan(self, raw: bytes, peer: Peer, last: Plan | None) -> Plan:
        """The plan of a head (with its final empty line); raises ``WireError`` or ``BadTarget``.

        ``last``: the plan before it on the same connection, whose effective client serves again for an equal block.
        """
        settings = self._settings
        line, _, fields = raw[:-4].partition(b"\r\n")
        if len(line) > settings.limits.request_line:
            raise WireError(Reason.TARGET_TOO_LONG)
        method, target, modern = request_line(line)
        block = self._blocks.read(fields, modern=modern)
        if method not in METHODS:
            raise WireError(Reason.BAD_METHOD)
        host, given = block.host, block.authority
        if not given:
            given, host = authority(settings.public_authority)
        who = last.who if last is not None and last.block is block and last.given == given else None
        if who is None:
            who = self._effective(peer, block, given)
        made_for = given
        if target[0] != 47:  # "/"
            target, given = origin_form(target, who.scheme, block.authority, host)
        if settings.hosts and host not in settings.hosts:
            raise WireError(Reason.UNKNOWN_HOST)
        path = self._path(target)
        if settings.limits.body and (block.framing.length or 0) > settings.limits.body:
            raise WireError(Reason.BODY_TOO_LARGE)
        if block.upgrade:
            self._check_upgrade(method, block, f"{who.scheme}://{given}".lower())
        head = RequestHead(method, target, path, block.fields, who.authority, who.scheme, who.client, peer, "")
        way = self._way(path)
        if way is not Way.AUTH:
            return Plan(raw, head, head, block, who, made_for, way)
        try:
            return Plan(raw, head, self._asked(head), block, who, made_for, way)
        except (WireError, BadTarget) as error:  # said to the front proxy in its own terms: 403
            plan = Plan(raw, head, head, block, who, made_for, way)
            plan.fault = error.reason
            return plan

    def _effective(self, peer: Peer, block: Block, given: str) -> Effective:
        who, spoofed = effective(peer, block, self._settings, given)
        if spoofed:
            self._meters.reasons[Reason.CARD_FORWARD_UNTRUSTED.value] += 1
            self._spoofed(peer)
        return who

    def _check_upgrade(self, method: str, block: Block, own: str) -> None:
        """Only GET, only without body, and from a page of ours: this very origin, or one that the settings name."""
        if method != "GET" or not block.framing.empty:
            raise WireError(Reason.UPGRADE_REFUSED)
        told = [origin.decode("latin-1").lower() for origin in block.fields.all(b"origin")]
        if len(told) > 1 or any(one != own and one not in self._settings.origins for one in told):
            raise WireError(Reason.ORIGIN_REFUSED)

    def _asked(self, head: RequestHead) -> RequestHead:
        """The request that a front proxy asks about; raises ``WireError``. Only who may speak for clients may ask.

        It is described by ``X-Forwarded-Method``, ``-Host`` and ``-Uri``, or is the rest of the address (Envoy).
        """
        settings = self._settings
        if not settings.is_trusted(head.peer.address):
            raise WireError(Reason.NOT_ALLOWED)
        rest = head.target[len(settings.prefix) + len("/auth") :]
        uri = head.header(b"x-forwarded-uri")
        if rest.startswith(b"/"):
            method, target = head.method, rest
        else:
            method, target = (head.header(b"x-forwarded-method") or b"GET").decode("latin-1"), uri or b""
        given, host = head.authority, ""
        described = head.header(b"x-forwarded-host")
        if described is not None:
            given, host = authority(described.decode("latin-1"))
            if settings.hosts and host not in settings.hosts:
                raise WireError(Reason.UNKNOWN_HOST)
        if method not in METHODS:
            raise WireError(Reason.BAD_METHOD)
        path = self._path(target)
        return RequestHead(method, target, path, head.fields, given, head.scheme, head.client, head.peer, "")

    def _way(self, path: str) -> Way:
        """Own pages are the prefix itself, and what is below it, spelled exactly."""
        settings = self._settings
        prefix = settings.prefix
        if path.startswith(prefix):
            rest = path[len(prefix) :]
            if rest == "/auth" or rest.startswith("/auth/"):
                return Way.AUTH
            if not rest or rest[0] == "/":
                return Way.PAGES
        return Way.PAGES if path in settings.reserved else Way.BACKEND

    def _path(self, target: bytes) -> str:
        """The canonical path of a target; raises ``BadTarget``."""
        known = self._paths.get(target)
        if known is None:
            known = canonical_path(target)
            if len(target) <= _PATH_WORTH_KEEPING:
                if len(self._paths) >= _PATHS:
                    self._paths.clear()
                self._paths[target] = known
        return known
