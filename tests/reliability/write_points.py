"""Every call by which a process changes a store, as a place where it can die, be told to end, or find the disk full.

For child processes of tests alone: it replaces functions of `os`, and is never undone.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEEDS_SPACE = ("create", "mkdir", "half", "write", "fsync")
"""What a full disk refuses; names can be changed and taken away all the same."""
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}


@dataclass
class WritePoints:
    """Counts the write points under `root`, and strikes at number `at`, from 1; 0: never.

    what: kill, term or interrupt, by a signal to this process; full: no space from then on; stale: not a write but a
    read finds that its file handle is stale, once.
    """

    root: str
    at: int = 0
    what: str = "kill"
    twice: bool = False
    """Whether a second signal follows at the next point."""
    seen: list[str] = field(default_factory=list)

    def install(self) -> None:
        """Puts itself between this process and its file system."""
        if self.what == "stale":
            self._watch_reads()
            return
        for name in ("mkdir", "replace", "rename", "unlink", "fsync", "write"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        real_open, real_fdopen, real_os_open = builtins.open, os.fdopen, os.open

        def open_file(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if set(mode) & set("wax") and not isinstance(file, int) and not os.path.exists(file):
                self.pass_by("create", file)
            return real_open(file, mode, *rest, **more)

        def open_descriptor(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            if flags & os.O_CREAT and not os.path.exists(path):
                self.pass_by("create", path)
            return real_os_open(path, flags, *rest, **more)

        def fdopen(descriptor: int, mode: str = "r", *rest: Any, **more: Any) -> Any:
            file = real_fdopen(descriptor, mode, *rest, **more)
            return Halved(file, self) if "b" in mode and "w" in mode else file

        builtins.open, os.open, os.fdopen = open_file, open_descriptor, fdopen  # type: ignore[assignment]

    def _watch_reads(self) -> None:
        for module in (builtins, io):
            module.open = self._stale(module.open)  # type: ignore[attr-defined]

    def _stale(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def open_file(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            path = path_of(file)
            if path.startswith(self.root) and not set(mode) & set("wax+"):
                self.seen.append(f"read {path[len(self.root) + 1 :]}")
                if len(self.seen) == self.at:
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(file))
            return real(file, mode, *rest, **more)

        return open_file

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(target: Any, *rest: Any, **more: Any) -> Any:
            self.pass_by(name, target)
            return real(target, *rest, **more)

        return call

    def pass_by(self, name: str, target: Any) -> None:
        """One write point; strikes where it is the one."""
        path = path_of(target)
        if not path.startswith(self.root):
            return
        self.seen.append(f"{name} {path[len(self.root) + 1 :]}")
        now = len(self.seen)
        if self.what == "full":
            if self.at and now >= self.at and name in NEEDS_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        elif now == self.at or (self.twice and now == self.at + 1 and self.at):
            os.kill(os.getpid(), SIGNALS[self.what])


def path_of(target: Any) -> str:
    """Where a path or an open file lies; empty where that is nowhere."""
    try:
        return os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.path.abspath(os.fspath(target))
    except (OSError, TypeError, ValueError):
        return ""


class Halved:
    """A file in which every write passes a write point when half of it is on the disk."""

    def __init__(self, file: Any, points: WritePoints) -> None:
        self.file, self.points = file, points

    def write(self, data: bytes) -> int:
        """The first half, the point, the second half."""
        view = memoryview(data).cast("B")
        self.file.write(view[: len(view) // 2])
        self.file.flush()
        self.points.pass_by("half", self.file.fileno())
        self.file.write(view[len(view) // 2 :])
        return len(view)

    def __enter__(self) -> Halved:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def describe(points: list[str]) -> list[str]:
    """Points without what differs from run to run: digests, random names, process ids."""
    return [Path(point).name for point in points]
