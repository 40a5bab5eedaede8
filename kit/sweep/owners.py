"""Which process runs which trial, so that what a dead one left is resumed, once, and what a live one does is not.

On one machine the kernel tells: an owner holds the lock of a file until it ends, however it ends. From another
machine a counter does, which an owner moves on once a minute: one that stands still for GRACE seconds of the
observer's own steady clock belongs to nobody. No clock of two machines is ever compared.
"""

from __future__ import annotations

import fcntl
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from kit.lock import remove_left_overs, take

BEAT, GRACE = 60.0, 300.0
RETRIES = 1
BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Another after every start of the machine."""
    return BOOT.read_text().strip() if BOOT.exists() else ""


class Owner:
    """This process, as the owner of trials."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_left_overs(folder, "*.lock")
        while True:
            self.path = folder.resolve() / f"{uuid.uuid4().hex[:12]}.lock"
            self._file = open(self.path, "w")  # noqa: SIM115
            if take(self._file.fileno(), self.path):
                break
            self._file.close()  # taken for a left-over in the moment before it was locked
        self.mark = {"host": socket.gethostname(), "boot": boot_id(), "lock": str(self.path)}
        self.clock, self._last, self._count = clock, clock(), 0

    def claim(self, trial: Trial) -> None:
        """Writes this process down as the owner."""
        trial.set_user_attr("owner", self.mark)

    def beat(self, trials: list[Trial]) -> None:
        """Moves the counters of running trials on, where it is time to."""
        if self.clock() - self._last < BEAT:
            return
        self._last, self._count = self.clock(), self._count + 1
        for trial in trials:
            trial.set_user_attr("beat", self._count)

    def close(self) -> None:
        """Ends ownership."""
        self.path.unlink(missing_ok=True)
        self._file.close()


class Watcher:
    """Finds trials whose owner is gone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._seen: dict[int, tuple[Any, float]] = {}

    def stale(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Those of `trials` that run for nobody."""
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        return [trial for trial in running if self._gone(trial)]

    def _gone(self, trial: FrozenTrial) -> bool:
        mark = trial.user_attrs.get("owner")
        gone = is_gone(mark) if mark else None
        if gone is not None:
            return gone
        beat, now = trial.user_attrs.get("beat"), self.clock()
        before, since = self._seen.setdefault(trial.number, (beat, now))
        if before != beat:
            self._seen[trial.number] = (beat, now)
            return False
        return now - since > GRACE


def is_gone(mark: dict[str, str]) -> bool | None:
    """Whether an owner has ended; None where it is on another machine."""
    if mark["host"] != socket.gethostname():
        return None
    return mark["boot"] != boot_id() or is_free(Path(mark["lock"]))


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file; a file that is gone is held by nobody."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


def requeue(study: Study, trial: FrozenTrial, reason: str, counts: bool = True) -> bool:
    """Ends a running trial and queues its parameters again; whether it did.

    One that was already tried again `RETRIES` times is ended for good, unless this interruption does not count.
    """
    retries = int(trial.user_attrs.get("retries", 0)) + counts
    handle = Trial(study, trial._trial_id)
    try:
        handle.set_user_attr("reason", reason)
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):  # another process was quicker
        return False
    if retries > RETRIES:
        return False
    attrs = {"retries": retries, "retry_of": trial.user_attrs.get("retry_of", trial.number)}
    study.enqueue_trial(trial.params, user_attrs=attrs)
    return True
