"""The minutes that a run may take, and what of them is kept for what comes after training."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from kit.errors import ConfigError

RESERVE = 0.05
"""Share of the budget kept back for what no measurement foresees."""
SLOWEST = 4.0
"""Most that slow imports are believed: the first ones of a day are slow because of the disk alone."""
STAGES = 6.0
"""Seconds of blending, packaging and the report's page beside what grows with rows, on a machine that imports in
IMPORTS; more on a slower one."""
IMPORTS = 4.0
PER_CELL = 3e-6
"""Seconds of blending for one row of one recipe under one cell: nested scores refit the blend."""


@dataclass(frozen=True)
class Clock:
    """When a run began, and the minutes it may take; None for as long as it takes."""

    minutes: float | None = None
    started: float = field(default_factory=lambda: time.monotonic())
    """In the seconds of time.monotonic(); before anything slow was imported."""
    imports: float = IMPORTS
    """Seconds that importing took: every process takes them again, and they say how busy the machine is."""

    def remaining(self) -> float:
        """Seconds left of the budget, RESERVE kept back."""
        assert self.minutes is not None
        return self.minutes * 60 * (1 - RESERVE) - (time.monotonic() - self.started)

    def ending(self, work: float, practice: bool) -> float:
        """Seconds after training that do not depend on the networks: blend, package, start processes, report.

        work: predictions that the blend is made from, rows times cells times recipes.
        """
        return (STAGES + PER_CELL * work) * self.slower + self.starting(practice)

    def starting(self, practice: bool) -> float:
        """Seconds in which a rehearsal's processes import what they need: one, or the practice contest's three."""
        return (3 if practice else 1) * IMPORTS * self.slower

    def check(self, practice: bool) -> None:
        """ConfigError where the budget is over before anything is trained, whatever the recipes cost."""
        if self.minutes is not None and self.remaining() < self.ending(0, practice):
            least = (self.minutes * 60 * RESERVE + self.ending(0, practice) + time.monotonic() - self.started) / 60
            raise ConfigError(
                f"--budget {self.minutes:g}: starting, packaging and rehearsing alone take {least:.1f} minutes here. "
                f"Give more minutes"
            )

    @property
    def slower(self) -> float:
        """How much slower than in IMPORTS this machine imports, never under 1."""
        return min(max(1.0, self.imports / IMPORTS), SLOWEST)
