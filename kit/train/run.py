"""All folds of one recipe: what is missing is trained and scored, one process at a time at each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import TrainError
from kit.lock import alone
from kit.train.device import pick_device
from kit.train.fold import AfterEpoch, Fold
from kit.train.images import resized
from kit.train.names import check_names
from kit.train.parallel import ALONE, Ranks
from kit.train.progress import fit_bars
from kit.train.run_folder import RunFolder, scored_folds
from kit.train.setup import Setup
from kit.workspace import Workspace


@dataclass(frozen=True)
class Trainer(Setup):
    """Trains what is missing of a recipe's run."""

    after_epoch: AfterEpoch | None = None

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.contest, self.prepared, self.recipe, self.workspace)

    @property
    def folder(self) -> Path:
        return self.run.path

    def fold_folder(self, fold: int) -> Path:
        return self.run.fold(fold)

    def trained(self, fold: int) -> bool:
        """Whether the fold's network is there; TrainError where it was made from something else."""
        return self.run.trained(fold)

    def finished(self, fold: int) -> bool:
        """Whether it is there and was scored under the battery as it is now; TrainError as for `trained`."""
        return self.run.finished(fold)

    def complete(self) -> bool:
        """Writes run.json once every fold of the contest is there; whether it is."""
        return self.run.complete()

    def train(self, folds: Sequence[int], echo: Echo) -> None:
        """Trains and scores those of `folds` that are missing, then completes the run where it is whole."""
        missing = self.ranks.agreed(lambda: [fold for fold in folds if not self.finished(fold)])
        if missing:
            check_names(self.contest, self.recipe)
            again = self.ranks.agreed(lambda: [fold for fold in missing if self.trained(fold)])
            with fit_bars(self.ranks.first) as bars:
                for fold in again if self.ranks.first else []:
                    with self._claimed(fold, echo):
                        if not self.finished(fold):
                            self._fold(fold, bars, echo).score_again()
                if new := [fold for fold in missing if fold not in again]:
                    images = resized(self.prepared.images, self.recipe.size)
                    for fold in new:
                        with self._claimed(fold, echo):
                            if self.ranks.size > 1 or not self.finished(fold):
                                self._fold(fold, bars, echo).train(images)
        if self.ranks.first:
            self.complete()

    def _fold(self, fold: int, bars: Progress | None, echo: Echo) -> Fold:
        return Fold(self, self.run, fold, self.after_epoch, bars, echo)

    def _claimed(self, fold: int, echo: Echo) -> AbstractContextManager[None]:
        """One process at a time works at a fold; TrainError instead of waiting where others wait for this one."""
        if not self.ranks.first:
            return nullcontext()
        name = f"{self.recipe.name} fold {fold}"

        def busy() -> None:
            if self.ranks.size > 1:
                raise TrainError(f"{name}: another process trains it. Run the same command again when it has ended")
            echo(f"{name}: another process trains it; waiting for its end")

        return alone(self.run.path / f".fold{fold}.lock", busy)


def train_recipe(
    contest: ContestConfig,
    prepared: Prepared,
    recipe: RecipeConfig,
    workspace: Workspace,
    echo: Echo = print,
    folds: Sequence[int] | None = None,
    ranks: Ranks = ALONE,
    batch_share: float = 1.0,
) -> None:
    """Trains every missing fold of `recipe` (or of `folds`) on the best device; reuses what is there.

    batch_share: of the recipe's batch, where memory is short. ranks: this process among those that call it alike, to
    train each fit together.
    """
    every = scored_folds(prepared)
    unknown = sorted(set(folds or []) - set(every))
    if unknown:
        raise TrainError(f"fold must be one of {every}, but got {unknown[0]}. See folds.csv, or `kit folds`")
    trainer = Trainer(contest, prepared, recipe, workspace, pick_device(ranks.local), batch_share, ranks=ranks)
    trainer.train(folds or every, echo)
