"""make fuzz: atheris over every target for a bounded time. python -m fuzz TARGET [FILE…] replays inputs without it.

python -m fuzz --seconds 60            # all targets, so many seconds in total
python -m fuzz door fuzz/crash-1234    # replay
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

_FOUND = Path("fuzz/found")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        fuzz(options.target, options.seconds)
    elif options.files:
        from fuzz.targets import TARGETS

        for file in options.files:
            TARGETS[options.target](file.read_bytes())
            print(f"{file}: holds")
    else:
        names = [options.target] if options.target else ["path", "head", "answer", "body", "door"]
        share = max(2, options.seconds // len(names))
        failed = [name for name in names if run(name, share)]
        sys.exit(1 if failed else 0)


def run(name: str, seconds: int) -> int:
    """One target in a process of its own: atheris ends its process itself."""
    print(f"== {name}: {seconds} s", flush=True)
    line = [sys.executable, "-m", "fuzz", name, "--inside", "--seconds", str(seconds)]
    code = subprocess.run(line).returncode
    if code:
        print(f"{name}: broken; replay with: python -m fuzz {name} {_FOUND}/crash-…", file=sys.stderr)
    return code


def fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["gateway.proxy", "gateway.request"]):
        from fuzz.targets import SEEDS, TARGETS
    _FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        words = [
            sys.argv[0],
            corpus,
            f"-max_total_time={seconds}",
            f"-artifact_prefix={_FOUND}/",
            "-print_final_stats=1",
        ]
        atheris.Setup(words, TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
