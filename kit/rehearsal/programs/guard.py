"""Run a script as a platform would, watched: `python guard.py POLICY.json SCRIPT [ARGUMENT ...]`.

POLICY holds "events" (path of the log, a JSON value a line), "watched" (folder whose code is to be named in
the log), "blocked" (top-level modules that the platform does not have) and, where no namespace keeps the
script in, "readable" and "writable" (folders outside of which opening is refused; null where a namespace
does it); "network" says that a namespace keeps it off the network. What the kernel can refuse, it refuses from
then on (`confine.py`, beside this file); the hook names what was tried. Audit hooks need Python 3.8; older ones only
block modules.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
PROCESSES = ("os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec", "os.system")
LOOKUP = os.path.join(os.path.dirname(os.__file__), "ctypes", "util.py")
CHANGES = (
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "os.utime"),
    *("os.symlink", "os.link"),
)


class Hiding:
    """A meta path finder that does not see modules the platform does not have, and else is the one it is given.

    It finds nothing rather than raising, because libraries ask `importlib.util.find_spec` what is there.
    """

    def __init__(self, finder: Any, blocked: Sequence[str]) -> None:
        self.finder, self.blocked = finder, frozenset(blocked)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the finder finds; None for a hidden module."""
        return None if name.partition(".")[0] in self.blocked else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


class Watch:
    """An audit hook that logs, and refuses, what a submission must not do."""

    def __init__(self, policy: dict[str, Any]) -> None:
        self.log = os.open(policy["events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.watched = policy["watched"]
        self.readable: list[str] | None = policy.get("readable")
        self.writable: list[str] | None = policy.get("writable")
        self.busy = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.busy or not (event == "open" or event in NETWORK + PROCESSES + CHANGES):
            return
        self.busy = True
        try:
            self.judge(event, arguments)
        finally:
            self.busy = False

    def judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in NETWORK and not is_local(arguments):
            self.note("network", event, str(arguments[-1]))
            raise OSError(101, "Network is unreachable")
        if event in PROCESSES and not looks_up_a_library():
            self.note("process", event, "")
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            writing = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
            self.opened(os.path.abspath(os.fsdecode(arguments[0])), writing)
        if event in CHANGES and isinstance(arguments[0], (str, bytes)):
            self.opened(os.path.abspath(os.fsdecode(arguments[0])), True)

    def opened(self, path: str, writing: bool) -> None:
        if writing and within(path, [self.watched]):
            self.note("write", "open", path)
        allowed = self.writable if writing else self.readable
        if allowed is not None and not within(path, allowed):
            self.note("outside", "open", path)
            raise PermissionError(13, "Permission denied", path)

    def note(self, kind: str, event: str, value: str) -> None:
        line = json.dumps({"kind": kind, "event": event, "value": value[:300], "at": self.place()})
        os.write(self.log, line.encode("utf-8") + b"\n")

    def place(self) -> str:
        """File and line of the submission's code that led here, or "" where none did."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if within(name, [self.watched]):
                return f"{os.path.relpath(name, self.watched)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


def looks_up_a_library() -> bool:
    """Whether `ctypes.util.find_library` asks, which runs ldconfig: importing torch does, where cuda.pathfinder is."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename != LOOKUP:
        frame = frame.f_back
    return frame is not None


def is_local(arguments: tuple[Any, ...]) -> bool:
    """Whether a socket event concerns a socket file of this machine, which leads nowhere else."""
    return isinstance(arguments[-1], (str, bytes)) and os.fsdecode(arguments[-1]).startswith(("/", "\0"))


def within(path: str, folders: Sequence[str]) -> bool:
    """Whether `path` is one of `folders` or lies in one."""
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def main(policy_path: str, script: str, arguments: list[str]) -> None:
    """Install the guard and run `script` as the main program, with its own folder first on the path."""
    with open(policy_path, encoding="utf-8") as file:
        policy = json.load(file)
    if policy.get("readable") is not None:
        policy["readable"] += ["/proc/self", "/proc/thread-self", "/proc/%d" % os.getpid()]
    confine = __import__("confine").confine
    del sys.modules["confine"]  # the name may be the submission's
    confine(policy.get("readable"), policy.get("writable") or (), policy["network"])
    sys.meta_path[:] = [Hiding(finder, policy["blocked"]) for finder in sys.meta_path]
    sys.argv = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(Watch(policy))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
