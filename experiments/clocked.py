"""A gateway of one worker whose clock can be moved while it runs: the system's own is everybody's.

The same composition root as ``vt-gateway serve``, with the ambient that the demo has: the wall clock is the system's and an
offset, durations stay real. The offset, in seconds, is eight bytes in the file beside the configuration.

python -m experiments.clocked --config FILE
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import os
import signal
import struct
from datetime import timedelta
from pathlib import Path

from gateway.app import Gateway
from gateway.edges import logs
from gateway.edges.system import SystemAmbient
from gateway.settings import load

_SHAPE = struct.Struct("<d")


def offset_file(config: Path) -> Path:
    return config.with_suffix(".offset")


def move(config: Path, seconds: float) -> None:
    """From now on the clock of the gateway with this configuration is so many seconds ahead."""
    path = offset_file(config)
    path.touch()
    with path.open("r+b") as file:
        file.write(_SHAPE.pack(seconds))


async def main(config: Path) -> None:
    if not offset_file(config).exists():
        move(config, 0.0)
    with offset_file(config).open("r+b") as file, mmap.mmap(file.fileno(), _SHAPE.size) as shared:
        settings = load(config, os.environ)
        logs.configure(settings.log.level)
        gateway = Gateway(settings, ambient=SystemAmbient(lambda: timedelta(seconds=_SHAPE.unpack_from(shared)[0])))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await gateway.start()
        await stop.wait()
        await gateway.stop(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m experiments.clocked")
    parser.add_argument("--config", type=Path, required=True)
    asyncio.run(main(parser.parse_args().config))
