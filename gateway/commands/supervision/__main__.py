"""``python -m gateway.commands.supervision``: not for people; ``vt-gateway serve`` becomes this, and SIGUSR2 renews it.

What it goes on from is in the file whose descriptor is in ``VTGW_STATE``. With ``--try`` it only says whether it could.
"""

from __future__ import annotations

import os
import sys

from gateway.commands.supervision.loop import Supervisor
from gateway.commands.supervision.plan import read_whole
from gateway.commands.supervision.succession import STATE, State


def main() -> int:
    """The exit code."""
    fd = int(os.environ.pop(STATE))
    state = State.of(read_whole(fd))
    os.close(fd)
    if "--try" in sys.argv[1:]:
        return 0
    return Supervisor(state).run()


if __name__ == "__main__":
    sys.exit(main())
