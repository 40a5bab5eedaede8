"""What the kernel refuses a process from now on: `confine(plan)`, before any other people's code runs in it.

No capabilities and no way to new ones, a filter of system calls that no honest submission makes, and, where no
namespace hides the files, Landlock. All of it is inherited by children and cannot be undone. What a kernel lacks
is left out: `python confine.py` prints which of it holds here.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Any

SET_NO_NEW_PRIVILEGES, DROP_BOUNDING, SET_SECCOMP, FILTER = 38, 24, 22, 2
LAST_CAPABILITY = 63

REFUSED = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "syslog": (103, 116),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "vhangup": (153, 58),
}
"""Calls for administrators and debuggers: number on x86_64, on aarch64."""

SOCKET, CLONE, CLONE3 = (41, 198), (56, 220), (435, 435)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the numbers above, and the kernel's name of the machine."""

NEW_NAMESPACES = 0x7E020000
NOT_PERMITTED, NOT_THERE, UNREACHABLE = 1, 38, 101
"""EPERM, ENOSYS, ENETUNREACH."""

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ, WRITE, OF_FILES = 0b1101, 0b1111111110010, 0b110
"""Rights of Landlock's first version: run, read, list; write, make, remove; those that a file can have."""
EXECUTE, MOVE, TRUNCATE, DEVICE_CONTROL = 1, 1 << 13, 1 << 14, 1 << 15


def library() -> Any:
    """The C library, whose calls set errno."""
    return ctypes.CDLL(None, use_errno=True)


def drop_privileges() -> None:
    """No capabilities, for root too, and none by running another program."""
    libc = library()
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(DROP_BOUNDING, capability, 0, 0, 0)
    libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))


def program(network: bool) -> bytes:
    """The filter in the kernel's form; empty where the machine's calls are not known.

    Without `network` no socket is made, not even to a service of this machine, whose socket file Landlock does not
    cover; pairs (socketpair) are another call.
    """
    if platform.machine() not in MACHINES or struct.calcsize("P") != 8:
        return b""
    column, machine = MACHINES[platform.machine()]
    refuse, allow = returned(NOT_PERMITTED), step(0x06, 0x7FFF0000)
    lines = [step(0x20, 4), step(0x15, machine, 1, 0), refuse, step(0x20, 0)]
    if column == 0:  # x86_64 has a second table of calls
        lines += [step(0x35, 0x40000000, 0, 1), refuse]
    for numbers in REFUSED.values():
        lines += [step(0x15, numbers[column], 0, 1), refuse]
    lines += [step(0x15, CLONE3[column], 0, 1), returned(NOT_THERE)]  # its flags lie in memory; clone is used instead
    lines += [step(0x15, CLONE[column], 0, 4), step(0x20, 16), step(0x45, NEW_NAMESPACES, 0, 1), refuse, allow]
    if not network:
        lines += [step(0x15, SOCKET[column], 0, 1), returned(UNREACHABLE)]
    return b"".join([*lines, allow])


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction of a filter."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def returned(error: int) -> bytes:
    """End with that errno."""
    return step(0x06, 0x00050000 | error)


def filter_calls(network: bool) -> bool:
    """Refuse `REFUSED` and namespaces, and the network where told; whether that holds."""
    code = program(network)
    if not code:
        return False
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    return library().prctl(SET_SECCOMP, FILTER, header, 0, 0) == 0


def landlock_version() -> int:
    """Landlock's version here, 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, library().syscall(LANDLOCK_CREATE, None, 0, 1))


def landlock(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Nothing outside of these files and folders is opened, and no signal leaves; whether that holds."""
    version = landlock_version()
    if not version:
        return False
    write = WRITE | (MOVE if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    handled = READ | write | (DEVICE_CONTROL if version >= 5 else 0)
    attributes = struct.pack("QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    libc = library()
    rules = libc.syscall(LANDLOCK_CREATE, attributes, size, 0)
    if rules < 0:
        return False
    for path in readable:
        permit(libc, rules, path, READ)
    for path in writable:
        permit(libc, rules, path, READ | write)
    done = libc.syscall(LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return done


def permit(libc: Any, rules: int, path: str, rights: int) -> None:
    """Add a path, where it exists, to the rules."""
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= OF_FILES | EXECUTE | TRUNCATE
    libc.syscall(LANDLOCK_ADD, rules, 1, struct.pack("=Qi", rights, opened), 0)
    os.close(opened)


def confine(readable: Sequence[str] | None, writable: Sequence[str], network: bool) -> dict[str, bool]:
    """Give up what a submission does not need; `readable` None where a root of its own hides all files."""
    if not sys.platform.startswith("linux"):
        return {"landlock": False, "filter": False}
    drop_privileges()
    hidden = landlock(readable, writable) if readable is not None else False
    return {"landlock": hidden, "filter": filter_calls(network)}


if __name__ == "__main__":
    print(json.dumps(confine(["/"], [], network=False)))
