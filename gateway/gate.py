"""The one question the door asks: may this request go on?

``at_once`` answers from what this worker knows (facts at most 5 s old, dropped at once when another worker says that
they changed); ``None`` means "not known here", and the door awaits ``admit``. The rules are the same ``decide`` in
both. Fail closed (R7): when the store, the records or the key give no answer, protected routes are refused with that
reason (503), public ones go on without a name, and nobody is signed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.assertion import Mint, Minted
from gateway.policy.decision import Decision, Facts, Forward, Refuse, Rules, decide, ends_at, fault
from gateway.policy.delegation import Acting
from gateway.policy.establishments import PolicyBook
from gateway.policy.routes import Route, RouteClass, RouteTable
from gateway.ports import Ambient
from gateway.reasons import GatewayError, StoreUnavailable
from gateway.request import RequestHead
from gateway.session.keeper import Keeper, digest_of

COOKIE = "__Host-vtgw"
FACTS_AGE = 5.0  # seconds; the floor that revocation and policy can never take longer than (R83, R130)
CACHE_LIMIT = 20_000  # entries per worker; about 4 KiB each
TOUCH_STEP = timedelta(seconds=15)  # activity is written down this often at most (R143)
_ASK_AGAIN = 5  # times, when words keep coming while the question is under way
VERDICT_AGE = timedelta(seconds=1)  # a decision serves equal headers on one route this long at most


@dataclass(slots=True)
class _Entry:
    """What this worker knows of one ticket. ``facts`` is ``None`` for a ticket the store does not know."""

    facts: Facts | None
    born: float
    stamps: dict[str, tuple[Minted, Forward]] = field(default_factory=dict)
    touched_at: datetime | None = None
    minting: bool = False
    alive: bool = True  # false as soon as it is dropped or replaced: verdicts made from it die with it


@dataclass(slots=True)
class _Verdict:
    """A decision to forward, and how long it may be said again without asking the rules: for the same header block,
    ticket included, on the same route.

    It ends with whatever could change it: the facts it was made from, the session's ends, the stamp, the next note of
    activity, and after a second at most, so that a new policy book is heard.
    """

    forward: Forward
    entry: _Entry
    since: datetime
    until: datetime


class Gate:
    """Decisions for the door. ``gone`` is called with the digest of each session that ended, to cut its tunnels."""

    def __init__(
        self,
        *,
        ambient: Ambient,
        routes: RouteTable,
        keeper: Keeper,
        register: Register,
        delegations: Delegations,
        mint: Mint,
        book: Callable[[], PolicyBook],
        rules: Rules,
        background_paths: Sequence[str] = (),
        gone: Callable[[str], None] = lambda digest: None,
    ) -> None:
        self._ambient = ambient
        self._routes = routes
        self._keeper = keeper
        self._register = register
        self._delegations = delegations
        self._mint = mint
        self._book = book
        self._rules = rules
        self._background_paths = tuple(path.lower() for path in background_paths)
        self._gone = gone
        self._known: dict[str, _Entry] = {}
        # Which entries a word is about: every sign-in of the country is such a word.
        self._about: dict[str, set[str]] = {}
        self._asked: dict[str, asyncio.Task[_Entry]] = {}
        self._stale: set[str] = set()  # of those: something was heard since
        self._tasks: set[asyncio.Task[Any]] = set()

    # What the door calls

    def at_once(self, head: RequestHead) -> Decision | None:
        """The decision, if this worker knows enough to take it now."""
        now = self._ambient.now()
        verdict = head.verdict
        if type(verdict) is _Verdict and verdict.entry.alive and verdict.since <= now < verdict.until:
            return verdict.forward
        route = self._routes.match(head.path)
        verdict = head.fields.verdicts.get(route)
        if type(verdict) is _Verdict and verdict.entry.alive and verdict.since <= now < verdict.until:
            head.verdict = verdict
            return verdict.forward
        ticket = self._ticket(head, route)
        if ticket is None:
            return decide(route, None, self._book(), self._rules, now)
        digest = digest_of(ticket)
        entry = self._current(digest, now)
        if entry is None:
            return None
        decision = decide(route, entry.facts, self._book(), self._rules, now)
        if not isinstance(decision, Forward) or decision.session is None:
            return decision
        prepared = entry.stamps.get(decision.backend)
        if prepared is None or not prepared[0].usable(now):
            return None
        if now >= prepared[0].renew_at and not entry.minting:
            entry.minting = True
            self._start(self._renew(digest, entry, decision.backend), "mint")
        self._active(head, digest, entry, now)
        head.verdict = head.fields.verdicts[route] = self._verdict(prepared, entry, now)
        return prepared[1]

    def _verdict(self, prepared: tuple[Minted, Forward], entry: _Entry, now: datetime) -> _Verdict | None:
        minted, forward = prepared
        if entry.facts is None or entry.touched_at is None:
            return None
        session = entry.facts.session
        age = timedelta(seconds=FACTS_AGE - (self._ambient.monotonic() - entry.born))
        renew = minted.renew_at if now < minted.renew_at else minted.dead_at
        until = min(
            now + VERDICT_AGE,
            now + age,
            ends_at(entry.facts, self._rules.delegation),
            session.seen_at + session.lifetimes.idle,
            entry.touched_at + TOUCH_STEP,
            renew,
        )
        return _Verdict(forward, entry, now, until)

    async def admit(self, head: RequestHead) -> Decision:
        """The decision, with whatever has to be asked first. Never raises for a dependency that is down."""
        route = self._routes.match(head.path)
        ticket = self._ticket(head, route)
        digest = digest_of(ticket) if ticket is not None else ""
        try:
            for _ in range(_ASK_AGAIN):
                now = self._ambient.now()
                entry = await self._entry(digest) if ticket is not None else None
                facts = entry.facts if entry else None
                decision = decide(route, facts, self._book(), self._rules, now)
                if not isinstance(decision, Forward) or decision.session is None or entry is None:
                    return decision
                stamped = await self._stamp(entry, decision.backend, now)
                if entry.alive:  # nothing was heard of it while the key was at work
                    self._active(head, digest, entry, now)
                    return stamped
            raise StoreUnavailable("what is known of a session changes too often")
        except GatewayError as error:
            if route.kind is RouteClass.PUBLIC:
                return Forward(route.backend)
            return Refuse(error.reason)

    def heard(self, message: str) -> None:
        """A word from any worker: what was cached under this name is no longer known here."""
        kind, _, name = message.partition(":")
        if kind == "policy":  # facts are as they were; the book is read again, and a verdict lives a second
            return
        # A question under way may have been answered before this word: it is asked again.
        self._stale.update({name} & self._asked.keys() if kind == "session" else self._asked)
        if kind == "session":
            self._forget(name)
            self._gone(name)
        elif kind in ("account", "delegation"):
            acting: dict[str, bool] = {}
            for digest in tuple(self._about.get(message, ())):
                facts = self._known[digest].facts
                self._forget(digest)
                if facts is not None and facts.session.acting_under:
                    acting[digest] = False
            if acting:  # what it has open ends now, not at its next request (R125, R131)
                self._start(self.recheck(acting), "recheck")
        else:
            for digest in list(self._known):
                self._forget(digest)

    def _keep(self, digest: str, entry: _Entry) -> None:
        """In the place of what was known; the one kept longest ago makes room."""
        self._forget(digest)
        if len(self._known) >= CACHE_LIMIT:
            self._forget(next(iter(self._known)))
        self._known[digest] = entry
        for name in _names(entry.facts):
            self._about.setdefault(name, set()).add(digest)

    def _forget(self, digest: str) -> None:
        entry = self._known.pop(digest, None)
        if entry is None:
            return
        entry.alive = False
        for name in _names(entry.facts):
            listed = self._about[name]
            listed.discard(digest)
            if not listed:
                del self._about[name]

    async def recheck(self, lasting: Mapping[str, bool]) -> None:
        """Look again at sessions that have something open here, a tunnel or a long transfer, and end what may no longer
        be: a word from another worker may have been lost, and nothing is asked while bytes run. The value: whether
        bytes ran lately, which is activity (R143)."""
        for digest, active in lasting.items():
            try:
                entry = await self._entry(digest)
            except GatewayError:
                return  # unknown is not ended (R7): looked at again at the next turn
            now = self._ambient.now()
            if entry.facts is None or fault(entry.facts, self._book(), self._rules, now) is not None:
                self._gone(digest)
            elif active and now - entry.facts.session.seen_at >= TOUCH_STEP:
                await self._touch(digest, entry.facts, now)

    async def close(self) -> None:
        """Wait for what was started off the hot path."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Facts

    def _ticket(self, head: RequestHead, route: Route) -> str | None:
        """The ticket presented. Two cookies of our name are none: somebody may have planted one (P16)."""
        if route.kind is RouteClass.USAGER:
            return None
        tickets = head.cookie(COOKIE)
        return tickets[0] if len(tickets) == 1 and tickets[0] else None

    def _current(self, digest: str, now: datetime) -> _Entry | None:
        """What is known and young enough. Activity is no word on the bus: a session that looks idle here may have been
        active by another worker since, so nobody is sent away for it unasked."""
        entry = self._known.get(digest)
        if entry is None or self._ambient.monotonic() - entry.born > FACTS_AGE:
            return None
        return None if entry.facts is not None and entry.facts.session.idle(now) else entry

    async def _entry(self, digest: str) -> _Entry:
        entry = self._current(digest, self._ambient.now())
        if entry is not None:
            return entry
        task = self._asked.get(digest)
        if task is None:  # one question however many requests wait for its answer
            task = self._start(self._ask(digest), "facts")
            self._asked[digest] = task
            task.add_done_callback(lambda _: self._answered(digest))
        return await asyncio.shield(task)

    def _answered(self, digest: str) -> None:
        self._asked.pop(digest, None)
        self._stale.discard(digest)

    async def _ask(self, digest: str) -> _Entry:
        for _ in range(_ASK_AGAIN):
            self._stale.discard(digest)
            born = self._ambient.monotonic()
            session = await self._keeper.resume(digest, self._ambient.now())
            account = await self._register.by_id(session.account) if session is not None else None
            acting = await self._acting(session.acting_under) if session and session.acting_under else None
            if digest not in self._stale:
                break
        facts = Facts(session, account, acting) if session is not None and account is not None else None
        before = self._known.get(digest)
        touched = before.touched_at if before is not None else None
        if facts is not None:  # what another worker noted is noted: the step is one for all of them
            noted = min(facts.session.seen_at, self._ambient.now())
            touched = max(touched, noted) if touched is not None else noted
        entry = _Entry(facts, born, touched_at=touched)
        if before is not None and before.facts is not None and facts is not None and _same(before.facts, facts):
            entry.stamps = before.stamps
        self._keep(digest, entry)
        return entry

    async def _acting(self, delegation_id: str) -> Acting:
        """The delegation and its doctor, read anew: nothing of it is kept in a session or a cookie (R130)."""
        delegation = await self._delegations.by_id(delegation_id)
        return Acting(delegation, await self._register.by_id(delegation.delegator) if delegation else None)

    async def _stamp(self, entry: _Entry, backend: str, now: datetime) -> Forward:
        prepared = entry.stamps.get(backend)
        if prepared is None or not prepared[0].usable(now) or now >= prepared[0].renew_at:
            prepared = entry.stamps[backend] = await self._minted(entry, backend, now)
        return prepared[1]

    async def _minted(self, entry: _Entry, backend: str, now: datetime) -> tuple[Minted, Forward]:
        facts = entry.facts
        if facts is None:
            raise GatewayError("a stamp for nobody")
        minted = await self._mint.mint(facts, backend, self._structure(facts), now)
        return minted, Forward(backend, facts.session.digest, minted.stamp, ends_at(facts, self._rules.delegation))

    def _structure(self, facts: Facts) -> str | None:
        """The structure of the only scope that has one: two would be a guess (R137)."""
        book = self._book()
        found = {scope.finess for one in facts.account.scopes if (scope := book.scope(one)) and scope.finess}
        return "1" + found.pop() if len(found) == 1 else None

    # Off the hot path

    def _active(self, head: RequestHead, digest: str, entry: _Entry, now: datetime) -> None:
        facts = entry.facts
        if facts is None or (self._background_paths and head.path.lower().startswith(self._background_paths)):
            return
        if entry.touched_at is not None and timedelta(0) <= now - entry.touched_at < TOUCH_STEP:
            return
        entry.touched_at = now
        entry.facts = replace(facts, session=replace(facts.session, seen_at=max(now, facts.session.seen_at)))
        self._start(self._touch(digest, facts, now), "touch")

    async def _touch(self, digest: str, facts: Facts, now: datetime) -> None:
        try:
            if not await self._keeper.touch(facts.session, now):
                self._forget(digest)
        except GatewayError:
            return  # the store is down: the next question that matters fails closed by itself

    async def _renew(self, digest: str, entry: _Entry, backend: str) -> None:
        """A new stamp before the old one is dead; if that fails, the old one serves until then."""
        try:
            entry.stamps[backend] = await self._minted(entry, backend, self._ambient.now())
        except GatewayError:
            self._forget(digest)  # the next request asks, and fails closed by itself
        finally:
            entry.minting = False

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=f"gate {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _same(before: Facts, after: Facts) -> bool:
    """Whether the two say the same to a backend: then a stamp made for one serves the other."""
    same_session = replace(before.session, seen_at=after.session.seen_at) == after.session
    return same_session and before.account == after.account and before.acting == after.acting


def _names(facts: Facts | None) -> frozenset[str]:
    """Words of the bus that are about this: whoever acts, or the doctor they act for (R131), and their delegation."""
    if facts is None:
        return frozenset()
    accounts = {facts.account.id}
    if facts.acting is not None and facts.acting.delegator is not None:
        accounts.add(facts.acting.delegator.id)
    found = {f"account:{one}" for one in accounts}
    if facts.session.acting_under:
        found.add(f"delegation:{facts.session.acting_under}")
    return frozenset(found)
