"""Programs that a test of deploy/ starts: waited for, and ended with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Wait until this is so; the test fails when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)


def replaced(text: str, changes: Mapping[str, object]) -> str:
    """A sample with this test's names and places; each of them has to stand in it."""
    for old, new in changes.items():
        assert old in text, f"the sample does not say {old}"
        text = text.replace(old, str(new))
    return text


@contextmanager
def started(line: Sequence[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the end of the block; SIGTERM, and SIGKILL ten seconds later."""
    with log.open("ab") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(line: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    """A program to its end, with what it said."""
    return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False, **options)  # type: ignore[call-overload,no-any-return]
