"""One store through many deaths: commands that are killed and started again until they end by themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from essence import differences, essence, strays
from lives import Life, Lives, processes_of
from toy_store import finished_folds

MOST_LIVES = 400
AFTERMATH = 5.0
"""Seconds in which the workers of a process that is gone must end."""


@dataclass
class Chain:
    """The lives of one store."""

    lives: Lives
    root: Path
    killed: int = 0
    struck: list[str] = field(default_factory=list)
    finished: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def die(self, argv: Sequence[str], at: int = 0, what: str = "kill", after: float | None = None) -> Life:
        """One life, after which no finished fold may have been trained again."""
        life = self.lives.live(self.root, *argv, at=at, what=what, after=after)
        self.killed += life.killed
        self.remember(life)
        return life

    def remember(self, life: Life) -> None:
        """Holds the markers of folds against those that were there before."""
        now = finished_folds(self.root)
        repeated = [path for path, made in self.finished.items() if now.get(path) != made]
        assert repeated == [], f"finished folds were made again: {repeated}\n{life.output}"
        self.finished = now

    def until_done(self, argv: Sequence[str], generator: random.Random, most: int) -> Life:
        """Killed at a random one of about the next `most` write points again and again, until it ends by itself."""
        for number in range(MOST_LIVES):  # lives grow longer: a run of what is all there passes many points, too
            life = self.die(argv, at=generator.randint(1, most + 10 * number))
            if not life.killed:
                assert life.code == 0, life.output
                return life
        raise AssertionError(f"not done after {MOST_LIVES} lives")

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
