"""What one supervisor hands to the next when the process becomes a new program: everything it knows, as text in a memory
file; descriptors keep their numbers, children stay children. ``serve`` begins the same way, with a plan and nothing else.

Both programs may be of different versions: what is not known is passed over, what is missing has a default.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from gateway.commands.supervision.plan import Plan, in_memory
from gateway.commands.supervision.processes import State as WorkerState
from gateway.commands.supervision.processes import Worker
from gateway.commands.supervision.slots import Slot

STATE = "VTGW_STATE"


@dataclass
class State:
    """``alive``: both ends of the pipe that ends with the supervisor; ``folder``: where workers meet (metrics);
    ``next``: the plan to replace all workers by, after an upgrade; ``wanted``: a change that was asked for meanwhile."""

    config: str
    plan: Plan
    listeners: list[tuple[str, int, int]] = field(default_factory=list)
    alive: tuple[int, int] | None = None
    folder: str | None = None
    slots: list[Slot] = field(default_factory=list)
    leaving: list[Worker] = field(default_factory=list)
    next: Plan | None = None
    wanted: str | None = None
    changes: dict[str, int] = field(default_factory=dict)

    def descriptors(self) -> list[int]:
        """What the next one must inherit."""
        workers = [*self.leaving, *(worker for slot in self.slots for worker in slot.workers())]
        pipes = [one.heard for one in workers if one.heard >= 0]
        return [*(fd for *_, fd in self.listeners), *(self.alive or ()), *pipes]

    def dump(self) -> str:
        plans: list[Plan] = []

        def numbered(plan: Plan | None) -> int | None:
            """Plans are equal in most slots, and hold whole files: each is written once."""
            if plan is None:
                return None
            if plan not in plans:
                plans.append(plan)
            return plans.index(plan)

        said = {
            "config": self.config,
            "plan": numbered(self.plan),
            "next": numbered(self.next),
            "listeners": self.listeners,
            "alive": self.alive,
            "folder": self.folder,
            "slots": [
                {
                    "number": slot.number,
                    "plan": numbered(slot.plan),
                    "serving": slot.serving and _worker(slot.serving),
                    "coming": slot.coming and _worker(slot.coming),
                    "due": slot.due,
                    "pause": slot.pause,
                    "restarts": slot.restarts,
                }
                for slot in self.slots
            ],
            "leaving": [_worker(one) for one in self.leaving],
            "wanted": self.wanted,
            "changes": self.changes,
        }
        return json.dumps({**said, "plans": [asdict(plan) for plan in plans]})

    @classmethod
    def of(cls, text: str) -> State:
        """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what cannot be gone on from."""
        given = json.loads(text)
        plans = [Plan.of(json.dumps(one)) for one in given["plans"]]
        then = given.get("next")
        alive = given.get("alive")
        return cls(
            config=given["config"],
            plan=plans[given["plan"]],
            listeners=[(str(host), int(port), int(fd)) for host, port, fd in given.get("listeners", ())],
            alive=(int(alive[0]), int(alive[1])) if alive else None,
            folder=given.get("folder"),
            slots=[
                Slot(
                    int(one["number"]),
                    plans[one["plan"]],
                    _restored(one.get("serving")),
                    _restored(one.get("coming")),
                    one.get("due"),
                    float(one.get("pause", 0)),
                    int(one.get("restarts", 0)),
                )
                for one in given.get("slots", ())
            ],
            leaving=[worker for one in given.get("leaving", ()) if (worker := _restored(one)) is not None],
            next=None if then is None else plans[then],
            wanted=given.get("wanted"),
            changes=dict(given.get("changes", {})),
        )


def _worker(one: Worker) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Worker.__dataclass_fields__}


def _restored(given: Mapping[str, Any] | None) -> Worker | None:
    if given is None:
        return None
    known = {name: given[name] for name in Worker.__dataclass_fields__ if name in given}
    return Worker(**{**known, "state": WorkerState(known.get("state", "serving"))})


def line(config: str, *more: str) -> list[str]:
    """The command of a supervisor; ``config`` is there for who looks at the list of processes."""
    return [sys.executable, "-m", "gateway.commands.supervision", "--config", config, *more]


def environment(fd: int) -> dict[str, str]:
    return {**os.environ, STATE: str(fd)}


def become(state: State, more: Iterable[int] = ()) -> NoReturn:
    """This process goes on as the supervisor on disk. Raises ``OSError`` when it cannot be run; all is as before then."""
    fd = in_memory("state", state.dump())
    kept = [fd, *state.descriptors(), *more]
    try:
        for one in kept:
            os.set_inheritable(one, True)
        os.execve(sys.executable, line(state.config), environment(fd))  # noqa: S606 - ourselves
    except OSError:
        for one in kept:
            os.set_inheritable(one, False)
        os.close(fd)
        raise
