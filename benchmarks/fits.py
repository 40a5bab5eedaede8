"""What the scheduler costs, and what two fits at once gain: the practice contest's folds, on this machine's cores.

    python benchmarks/fits.py [RECIPE]

Four fits in a row in this process; the same in one worker process; the same in two workers that share the cores.
Seconds of all four, and pictures trained a second; starting the workers, which happens once a night, is left out.
"""

from __future__ import annotations

import sys
import tempfile
import time
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

FITS = 4


class Quiet:
    """A Talk that nobody hears."""

    def line(self, text: str) -> None:
        """Nothing."""

    def report(self, step: int, value: float) -> bool:
        return True

    def keep(self, name: str, data: bytes) -> None:
        """Nothing."""


def units(contest: ContestConfig, recipe: RecipeConfig, data: SharedData, root: Path, cache: Path) -> list[Unit]:
    """Folds of the recipe, in stores of their own."""
    rows, folds = len(data.load().ids), contest.folds.n_splits
    return [
        fit_unit(FitJob(contest, recipe, number % folds, data, root / str(number), cache), rows)
        for number in range(FITS)
    ]


def bare(wanted: list[Unit]) -> float:
    """Seconds of the fits in a row, after one that warms up."""
    wanted[0].job(Quiet(), 1.0)
    started = time.perf_counter()
    for unit in wanted[1:]:
        unit.job(Quiet(), 1.0)
    return (time.perf_counter() - started) * FITS / (FITS - 1)


def scheduled(wanted: list[Unit], workers: int, logs: Path) -> float:
    """Seconds of the fits on so many workers, once those are there."""
    backend = LocalBackend((cpu_device(workers),), logs)
    scheduler = Scheduler(backend)
    scheduler.run([Unit(f"start {number}", Import(), "start") for number in range(workers)])
    started = time.perf_counter()
    failed = [outcome.failure for outcome in scheduler.run(wanted) if outcome.failure]
    took = time.perf_counter() - started
    backend.close()
    assert not failed, failed
    return took


class Import:
    """Makes a worker import what fits need."""

    def __call__(self, talk: object, portion: float) -> None:
        import kit.train.run  # noqa: F401


def main(name: str) -> None:
    """Measures the three."""
    contest, recipe = load_contest("practice"), load_recipe(name)
    with tempfile.TemporaryDirectory(prefix="kit-") as scratch:
        workspace = Workspace(Path(scratch))
        data = share(prepare(contest, None, workspace, lambda line: None), workspace.cache)

        def fresh(what: str) -> list[Unit]:
            return units(contest, recipe, data, Path(scratch) / what, workspace.cache)

        row = bare(fresh("bare"))
        one = scheduled(fresh("one"), 1, workspace.cache)
        two = scheduled(fresh("two"), 2, workspace.cache)
    print(f"{FITS} fits of {recipe.name}: in a row {row:.1f} s; one worker {one:.1f} s ({one / row - 1:+.1%}); "
          f"two workers {two:.1f} s ({two / row - 1:+.1%})")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "practice_plain")
