"""What a systemd unit says, and a program run under its restrictions as far as they can be had without systemd as process 1.

``python -m tests.deploy.unit UNIT -- PROGRAM …`` in a mount namespace of its own: file systems read-only but for the folders
named in VTGW_WRITABLE, /proc of processes alone, capabilities, no new privileges, memory and system calls as the unit wants.
Not had: another user, PrivateDevices, PrivateTmp (a folder in TMPDIR serves), and the kernel's own protections.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_MASKED_EQUAL, _EQUAL = 7, 4
_WRITE, _EXEC, _SHM_EXEC = 2, 4, 0o100000
_NAMESPACES = 0x7E020080  # CLONE_NEW* of clone(2)


def directives(path: Path) -> dict[str, list[str]]:
    """Every setting of the [Service] section with its values in order; an empty one forgets those before (systemd.syntax)."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            if value:
                found[name].append(value)
            else:
                found[name].clear()
    return dict(found)


def syscalls(filters: list[str]) -> set[str]:
    """The system calls that are allowed: the sets by systemd's own account."""
    said = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets: dict[str, list[str]] = {}
    name = ""
    for line in said.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].append(line.strip())

    def whole(words: list[str]) -> set[str]:
        found: set[str] = set()
        for word in words:
            found |= whole(sets[word]) if word.startswith("@") else {word}
        return found

    allowed = whole(["@default"])
    for one in filters:
        if one.startswith("~"):
            allowed -= whole(one[1:].split())
        else:
            allowed |= whole(one.split())
    return allowed


class _Compare(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def restrict(unit: dict[str, list[str]]) -> None:
    """SystemCallFilter, MemoryDenyWriteExecute, RestrictAddressFamilies and RestrictNamespaces, for this process and its
    children; everything else answers EPERM. The rules are systemd's own (seccomp-util.c)."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))

    def allow(name: str, *conditions: _Compare) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # of another architecture
        array = (_Compare * max(1, len(conditions)))(*conditions)
        failed = library.seccomp_rule_add_array(context, ctypes.c_uint32(_ALLOW), number, len(conditions), array)
        assert failed == 0, (name, failed)

    narrowed: dict[str, list[_Compare]] = {}
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        narrowed["mmap"] = [_Compare(2, _MASKED_EQUAL, _WRITE | _EXEC, wanted) for wanted in (0, _WRITE, _EXEC)]
        narrowed["mprotect"] = narrowed["pkey_mprotect"] = [_Compare(2, _MASKED_EQUAL, _EXEC, 0)]
        narrowed["shmat"] = [_Compare(2, _MASKED_EQUAL, _SHM_EXEC, 0)]
    if families := unit.get("RestrictAddressFamilies"):
        narrowed["socket"] = [_Compare(0, _EQUAL, getattr(socket, one), 0) for one in families[-1].split()]
    if unit.get("RestrictNamespaces") == ["yes"]:
        narrowed["clone"] = [_Compare(0, _MASKED_EQUAL, _NAMESPACES, 0)]
        narrowed["unshare"] = narrowed["setns"] = []
    for name in sorted(syscalls(unit["SystemCallFilter"])):
        if name not in narrowed:
            allow(name)
        for condition in narrowed.get(name, ()):
            allow(name, condition)
    failed = library.seccomp_load(context)
    assert failed == 0, os.strerror(-failed)


def line(unit: Path, command: list[str]) -> list[str]:
    """The command that runs this one under the unit's restrictions."""
    said = directives(unit)
    assert said["NoNewPrivileges"] == ["yes"]
    kept = "".join(f",+{one.removeprefix('CAP_').lower()}" for one in said["CapabilityBoundingSet"])
    names = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    inside = (
        'mount --make-rprivate /; for one in $VTGW_WRITABLE; do mount --bind "$one" "$one"; done; '
        "mount -t proc -o subset=pid,hidepid=invisible proc /proc; mount -o remount,bind,ro /; cd /; "
        f'exec setpriv --no-new-privs --bounding-set -all{kept} --inh-caps -all{kept} --ambient-caps -all{kept} -- "$@"'
    )
    root = Path(__file__).parents[2]
    run = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(root)!r}); from tests.deploy.unit import main; main()",
    ]
    return ["unshare", *names, "--mount", "sh", "-euc", inside, "sh", *run, str(unit), "--", *command]


def main() -> None:
    unit = directives(Path(sys.argv[1]))
    command = sys.argv[sys.argv.index("--") + 1 :]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = min(int(unit.get("LimitNOFILE", [str(hard)])[-1]), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(int(unit["UMask"][-1], 8))
    restrict(unit)
    os.execv(command[0], command)  # noqa: S606 - the program a test gave
