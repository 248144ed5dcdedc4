"""What one process knows of the pulse of its store, and whether an answer given beside a pulse counts.

Until the epoch is settled, and whenever the store did not show what it has to, ``held`` and the checks raise
``StoreUnavailable``: unknown, never old.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.epoch.judgement import Pulse
from gateway.ports import Ambient
from gateway.reasons import StoreUnavailable


class Standing:
    """``replicated``: whether a fail-over may lose what others have read in the store already. ``look``: set when
    somebody has to look at once. ``known``: the furthest that is sure of the name in force."""

    def __init__(self, ambient: Ambient, replicated: bool) -> None:
        self._ambient = ambient
        self._replicated = replicated
        self.look = asyncio.Event()
        self.known: Pulse | None = None
        self.doubt = False
        self._encoded: bytes | None = None  # how the store showed it, or something after it
        self._proved: float | None = None  # when the pulse was last seen to be right; nothing after a fault

    @property
    def settled(self) -> bool:
        return self.known is not None and not self.doubt

    def held(self) -> Pulse:
        """The pulse as it is known now; raises ``StoreUnavailable`` while nobody knows the epoch."""
        if self.known is None or self.doubt:
            self.look.set()
            raise StoreUnavailable("the epoch is not known yet")
        return self.known

    def check(self, held: Pulse, raw: bytes | None) -> None:
        """After a call that read the pulse too: raises ``StoreUnavailable`` unless it is what came after ``held``."""
        if raw != self._encoded:
            shown = Pulse.read(raw)
            if shown is None or not shown.follows(held):
                self.suspect(held)
            elif self.known is not None and shown.follows(self.known):
                floor = self.floor(shown)
                self.know(floor if floor.follows(self.known) else self.known, raw)
        self.still(held)
        self.prove()

    def still(self, held: Pulse) -> None:
        """After a call that wrote: raises ``StoreUnavailable`` when its epoch may be over."""
        if self.doubt or self.known is None or self.known.name != held.name:
            raise StoreUnavailable("the epoch has just changed")

    def suspect(self, held: Pulse) -> None:
        """The store did not show what it has to: nobody reads until it is settled."""
        if self.known is not None and self.known.name == held.name:
            self.doubt = True
            self.look.set()

    def prove(self) -> None:
        """The pulse was right just now."""
        self._proved = self._ambient.monotonic()

    def unsure(self) -> None:
        """The store failed: whoever answers next may be another."""
        self._proved = None

    def proved(self, within: float) -> bool:
        """Whether the pulse was right less than so many seconds ago, without a fault since."""
        return self._proved is not None and self._ambient.monotonic() - self._proved < within

    def floor(self, shown: Pulse) -> Pulse:
        """What is sure of what was read."""
        return shown.floor if self._replicated else replace(shown, sure=shown.count)

    def know(self, pulse: Pulse, raw: bytes | None) -> None:
        """``raw``: how the store shows it."""
        self.known, self._encoded = pulse, raw

    def adopt(self, shown: Pulse, raw: bytes | None) -> Pulse | None:
        """It is the one in force; what was known before."""
        before = self.known
        if before is None or before.name != shown.name or shown.follows(before):  # else others read further meanwhile
            floor = self.floor(shown)
            self.know(before if before is not None and before.follows(floor) else floor, raw)
        self.doubt = False
        self.prove()
        return before
