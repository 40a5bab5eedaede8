"""Bounds on memory and children of all processes together, by a control group (version 2) where one is delegated."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """A control group made for one run."""

    folder: Path

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process in it for memory."""
        events = _read(self.folder / "memory.events").split()
        return dict(zip(events[::2], events[1::2])).get("oom_kill", "0") != "0"

    def peak_mb(self) -> float:
        """Most memory of all its processes together; 0 on kernels before 5.19."""
        return int(_read(self.folder / "memory.peak") or 0) / (1 << 20)


@contextlib.contextmanager
def bounded(memory_mb: float | None, tasks: int, root: Path = ROOT) -> Iterator[Group | None]:
    """A group that holds no more than that; None where no group can be made, as in most containers."""
    group = next((made for parent in _parents(root) if (made := _make(parent, memory_mb, tasks))), None)
    try:
        yield group
    finally:
        if group is not None:
            _remove(group.folder)


def _parents(root: Path) -> list[Path]:
    """This process's own group and the one above, where a sibling may be allowed."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            own = root / path.lstrip("/")
            return [own, own.parent] if own != root else [own]
    return []


def _make(parent: Path, memory_mb: float | None, tasks: int) -> Group | None:
    """A group below `parent`; None where it has no say over memory."""
    if "memory" not in _read(parent / "cgroup.subtree_control").split():
        return None
    folder = parent / f"kit-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
    except OSError:
        return None
    try:
        if memory_mb:
            (folder / "memory.max").write_text(str(int(memory_mb) << 20))
            with contextlib.suppress(OSError):  # kernels without swap have none
                (folder / "memory.swap.max").write_text("0")
        with contextlib.suppress(OSError):
            (folder / "pids.max").write_text(str(tasks))
        if not os.access(parent / "cgroup.procs", os.W_OK):
            raise PermissionError(parent)
    except OSError:
        _remove(folder)
        return None
    return Group(folder)


def _remove(folder: Path) -> None:
    """Its processes have ended; the kernel may need a moment to see it."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.02)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
