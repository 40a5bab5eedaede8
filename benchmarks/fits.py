"""What the scheduler costs, and what two fits at once gain: the practice contest's folds, on this machine's cores.

    python benchmarks/fits.py [RECIPE] [ROUNDS]

A round: two fits in a row in this process; two in one worker process; two in two workers that share the cores. Rounds
follow one another, so that a machine that slows down slows all three. Every process has made one fit before it is
timed, as in a sweep of many fits. Prints each round, and the medians over rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from kit.cluster.devices import cpu_device
from kit.cluster.fits import FitJob, fit_unit
from kit.cluster.local import LocalBackend
from kit.cluster.schedule import Scheduler
from kit.cluster.shared import SharedData, share
from kit.cluster.unit import Unit
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.prepared import prepare
from kit.workspace import Workspace

FITS = 2


class Quiet:
    """A Talk that nobody hears."""

    def line(self, text: str) -> None:
        """Nothing."""

    def report(self, step: int, value: float) -> bool:
        return True

    def keep(self, name: str, data: bytes) -> None:
        """Nothing."""


class Folds:
    """Makes units of the recipe's folds, each in a store of its own."""

    def __init__(self, contest: ContestConfig, recipe: RecipeConfig, data: SharedData, root: Path, cache: Path) -> None:
        self.contest, self.recipe, self.data, self.root, self.cache = contest, recipe, data, root, cache
        self.rows, self.made = len(data.load().ids), 0

    def units(self, count: int = FITS) -> list[Unit]:
        """So many fits, of folds 0, 1, ...: every way of a round makes the same."""
        return [self._unit(fold) for fold in range(count)]

    def _unit(self, fold: int) -> Unit:
        self.made += 1
        job = FitJob(self.contest, self.recipe, fold, self.data, self.root / str(self.made), self.cache)
        return fit_unit(job, self.rows)


def bare(wanted: list[Unit]) -> float:
    """Seconds of the fits in a row."""
    started = time.perf_counter()
    for unit in wanted:
        unit.job(Quiet(), 1.0)
    return time.perf_counter() - started


def scheduled(scheduler: Scheduler, wanted: list[Unit]) -> float:
    """Seconds of the fits on the scheduler's workers."""
    started = time.perf_counter()
    failed = [outcome.failure for outcome in scheduler.run(wanted) if outcome.failure]
    assert not failed, failed
    return time.perf_counter() - started


def main(name: str, rounds: int) -> None:
    """Measures the three, side by side."""
    contest, recipe = load_contest("practice"), load_recipe(name)
    with tempfile.TemporaryDirectory(prefix="kit-") as scratch:
        workspace = Workspace(Path(scratch))
        data = share(prepare(contest, None, workspace, lambda line: None), workspace.cache)
        folds = Folds(contest, recipe, data, Path(scratch), workspace.cache)
        backends = [LocalBackend((cpu_device(workers),), workspace.cache / str(workers)) for workers in (1, 2)]
        with closing(backends[0]), closing(backends[1]):
            one, two = (Scheduler(backend) for backend in backends)
            bare(folds.units(1))
            scheduled(one, folds.units(1))
            scheduled(two, folds.units(2))
            seconds = []
            for number in range(rounds):
                ways = bare(folds.units()), scheduled(one, folds.units()), scheduled(two, folds.units())
                seconds.append(ways)
                say(f"round {number + 1}", *ways)
    say(f"{recipe.name}, medians of {rounds} rounds", *map(statistics.median, zip(*seconds)))


def say(what: str, row: float, one: float, two: float) -> None:
    """A line of figures."""
    print(f"{what}: {FITS} fits in a row {row:.1f} s; one worker {one:.1f} s ({one / row - 1:+.1%}); "
          f"two workers {two:.1f} s ({two / row - 1:+.1%})", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "practice_strong", int(sys.argv[2]) if len(sys.argv) > 2 else 3)
