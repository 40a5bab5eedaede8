"""Other people's code in a process of its own: no network, no files of the user, no environment, bounded.

On Linux it runs under a root of its own that shows the given folders read-only but those said to be writable, without
network, with its own processes and a small /dev/shm: bubblewrap's where that is installed, else `jail.py`'s. Where
namespaces are refused (locked-down containers), Landlock and the guard's audit hook refuse the same things; on other
systems the hook alone, which hostile code can evade. `Outcome.isolation` says which it was. In every kind the kernel
keeps the limits (`launch.py`) and refuses calls of administrators (`confine.py`).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.errors import DiskError
from kit.lock import temporary_folder
from kit.rehearsal import bubblewrap, cgroup, isolation, jail
from kit.rehearsal.jail import DEVICES, SYSTEM, Mount
from kit.rehearsal.leftovers import MOST_JSON_BYTES, read_bounded, settle
from kit.rehearsal.programs import confine, guard, launch
from kit.rehearsal.watch import TASKS, Ended, Limits, kernel_limits, watch

SUBMISSION = "/app/ingested_program"
"""Where a submission lies; the guard's notes name the lines of the code in it."""

WATCHERS = (Path(str(guard.__file__)), Path(str(confine.__file__)))
"""What runs in the process before the submission's code."""

MOST_LINKS = 40
"""Links in a row that are followed, as Linux does."""

LEAST_FREE = 1 << 16
"""Bytes; with less, results cannot be written."""


@dataclass(frozen=True)
class Interpreter:
    """A Python, the folders it needs, and the modules it must not find."""

    executable: Path
    folders: tuple[Path, ...]
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "executable", _without_dots(self.executable))
        object.__setattr__(self, "folders", tuple(map(_without_dots, self.folders)))

    def places(self) -> tuple[Path, ...]:
        """Its folders as they are named, and where links lead to: home folders of clusters are often links."""
        return tuple(dict.fromkeys(path for folder in self.folders for path in (folder.resolve(), folder)))

    def mounts(self) -> list[Mount]:
        """What a process must see to start it: its folders under every name, and every link on the way to it.

        Pythons of pyenv, conda and uv are chains of links through folders that are nobody's business: of those
        the executable alone is shown.
        """
        shown = [Mount(place.resolve(), str(place)) for place in self.places()]
        known = [*SYSTEM, *(mount.target for mount in shown)]
        real = self.executable.resolve()
        steps = [step for step in _links(self.executable) if not guard.within(step, known)]
        return [*shown, *(Mount(real, step) for step in steps)]


def _without_dots(path: Path) -> Path:
    """The path without "..", which leads through a folder that no sandbox shows: `../venv/bin/python` is usual."""
    if ".." not in path.parts:
        return path
    named = Path(os.path.normpath(path))
    through_links = not (named.exists() and path.exists() and named.samefile(path))
    return path.parent.resolve() / path.name if through_links else named


def _links(path: Path) -> list[str]:
    """The paths that a chain of links leads through, the last one included."""
    steps = [os.path.abspath(path)]
    while os.path.islink(steps[-1]) and len(steps) < MOST_LINKS:
        steps.append(os.path.normpath(os.path.join(os.path.dirname(steps[-1]), os.readlink(steps[-1]))))
    return steps


@dataclass(frozen=True)
class Job:
    """A script to run and what it sees; all paths are those inside of the sandbox."""

    script: str
    arguments: tuple[str, ...]
    mounts: tuple[Mount, ...]
    cwd: str


@dataclass(frozen=True)
class Outcome(Ended):
    """How a run ended, and what was seen of it."""

    isolation: str
    """One of `isolation.best`."""
    events: tuple[dict[str, str], ...]
    """What the guard noted, in order: kind, event, value, at."""


def run_isolated(job: Job, python: Interpreter, limits: Limits) -> Outcome:
    """Run a job, watched by the guard, until it ends or breaks a limit; what it wrote is then safe to open.

    DiskError where it failed and no room is left for what it writes.
    """
    with temporary_folder() as place:
        for name in ("root", "guard", "notes"):
            (place / name).mkdir()
        for program in WATCHERS:
            shutil.copy(program, place / "guard")
        mounts = (
            *job.mounts,
            Mount(place / "guard", "/app/guard"),
            Mount(place / "notes", "/app/notes", writable=True),
        )
        writable = [mount.source for mount in mounts if mount.writable]
        try:
            with cgroup.bounded(limits.memory_mb, TASKS) as group:
                ended = _run(job, python, limits, mounts, place, group)
            if ended.returncode and not ended.killed:
                _check_room(writable)
        finally:
            settle(writable)
        return Outcome(**vars(ended), isolation=isolation.best(), events=_events(place / "notes" / "events.jsonl"))


def _check_room(folders: Sequence[Path]) -> None:
    """DiskError for a full disk: what failed beside it says nothing about the submission."""
    for folder in folders:
        if shutil.disk_usage(folder).free < LEAST_FREE:
            raise DiskError(
                f"{folder}: No space left on device while the submission ran, which says nothing about it. Free space, "
                f"or set TMPDIR to a folder with more, then run the same command again"
            )


def _run(
    job: Job,
    python: Interpreter,
    limits: Limits,
    mounts: Sequence[Mount],
    place: Path,
    group: cgroup.Group | None,
) -> Ended:
    """Start the job as this machine isolates best, and watch it."""
    kind = isolation.best()
    inside = str if kind in isolation.OWN_ROOT else functools.partial(_translate, mounts)
    _write_policy(place / "guard" / "policy.json", mounts, python, inside, kind)
    parts = ["/app/guard/guard.py", "/app/guard/policy.json", job.script, *job.arguments]
    command = [str(python.executable), "-B", *map(inside, parts)]
    if kind in isolation.OWN_ROOT:
        seen = [*python.mounts(), *mounts]
        command = _entered(kind, place, seen, limits.shm_mb, job.cwd, command)
    settings = {
        "limits": kernel_limits(limits),
        "cgroup": str(group.folder) if group else "",
        "usage": str(place / "usage.json"),
        "parent": os.getpid(),
    }
    (place / "launch.json").write_text(json.dumps(settings))
    launched = [sys.executable, "-I", "-S", "-B", launch.__file__, str(place / "launch.json"), *command]
    cwd = "/" if kind in isolation.OWN_ROOT else inside(job.cwd)
    writable = [mount.source for mount in mounts if mount.writable]
    return watch(launched, place, cwd, limits, writable, group)


def _entered(
    kind: str, place: Path, seen: Sequence[Mount], shm_mb: float, cwd: str, command: Sequence[str]
) -> list[str]:
    """The command that runs another under a root of its own."""
    if kind == "bubblewrap":
        return bubblewrap.enter_command(place, seen, shm_mb, cwd, command)
    (place / "enter.sh").write_text(jail.enter_script(place / "root", seen, shm_mb, cwd, command))
    return [*jail.namespaces(), "sh", str(place / "enter.sh")]


def _translate(mounts: Sequence[Mount], path: str) -> str:
    """Where a path inside the sandbox lies on this machine, when there is no root of its own."""
    for mount in mounts:
        if guard.within(path, [mount.target]):
            return str(mount.source) + path[len(mount.target) :]
    return path


READABLE_PROC = ("cpuinfo", "meminfo", "stat", "version", "filesystems", "sys/vm", "sys/kernel")
"""What libraries ask of /proc beside their own process; other processes are nobody's business."""


def _write_policy(
    path: Path, mounts: Sequence[Mount], python: Interpreter, inside: Callable[[str], str], kind: str
) -> None:
    own_root = kind in isolation.OWN_ROOT
    policy: dict[str, object] = {
        "events": inside("/app/notes/events.jsonl"),
        "watched": inside(SUBMISSION),
        "blocked": list(python.blocked),
        "network": own_root,
    }
    if not own_root:
        devices = [f"/dev/{name}" for name in DEVICES]
        libraries = [*SYSTEM, "/sys/devices/system", *map(str, python.places()), *_links(python.executable)]
        libraries += [f"/proc/{name}" for name in READABLE_PROC]
        policy["readable"] = [*libraries, *devices, *(str(mount.source) for mount in mounts)]
        policy["writable"] = [*devices, "/dev/shm", *(str(mount.source) for mount in mounts if mount.writable)]
    path.write_text(json.dumps(policy))


def _events(path: Path) -> tuple[dict[str, str], ...]:
    """The guard's notes; a line that the submission spoilt is left out."""
    events = []
    for line in read_bounded(path, MOST_JSON_BYTES).decode("utf-8", "replace").splitlines()[:1000]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and {"kind", "event", "value", "at"} <= event.keys():
            events.append({key: str(value) for key, value in event.items()})
    return tuple(events)
