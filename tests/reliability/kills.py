"""One store through many deaths: commands that are killed and started again until they end by themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from essence import differences, essence, strays
from lives import Life, Lives, processes_of
from toy_store import finished_folds, finished_trials

MOST_LIVES = 400
AFTERMATH = 5.0
"""Seconds in which the workers of a process that is gone must end."""


@dataclass
class Chain:
    """The lives of one store."""

    lives: Lives
    root: Path
    killed: int = 0
    finished: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Folds and trials that are done, and what they came to."""

    def die(self, argv: Sequence[str], at: int = 0, what: str = "kill", after: float | None = None) -> Life:
        """One life, after which no finished fold may have been trained again."""
        life = self.lives.live(self.root, *argv, at=at, what=what, after=after)
        self.killed += life.killed
        self.remember(life)
        return life

    def remember(self, life: Life) -> None:
        """Holds the markers of folds, and trials, against those that were there before."""
        now = finished_folds(self.root) | finished_trials(self.root)
        repeated = [path for path, made in self.finished.items() if now.get(path) != made]
        assert repeated == [], f"finished folds or trials were made again: {repeated}\n{life.output}"
        self.finished = now

    def until_done(self, argv: Sequence[str], generator: random.Random, most: int) -> Life:
        """Killed at a random one of about the next `most` write points again and again, until it ends by itself."""
        for number in range(MOST_LIVES):  # lives grow longer: a run of what is all there passes many points, too
            life = self.die(argv, at=generator.randint(1, most + 10 * number))
            if not life.killed:
                assert life.code == 0, life.output
                return life
        raise AssertionError(f"not done after {MOST_LIVES} lives")

    def at_moments(self, argv: Sequence[str], generator: random.Random, times: int, seconds: float) -> None:
        """Killed at random moments of its first `seconds`."""
        for _ in range(times):
            self.die(argv, after=generator.uniform(0.1, seconds))

    def to_its_end(self, argv: Sequence[str]) -> Life:
        """A life that nothing disturbs."""
        life = self.die(argv)
        assert life.code == 0, life.output
        return life

    def check(self, wanted: dict[str, str]) -> None:
        """The store is the one of an uninterrupted run, and nothing is left over."""
        differing = differences(essence(self.root), wanted)
        assert differing == [], f"not as an uninterrupted run leaves it: {differing}"
        self.check_clean()

    def check_clean(self) -> None:
        """No half-written file, lock, temporary folder or process."""
        ends = time.monotonic() + AFTERMATH
        while (found := processes_of(self.lives.scratch, self.lives.process.pid)) and time.monotonic() < ends:
            time.sleep(0.2)
        assert found == [], f"still running: {found}"
        left = strays(self.root, self.lives.scratch / "tmp")
        assert left == [], f"left over: {left}"
