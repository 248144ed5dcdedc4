"""Numbers of all workers in one answer, whichever of them is asked.

Each worker answers on a Unix socket in the folder where they meet, for itself alone: no question leads to another. Who is
asked for all asks the others at once and waits two seconds at most. Every sample then says whose it is: ``worker="2"``, the
slot, which stays when its process is replaced (a counter that begins again is seen as one); a process that drains after it
was replaced has its own name, ``worker="2-4711"``, until it has ended: summed into the slot's counter it would make that
fall when it goes, which reads as a reset. A gateway of one worker has no such label, as if it were alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.edges.sockets import SUPERVISOR_SOCKET, socket_of

_DEADLINE = 2.0  # seconds for all others together
_MOST = 4 << 20  # bytes of one answer
_NAME = re.compile(r"^(\d+)\.(\d+)\.sock$")
_SAMPLE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{?)", re.MULTILINE)


class Scrape:
    """``own``: this worker's numbers, as text. ``folder``: where workers meet; without one there is only this worker."""

    def __init__(self, folder: Path | None, slot: int, own: Callable[[], bytes]) -> None:
        self._folder = folder
        self._slot = slot
        self._own = own
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer the others. Raises ``OSError``."""
        if self._folder is not None:
            path = self._folder / socket_of(self._slot, os.getpid())
            self._server = await asyncio.start_unix_server(self._answer, path)

    async def close(self) -> None:
        if self._server is not None and self._folder is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                (self._folder / socket_of(self._slot, os.getpid())).unlink()

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_DEADLINE):
                writer.write(self._own())
                await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            writer.close()

    async def collect(self) -> bytes:
        """The numbers of all workers that answer in time, and the supervisor's."""
        folder = self._folder
        if folder is None:
            return self._own()
        others = _processes(folder)
        others.pop(os.getpid(), None)
        asked = {pid: folder / socket_of(slot, pid) for pid, slot in others.items()}
        said, *texts = await asyncio.gather(_ask(folder / SUPERVISOR_SOCKET), *map(_ask, asked.values()))
        answers = {pid: text for pid, text in zip(asked, texts, strict=True) if text}
        answers[os.getpid()] = self._own()
        slots = {**others, os.getpid(): self._slot}
        facts = _facts(said)
        if facts is None:  # the supervisor is silent: everybody who answers, by slot and process
            return merged((f"{slots[pid]}-{pid}", text) for pid, text in answers.items())
        serving: dict[int, str] = {pid: number for number, pid in facts["serving"].items()}
        alone = facts["workers"] == 1 and len(serving) == 1
        labelled = []
        for pid, text in answers.items():
            if pid in serving:
                labelled.append(("" if alone else serving[pid], text))
            elif pid in facts["leaving"] or pid == os.getpid():
                labelled.append((f"{slots[pid]}-{pid}", text))
        return merged([*labelled, ("", generate_latest(_supervised(facts, set(answers))))])


def merged(texts: Iterable[tuple[str, bytes]]) -> bytes:
    """Texts of the exposition format as one: families together, and this ``worker`` in each sample unless it is empty."""
    families: dict[bytes, tuple[bytes, list[bytes]]] = {}
    for worker, text in texts:
        for part in text.split(b"# HELP ")[1:]:
            head, _, rest = part.partition(b"\n")
            kind, _, samples = rest.partition(b"\n")
            if worker:
                label = f'worker="{worker}"'.encode()
                samples = _SAMPLE.sub(lambda one, label=label: _labelled(one, label), samples)  # type: ignore[misc]
            name = head.partition(b" ")[0]
            families.setdefault(name, (b"# HELP " + head + b"\n" + kind + b"\n", []))[1].append(samples)
    return b"".join(head + b"".join(samples) for head, samples in families.values())


def _labelled(sample: re.Match[bytes], label: bytes) -> bytes:
    return sample[1] + b"{" + label + (b"," if sample[2] else b"}")


def _processes(folder: Path) -> dict[int, int]:
    """The slot of each process that has a socket here."""
    with contextlib.suppress(OSError):
        found = (_NAME.match(name) for name in os.listdir(folder))  # noqa: PTH208 - names are all that is needed
        return {int(one[2]): int(one[1]) for one in found if one}
    return {}


async def _ask(path: Path) -> bytes:
    """What is said at this socket in time, or nothing."""
    found = b""
    try:
        async with asyncio.timeout(_DEADLINE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                while part := await reader.read(1 << 16):
                    found += part
                    if len(found) > _MOST:
                        return b""
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
    return found


def _facts(said: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(said)
        return found if isinstance(found["serving"], dict) and isinstance(found["leaving"], list) else None
    except (ValueError, KeyError, TypeError):
        return None


def _supervised(facts: Mapping[str, Any], answered: set[int]) -> CollectorRegistry:
    """What the supervisor says, as metrics."""
    workers = GaugeMetricFamily("vtgw_workers", "Workers that are configured")
    workers.add_metric([], facts["workers"])
    up = GaugeMetricFamily("vtgw_worker_up", "Whether this worker answered in time", labels=["worker"])
    for number, pid in facts["serving"].items():
        up.add_metric([number], int(pid in answered))
    restarts = CounterMetricFamily(
        "vtgw_worker_restarts", "Times a worker was started again after its process had died", labels=["worker"]
    )
    for number, count in facts.get("restarts", {}).items():
        restarts.add_metric([number], count)
    changes = CounterMetricFamily("vtgw_reloads", "Changes of all workers", labels=["by", "result"])
    for name, count in facts.get("changes", {}).items():
        changes.add_metric(name.split(" ", 1), count)
    found: list[Metric] = [workers, up, restarts, changes]
    last = facts.get("last", {})
    if last.get("result"):
        good = GaugeMetricFamily("vtgw_reload_successful", "Whether the last change of all workers was done")
        good.add_metric([], int(last["result"] == "done"))
        when = GaugeMetricFamily("vtgw_reload_timestamp_seconds", "When the last change ended, whatever came of it")
        when.add_metric([], last["at"])
        found += [good, when]
    version = GaugeMetricFamily("vtgw_supervisor_info", "The program the supervisor runs", labels=["version"])
    version.add_metric([facts.get("version", "")], 1)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Said([*found, version]))
    return registry


class _Said:
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> list[Metric]:
        return self._found
