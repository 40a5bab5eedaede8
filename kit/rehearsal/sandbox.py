"""Other people's code in a process of its own: no network, no files of the user, no environment, bounded.

On Linux it runs under a root of its own (`jail.py`) that shows the given folders read-only but those said
to be writable, without network, with its own processes and a small /dev/shm. Where namespaces are refused
(other systems, locked-down containers) the guard's audit hook refuses the same things from inside, which
honest code cannot tell apart but hostile code can evade; `Outcome.isolation` says which it was.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from kit.lock import temporary_folder
from kit.rehearsal.jail import ENVIRONMENT, SYSTEM, Mount, enter_script, namespaces
from kit.rehearsal.programs import guard

SUBMISSION = "/app/ingested_program"
"""Where a submission lies; the guard's notes name the lines of the code in it."""

MOST_LINKS = 40
"""Links in a row that are followed, as Linux does."""

MAX_OUTPUT_BYTES = 64 << 20
"""A process that prints more is ended."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one run; None is no bound."""

    seconds: float | None = None
    memory_mb: float | None = None
    shm_mb: float = 64
    threads: int | None = None


@dataclass(frozen=True)
class Interpreter:
    """A Python, the folders it needs, and the modules it must not find."""

    executable: Path
    folders: tuple[Path, ...]
    blocked: tuple[str, ...] = ()

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
class Outcome:
    """How a run ended."""

    returncode: int
    killed: str
    """Empty, or the bound that ended it: "time", "memory" or "output"."""
    seconds: float
    peak_mb: float
    """Most resident memory of the process and its children, sampled."""
    stdout: str
    stderr: str
    """The last 8,000 characters of each."""
    printed_bytes: int
    isolation: str
    """"namespaces" or "hooks"."""
    events: tuple[dict[str, str], ...]
    """What the guard noted, in order: kind, event, value, at."""


def run_isolated(job: Job, python: Interpreter, limits: Limits) -> Outcome:
    """Run a job, watched by the guard, until it ends or breaks a limit."""
    with temporary_folder() as place:
        for name in ("root", "guard"):
            (place / name).mkdir()
        shutil.copy(guard.__file__, place / "guard" / "guard.py")
        mounts = (*job.mounts, Mount(place / "guard", "/app/guard", writable=True))
        isolated = bool(namespaces())
        inside = str if isolated else functools.partial(_translate, mounts)
        _write_policy(place / "guard" / "policy.json", mounts, python, inside, isolated)
        parts = ["/app/guard/guard.py", "/app/guard/policy.json", job.script, *job.arguments]
        command = [str(python.executable), "-B", *map(inside, parts)]
        if isolated:
            seen = [*python.mounts(), *mounts]
            script = enter_script(place / "root", seen, limits.shm_mb, job.cwd, command)
            (place / "enter.sh").write_text(script)
            command = [*namespaces(), "sh", str(place / "enter.sh")]
        return _watch(command, place, "/" if isolated else inside(job.cwd), limits, isolated)


def _translate(mounts: Sequence[Mount], path: str) -> str:
    """Where a path inside the sandbox lies on this machine, when there is no root of its own."""
    for mount in mounts:
        if guard.within(path, [mount.target]):
            return str(mount.source) + path[len(mount.target) :]
    return path


def _write_policy(
    path: Path, mounts: Sequence[Mount], python: Interpreter, inside: Callable[[str], str], isolated: bool
) -> None:
    policy: dict[str, object] = {
        "events": inside("/app/guard/events.jsonl"),
        "watched": inside(SUBMISSION),
        "blocked": list(python.blocked),
    }
    if not isolated:
        libraries = [*SYSTEM, "/proc", "/sys", "/dev", *map(str, python.places()), *_links(python.executable)]
        policy["readable"] = [*libraries, *(str(mount.source) for mount in mounts)]
        policy["writable"] = ["/dev", *(str(mount.source) for mount in mounts if mount.writable)]
    path.write_text(json.dumps(policy))


def _watch(command: Sequence[str], place: Path, cwd: str, limits: Limits, isolated: bool) -> Outcome:
    """Run `command`, sampling its memory, until it ends or breaks a bound."""
    start = time.perf_counter()
    with open(place / "stdout", "wb") as stdout, open(place / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**ENVIRONMENT, "PATH": os.environ.get("PATH", ENVIRONMENT["PATH"])},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        _pin(process.pid, limits.threads)
        try:
            killed, peak = _wait(process, place, limits, start)
        finally:
            _end(process)
    return Outcome(
        returncode=process.returncode,
        killed=killed,
        seconds=time.perf_counter() - start,
        peak_mb=peak,
        stdout=_tail(place / "stdout"),
        stderr=_tail(place / "stderr"),
        printed_bytes=_printed(place),
        isolation="namespaces" if isolated else "hooks",
        events=_events(place / "guard" / "events.jsonl"),
    )


def _pin(pid: int, threads: int | None) -> None:
    """Leave the process as many cores as the platform has."""
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, sorted(os.sched_getaffinity(0))[:threads])


def _wait(process: subprocess.Popen[bytes], place: Path, limits: Limits, start: float) -> tuple[str, float]:
    """The bound that was broken ("" for none), and the peak memory in MB."""
    peak, pause = 0.0, 0.01
    while process.poll() is None:
        peak = max(peak, _resident_mb(process.pid))
        if limits.memory_mb and peak > limits.memory_mb:
            return "memory", peak
        if limits.seconds and time.perf_counter() - start > limits.seconds:
            return "time", peak
        if _printed(place) > MAX_OUTPUT_BYTES:
            return "output", peak
        time.sleep(pause)
        pause = min(0.1, pause * 1.2)
    return "", peak


def _resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total / (1 << 20)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started, also when the rehearsal itself is interrupted."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _printed(place: Path) -> int:
    return (place / "stdout").stat().st_size + (place / "stderr").stat().st_size


def _tail(path: Path) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 32_000))
        return file.read().decode("utf-8", "replace")[-8000:]


def _events(path: Path) -> tuple[dict[str, str], ...]:
    """The guard's notes; a line that the submission spoilt is left out."""
    events = []
    for line in path.read_text(errors="replace").splitlines()[:1000] if path.is_file() else []:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and {"kind", "event", "value", "at"} <= event.keys():
            events.append({key: str(value) for key, value in event.items()})
    return tuple(events)
