"""Watches that neither the store nor the records go back in time, and begins a new epoch when one of them did.

* The epoch is in the records, the name under which everything is written is in the pulse of the store (``judgement``). A
  name belongs to one store and one epoch: several gateways with stores of their own on the same records never meet.
* Whoever finds the store's pulse lower than the records, this process or the disk remember it, or the records behind
  what the store says they held, begins the next epoch: one row, whose number decides between those who find out at
  once. Then the store's pulse is replaced under a new name: what stood under the old one is out of everybody's reach,
  and expires by itself.
* Until all this is settled nobody reads or writes (``standing``). While the store or the records give no answer nothing
  is decided: down is not set back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import structlog

from gateway.audit import Act, Record
from gateway.ending import ended
from gateway.epoch.judgement import LAG, PULSE, Kept, Pulse, Verdict, judge
from gateway.epoch.ledger import Ledger
from gateway.epoch.standing import Standing
from gateway.epoch.voiding import void_codes, void_links
from gateway.ports import Ambient, Audit, Bus, Records, Row, Store
from gateway.reasons import GatewayError, RecordsUnavailable, StoreUnavailable

NEWS = "epoch"  # the word of the bus
BEAT = 1.0  # seconds between two looks
_LIFE = timedelta(days=36_500)  # of the pulse: longer than any clock is put forward
_KEEP = 5  # looks between two notes in the records and on the disk
_SOON = 0.1  # seconds between two looks at least, however many ask
_CALM = 10.0  # seconds between two epochs that one process begins: whatever goes wrong, not one a second
_TRIES = 10
_log = structlog.get_logger("gateway.epoch")


class Witness(Protocol):
    """What this machine remembers of the store's pulse while no gateway runs. Never raises."""

    async def read(self) -> bytes | None: ...

    async def write(self, pulse: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """For people: the rows of the epoch in force and of all pulses, and what the store shows (``None``: nothing)."""

    epoch: Row | None
    pulses: Sequence[Row]
    store: Pulse | None


class Epochs:
    """``raw``: the store itself; ``replicated``: whether a fail-over may lose what others have read there already.
    ``number``: the epoch this process knows, 0 before the first look. ``audit`` gets a record of each epoch begun here."""

    def __init__(
        self,
        raw: Store,
        bus: Bus,
        records: Records,
        ambient: Ambient,
        *,
        audit: Callable[[], Audit] | None = None,
        witness: Witness | None = None,
        replicated: bool = False,
    ) -> None:
        self._raw = raw
        self._bus = bus
        self._records = records
        self._ledger = Ledger(records, ambient)
        self._ambient = ambient
        self._audit = audit
        self._witness = witness
        self.standing = Standing(ambient, replicated)
        self.number = 0
        self._begun: float | None = None
        self._looked = 0  # the count at the last look: who finds it unmoved moves it on
        self._turns = 0
        self._settling = asyncio.Lock()
        self._changed: list[Callable[[str], None]] = []
        self._task: asyncio.Task[None] | None = None

    def on_change(self, heard: Callable[[str], None]) -> None:
        """Call this with ``NEWS`` when another epoch, or another store, is in force."""
        self._changed.append(heard)

    async def hold(self) -> Pulse:
        """``held``, settled first where nobody watches: for a command of the shell."""
        if self._task is None and not self.standing.settled:
            try:
                await self.settle()
            except RecordsUnavailable as error:
                raise StoreUnavailable("the records do not say which epoch it is") from error
        return self.standing.held()

    # Life

    async def start(self) -> None:
        """Settle if the store answers, and watch from now on. Raises ``RecordsUnavailable``."""
        try:
            await self.settle()
        except StoreUnavailable as error:
            _log.warning("the epoch waits for the store", error=str(error))
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="epoch")

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)
            self._task = None

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self.standing.look.wait()
            self.standing.look.clear()
            try:
                await self.turn()
            except StoreUnavailable:
                self.standing.unsure()  # the readiness and every caller say so already
            except RecordsUnavailable:
                pass  # so they do, and nothing is decided
            except (GatewayError, ValueError) as error:
                _log.warning("epoch not looked at", error=str(error))
            await asyncio.sleep(_SOON)

    async def turn(self) -> None:
        """One look: at the newest epoch and the pulse, which is moved on when nobody else did."""
        floor, here = self.standing.known, self.number
        if floor is None or self.standing.doubt:
            await self.settle()
            return
        try:
            newest = await self._ledger.newest()
        except RecordsUnavailable:
            newest = here  # down is not set back
        (raw,) = await self._raw.read(PULSE)
        shown = Pulse.read(raw)
        if newest != here or shown is None or not shown.follows(floor):
            await self.settle()
            return
        self.standing.check(floor, raw)
        if shown.count == self._looked:
            self._looked = await self._beat(raw, shown)
        else:
            self._looked = shown.count
            await self._confirm(raw, shown)
        self._turns += 1
        if self._turns % _KEEP == 0:
            await self._keep()

    async def _beat(self, raw: bytes | None, shown: Pulse, kept: int = 0) -> int:
        """Move the pulse on, unless another is quicker; the count as it is then. Who is told that it was done knows that
        it is kept."""
        known = self.standing.held()
        beaten = shown.beaten(self._ambient, kept=max(kept, known.kept), sure=known.count)
        if not await self._raw.swap(PULSE, raw, beaten.encode(), _LIFE):
            return shown.count
        self.standing.still(known)
        if beaten.follows(self.standing.held()):
            self.standing.know(replace(beaten, sure=beaten.count), beaten.encode())
        self.standing.prove()
        return beaten.count

    async def _confirm(self, raw: bytes | None, shown: Pulse) -> None:
        """Another's beat is sure once the same, written again, is kept."""
        known = self.standing.held()
        if (
            known.count < shown.count
            and await self._raw.swap(PULSE, raw, raw, _LIFE)
            and shown.follows(self.standing.held())
        ):
            self.standing.know(replace(shown, sure=shown.count), raw)

    async def _keep(self) -> None:
        """Tell the records and the disk how far the store has counted; and the store, that they know."""
        held = self.standing.held()
        await self._remember()
        rows = await self._ledger.of([held.name])
        kept = rows.get(held.name)
        (raw,) = await self._raw.read(PULSE)  # after the rows, so it is no lower
        shown = Pulse.read(raw)
        if kept is None or shown is None or judge(shown, rows, self.number, (held,), self.number) is not Verdict.FINE:
            await self.settle()
            return
        if kept.count < held.kept:
            _log.warning("the records lost their latest writes", about_seconds=held.kept - kept.count, allowed=LAG)
        if held.count - kept.count < _KEEP - 1:
            return  # another did it
        await self._ledger.note(shown.name, kept.count, held.count)
        self.standing.check(held, raw)
        self._looked = await self._beat(raw, shown, held.count)

    # Finding out

    async def settle(self) -> None:
        """Know the epoch and the name in force, whatever that takes. Raises ``StoreUnavailable``,
        ``RecordsUnavailable``: then nothing is known, and nothing was decided."""
        async with self._settling:
            for _ in range(_TRIES):
                if await self._settled():
                    return
        raise StoreUnavailable("the epoch changes too often")

    async def renew(self, reason: str, *, restored: bool) -> int:
        """Begin a new epoch; returns its number. Links of invitations end; recovery codes too when the records were
        ``restored``. Gateways find out within a second; ``settle`` tells the store at once. Raises
        ``RecordsUnavailable``."""
        now = self._ambient.now()
        await void_links(self._records, now)
        remembered: list[Pulse] = []
        if restored:
            await void_codes(self._records, now)
            remembered = [one for one in (await self._remembered(), await self._shown()) if one is not None]
        while True:
            number = max(await self._ledger.newest(), self.number) + 1
            rows = await self._ledger.of([one.name for one in remembered])
            if await self._ledger.begin(number, reason, rows, remembered, now):
                return number

    async def overview(self) -> Overview:
        """Raises ``RecordsUnavailable``; a store that gives no answer shows nothing."""
        ledger = self._ledger
        return Overview(await ledger.newest_row(), await ledger.latest_pulses(), await self._shown())

    async def _settled(self) -> bool:
        """One try: whether the pulse of the store is the one in force now."""
        known = [one for one in (self.standing.known or await self._remembered(),) if one is not None]
        (raw,) = await self._raw.read(PULSE)
        names = {one.name for one in (*known, Pulse.read(raw)) if one is not None}
        rows = await self._ledger.of(sorted(names))
        newest, seen = await self._ledger.newest(), self.number
        (raw,) = await self._raw.read(PULSE)  # read after the rows, it can only have counted on
        shown = Pulse.read(raw)
        if shown is not None and shown.name not in names:
            return False
        verdict = judge(shown, rows, newest, known, seen)
        if verdict is Verdict.FINE and shown is not None:
            await self._adopt(newest, shown, raw, [one for one in known if not rows[one.name].ended])
            return True
        if verdict is Verdict.FIRST:
            await self._ledger.begin_first()
        elif verdict is Verdict.FRESH:
            await self._name(newest, raw, [one.name for one in known])
        else:
            await self._begin(verdict, max(newest, seen) + 1, rows, shown, known)
        return False

    async def _adopt(self, newest: int, shown: Pulse, raw: bytes | None, known: Sequence[Pulse]) -> None:
        for one in known:
            if one.name != shown.name:
                await self._ledger.end(one.name)
        before = self.standing.adopt(shown, raw)
        self.number = newest
        await self._remember()
        if before is not None and before.name != shown.name:
            _log.info("another epoch or store is in force", epoch=newest)
            for heard in self._changed:
                heard(NEWS)

    # Beginning

    async def _begin(
        self, verdict: Verdict, number: int, rows: Mapping[str, Kept], shown: Pulse | None, known: Sequence[Pulse]
    ) -> None:
        moment = self._ambient.monotonic()
        if self._begun is not None and moment - self._begun < _CALM:
            raise StoreUnavailable("an epoch was begun a moment ago")
        now = self._ambient.now()
        facts = {"epoch": str(number), "why": verdict.value}
        if verdict is Verdict.RECORDS_BACK:
            facts["links"] = str(await void_links(self._records, now))
            facts["codes"] = str(await void_codes(self._records, now))
        pulses = [one for one in (*known, shown) if one is not None]
        if not await self._ledger.begin(number, verdict.value, rows, pulses, now):
            return  # another found out at the same time
        self._begun = moment
        _log.error(f"a new epoch begins: {_SAID[verdict]}; everybody signs in again", **facts)
        if self._audit is not None:
            try:
                await self._audit().record(Record(Act.EPOCH_BEGUN, now, facts=facts))
            except RecordsUnavailable as error:  # its row of the records says it too
                _log.error("the epoch is not in the audit", error=str(error), epoch=number)

    async def _name(self, epoch: int, raw: bytes | None, known: Sequence[str]) -> None:
        """Give the store a pulse under a new name: nothing in it is alive."""
        for name in known:
            await self._ledger.end(name)
        name, made = await self._ledger.name(epoch, empty=raw is None)
        born = Pulse.born(name, self._ambient)
        if not await self._raw.swap(PULSE, raw, born.encode(), _LIFE):
            return  # another was first; the name serves nobody
        if made:
            _log.info("the store begins anew", epoch=epoch, empty=raw is None)
        await self._ledger.note(name, 0, born.count)
        with contextlib.suppress(StoreUnavailable):
            await self._bus.publish(NEWS)

    # Remembering

    async def _shown(self) -> Pulse | None:
        try:
            (raw,) = await self._raw.read(PULSE)
        except StoreUnavailable:
            return None
        return Pulse.read(raw)

    async def _remembered(self) -> Pulse | None:
        return Pulse.read(await self._witness.read()) if self._witness is not None else None

    async def _remember(self) -> None:
        """Let the disk know, unless another worker of this machine told it more."""
        known = self.standing.known
        if self._witness is None or known is None:
            return
        there = await self._remembered()
        if there is None or there.name != known.name or there.count < known.count:
            await self._witness.write(known.encode())


_SAID = {
    Verdict.STORE_BACK: "the store was put back to an earlier moment, or lost its latest writes",
    Verdict.RECORDS_BACK: "the records were put back to an earlier moment",
}
