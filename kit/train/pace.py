"""How many steps a fit makes: those of its recipe, or fewer where it would end after its deadline.

The rule: schedules follow progress, from 0 at the first step to 1 after the last. While a fit is on its way to end
before its deadline, nothing depends on the clock, and it is the fit that it would be without one. Where the mean
time of its steps says that it would end later, the steps that are left become as many as fit in. Progress goes on
from where it is, in longer strides, so that the learning rate still anneals to its end. Steps are never added again.
"""

from __future__ import annotations

import time
from typing import Any

SLOW = 3
"""First steps of a process, which say nothing about the others."""
FIRST = 0.12
"""Share of the planned steps whose mean time is the first to be believed."""
LEAST = 0.02
"""Share of the planned steps that are left to anneal in, where the deadline has come."""


class Pace:
    """The steps of one fit, and how far it is."""

    def __init__(self, total: int, deadline: float | None = None) -> None:
        """deadline: in the seconds of time.monotonic(); None where the fit may take as long as it takes."""
        self.total = self.planned = total
        self.deadline = deadline
        self._step, self._progress = 0, 0.0
        self._seen: tuple[int, int, float] | None = None
        """Step at which this process began, step from which it measures, and the time then."""

    def progress(self, step: int) -> float:
        """How far the fit is at `step`, 0 to 1."""
        return self._progress + (1 - self._progress) * (step - self._step) / max(1, self.total - self._step)

    @property
    def shortened(self) -> bool:
        """Whether it makes fewer steps than were planned."""
        return self.total < self.planned

    def look(self, step: int) -> None:
        """To be called before every step: shortens the rest where it would take longer than there is time."""
        if self.deadline is None:
            return
        now = time.monotonic()
        left = self.deadline - now
        fit_in = 0 if left <= 0 else self._fit_in(step, now, left)
        if fit_in is None:
            return
        last = step + max(1, round(LEAST * self.planned), fit_in)
        if last < self.total:
            self._step, self._progress, self.total = step, self.progress(step), last

    def _fit_in(self, step: int, now: float, left: float) -> int | None:
        """Steps for which `left` seconds are enough; None while nobody knows."""
        self._seen = self._seen or (step, step, now)
        begun, first, started = self._seen
        if step - begun == SLOW:
            self._seen = begun, step, now
        made = step - first
        if step - begun <= SLOW or made < FIRST * self.planned:
            return None
        return int(left * made / max(now - started, 1e-9))

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        return {"total": self.total, "step": self._step, "progress": self._progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict`'s values."""
        self.total, self._step, self._progress = state["total"], state["step"], state["progress"]
