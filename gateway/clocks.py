"""Clocks of several machines: how far they may be apart, and the age of what another machine dated. Pure.

Machines that share a store and a database keep their clocks by NTP; seconds remain. What was dated a moment ago by a
machine that runs ahead lies in the future here, and is as good as new. What lies further ahead was dated before a clock
was set back, and is nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

SKEW = timedelta(seconds=60)  # steps below this are not noticed by users


def lately(at: datetime, now: datetime, life: timedelta) -> bool:
    """Whether ``at``, written by any machine, lies less than ``life`` back."""
    return -SKEW <= now - at < life
