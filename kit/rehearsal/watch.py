"""A process within bounds: what the kernel keeps it to, and what is seen by looking at it again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from kit.rehearsal.cgroup import Group
from kit.rehearsal.jail import ENVIRONMENT
from kit.rehearsal.leftovers import MOST_JSON_BYTES, read_bounded, size_of

MAX_OUTPUT_BYTES = 64 << 20
"""A process that prints more is ended."""

MOST_PROCESSES = 64
"""A submission that has more at once is ended; a pool of a worker a core is far below on a platform."""

TASKS = 1024
"""Processes and threads together, kept by the kernel: a pool of threads a library is not near it."""

LOOK_AT_FILES = 1.0
"""Seconds between two looks at what was written: counting files takes time."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one run; None is no bound."""

    seconds: float | None = None
    memory_mb: float | None = None
    shm_mb: float = 64
    threads: int | None = None
    disk_mb: float = 4096
    """Of one file, by the kernel, and of all in the writable folders, looked at every second."""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    returncode: int
    killed: str
    """Empty, or the bound that ended it: "time", "memory", "output", "disk" or "children"."""
    seconds: float
    peak_mb: float
    """Most resident memory: of all its processes, sampled, or of one of them, as the kernel counted it."""
    stdout: str
    stderr: str
    """The last 8,000 characters of each."""
    printed_bytes: int


def kernel_limits(limits: Limits) -> dict[str, int]:
    """RLIMITs of a run: each process may have them, whatever it does between two looks.

    Memory is bounded by RLIMIT_DATA, which counts what is written to; address space (RLIMIT_AS) is no measure, because
    torch reserves gigabytes that it never touches. A process of its own thus meets it at one and a half times the
    platform's limit and 1 GiB, where a look between would have ended it before.
    """
    memory_mb = limits.memory_mb * 1.5 + 1024 if limits.memory_mb else psutil.virtual_memory().total / (1 << 20)
    found = {"CORE": 0, "FSIZE": int(limits.disk_mb) << 20, "DATA": int(memory_mb) << 20}
    if limits.seconds:
        found["CPU"] = int(limits.seconds * (limits.threads or os.cpu_count() or 1)) + 10
    if hasattr(os, "getuid") and os.getuid():  # the kernel does not hold root to it
        found["NPROC"] = _own_tasks() + TASKS
    return found


def _own_tasks() -> int:
    """Threads of this user: RLIMIT_NPROC counts them all."""
    total = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids, threads = process.info["uids"], process.info["num_threads"]
        total += threads if uids and threads and uids.real == os.getuid() else 0
    return total


def watch(
    command: Sequence[str], place: Path, cwd: str, limits: Limits, writable: Sequence[Path], group: Group | None
) -> Ended:
    """Run `command` (of `launch.py`) until it ends or breaks a bound; its output goes to files in `place`."""
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
            killed, sampled = _wait(process, place, limits, writable, start)
        finally:
            _end(process)
    peak = max(sampled, _counted_mb(place / "usage.json"), group.peak_mb() if group else 0.0)
    if not killed and _over(peak, limits, group):
        killed = "memory"
    return Ended(
        returncode=process.returncode,
        killed=killed,
        seconds=time.perf_counter() - start,
        peak_mb=peak,
        stdout=_tail(place / "stdout"),
        stderr=_tail(place / "stderr"),
        printed_bytes=_printed(place),
    )


def _over(peak: float, limits: Limits, group: Group | None) -> bool:
    """Whether more memory was used than allowed, be it in a burst that no look saw."""
    return bool(limits.memory_mb and peak > limits.memory_mb) or bool(group and group.out_of_memory())


def _pin(pid: int, threads: int | None) -> None:
    """Leave the process as many cores as the platform has."""
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, sorted(os.sched_getaffinity(0))[:threads])


def _wait(
    process: subprocess.Popen[bytes], place: Path, limits: Limits, writable: Sequence[Path], start: float
) -> tuple[str, float]:
    """The bound that was broken ("" for none), and the peak memory in MB."""
    peak, pause, next_look = 0.0, 0.01, start + LOOK_AT_FILES
    while process.poll() is None:
        family = list(_family(process.pid))
        peak = max(peak, _resident_mb(family))
        now = time.perf_counter()
        if limits.memory_mb and peak > limits.memory_mb:
            return "memory", peak
        if limits.seconds and now - start > limits.seconds:
            return "time", peak
        if _printed(place) > MAX_OUTPUT_BYTES:
            return "output", peak
        if len(family) > MOST_PROCESSES:
            return "children", peak
        if now > next_look:
            next_look = now + LOOK_AT_FILES
            if size_of(writable) > limits.disk_mb * (1 << 20):
                return "disk", peak
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        pause = min(0.1, pause * 1.2)
    over = size_of(writable) > limits.disk_mb * (1 << 20)
    return "disk" if over else "", peak


def _family(pid: int) -> Iterator[psutil.Process]:
    """What a launcher started, itself left out."""
    try:
        yield from psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return


def _resident_mb(family: Sequence[psutil.Process]) -> float:
    """Resident memory of them all."""
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total / (1 << 20)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all that runs, also when the rehearsal itself is interrupted: the launcher last, which adopts orphans."""
    for _ in range(50):
        family = list(_family(process.pid)) if process.poll() is None else []
        if not family:
            break
        for member in family:
            try:
                member.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(family, timeout=0.1)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _counted_mb(path: Path) -> float:
    """What the kernel counted for the launcher; 0 where it was ended before."""
    try:
        return float(json.loads(read_bounded(path, MOST_JSON_BYTES))["peak_mb"])
    except (ValueError, KeyError):
        return 0.0


def _printed(place: Path) -> int:
    return (place / "stdout").stat().st_size + (place / "stderr").stat().st_size


def _tail(path: Path) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 32_000))
        return file.read().decode("utf-8", "replace")[-8000:]
