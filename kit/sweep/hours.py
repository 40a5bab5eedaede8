"""The hours of a sweep: counted over all its sessions, so that a night that is interrupted has its rest later."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from kit.artefact import read_json, write_json

EVERY = 30.0
"""Seconds between entries in the book: what a killed session may go uncounted."""


class Hours:
    """The steady clock of one session over those that went before."""

    def __init__(self, path: Path, hours: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.allowed, self.clock = path, hours * 3600, clock
        self.before = float(read_json(path, rerun=f"rm {path}")["seconds"]) if path.exists() else 0.0
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
            write_json(self.path, {"seconds": self.spent, "allowed": self.allowed})
