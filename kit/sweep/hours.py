"""The hours of a sweep: counted over all its sessions, so that an interrupted sweep has its rest later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from kit.artefact import read_json, write_json
from kit.errors import ArtefactError
from kit.storage import exists

EVERY = 30.0
"""Seconds between entries in the book: what a killed session may go uncounted."""


class Hours:
    """The steady clock of one session over those that went before.

    hours: allowed over all sessions; None: what the last session was allowed; endless before the first. study: the
    `kit.sweep.study.mark` of the study that they are spent on. ArtefactError where the book in `path` is another's.
    """

    def __init__(
        self, path: Path, hours: float | None, clock: Callable[[], float] = time.monotonic, study: str = ""
    ) -> None:
        book = read_json(path, rerun=f"rm {path}") if exists(path) else {"seconds": 0.0, "allowed": math.inf}
        if book.get("study", study) != study:
            what_to_do = f"Put this one's back, or count anew: rm {path}"
            raise ArtefactError(f"{path}: counts the hours of another study. {what_to_do}")
        self.path, self.clock, self.study = path, clock, study
        self.allowed = float(book["allowed"]) if hours is None else hours * 3600
        self.before = float(book["seconds"])
        self.began = self.noted = clock()

    @property
    def spent(self) -> float:
        """Seconds of all sessions."""
        return self.before + self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds that remain; below 0 when it is over."""
        return self.allowed - self.spent

    def note(self, now: bool = False) -> None:
        """Writes the book where it is time to."""
        if now or self.clock() - self.noted >= EVERY:
            self.noted = self.clock()
            write_json(self.path, {"seconds": self.spent, "allowed": self.allowed, "study": self.study})
