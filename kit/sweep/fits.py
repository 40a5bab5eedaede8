"""A trial's fold as a unit of work: the fit of a recipe, as cheap as its stage, and what it scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from kit.artefact import read_npz
from kit.cluster.fits import FitJob, fit_unit
from kit.cluster.shared import SharedData, share
from kit.cluster.unit import Talk, Unit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.sweep.config import LEFT_OUT, FidelityConfig, SweepConfig
from kit.sweep.cost import measure
from kit.sweep.leave_out import left_out
from kit.sweep.material import refolded, subset
from kit.sweep.objective import FoldResult, fold_result
from kit.sweep.watch import EpochWatch, GivenUp
from kit.train.names import check_names
from kit.train.run_folder import scored_folds
from kit.train.stored import CHECKPOINT, OOF, WEIGHTS
from kit.workspace import Workspace

FRESH_SEED = 7919
"""Added to a contest's seed for folds that the search did not see."""


@dataclass(frozen=True)
class TrialJob:
    """A fold of a trial: trained, scored, and its scores in the sweep's currencies."""

    fit: FitJob
    score: str
    watched: bool
    """Whether it reports a score after every epoch, and may be pruned."""

    def __call__(self, talk: Talk, share: float) -> FoldResult:
        watch = EpochWatch(self.fit, self.score, talk) if self.watched else None
        folder = self.fit.folder
        try:
            made = self.fit.train(talk, share, watch)
        except GivenUp as stop:
            (folder / CHECKPOINT).unlink(missing_ok=True)
            return FoldResult(stopped=stop.epoch)
        costs = {"seconds": made["seconds"], "megabytes": (folder / WEIGHTS).stat().st_size / 1e6}
        arrays = read_npz(folder / OOF)
        return fold_result(arrays, made["cell_names"], self.fit.contest.metric, self.score, costs)

    def with_fit(self, fit: FitJob) -> TrialJob:
        """The same trial, training elsewhere."""
        return replace(self, fit=fit)


@dataclass(frozen=True)
class Stage:
    """Where the units of one stage find their rows and leave their results."""

    prepared: Prepared
    data: SharedData
    root: Path


class FitMaker:
    """Real fits of one sweep."""

    def __init__(self, sweep: SweepConfig, contest: ContestConfig, prepared: Prepared, workspace: Workspace) -> None:
        self.sweep, self.contest, self.prepared, self.workspace = sweep, contest, prepared, workspace
        self._stages: dict[str, Stage] = {}

    @property
    def folder(self) -> Path:
        """The sweep's own folder: the study, and what does not belong into the OOF store."""
        return self.workspace.oof(self.contest.name) / "sweeps" / self.sweep.name

    @cached_property
    def folds(self) -> list[int]:
        return self.every[: self.sweep.fidelity.folds]

    @cached_property
    def every(self) -> list[int]:
        return scored_folds(self.prepared)

    @property
    def whole(self) -> bool:
        """Whether the search trains recipes as they are, on all folds: then its trials are members already."""
        plain = self.sweep.fidelity.model_copy(update={"folds": None}) == FidelityConfig()
        return plain and self.folds == self.every and self.sweep.score != LEFT_OUT

    def unit(self, recipe: RecipeConfig, fold: int, stage: str) -> Unit:
        place = self.stage(stage)
        contest, recipe = self.contest, recipe if stage == "full" else self.cheap(recipe)
        if self.sweep.score == LEFT_OUT and stage != "full":
            contest, recipe = left_out(contest, recipe, fold)
        check_names(contest, recipe)
        job = FitJob(contest, recipe, fold, place.data, place.root, self.workspace.cache)
        watched = stage == "search" and self.sweep.pruning.epochs != "none" and fold == self.folds[0]
        unit = fit_unit(job, len(place.prepared.split(fold).train))
        return replace(unit, job=TrialJob(job, self.sweep.score, watched and len(self.sweep.objective) == 1))

    def seconds(self, recipe: RecipeConfig, stage: str, echo: Echo) -> float:
        prepared = self.stage(stage).prepared
        recipe = recipe if stage == "full" else self.cheap(recipe)
        cost = measure(self.contest, prepared, recipe, self.workspace, echo)
        return cost.epoch * recipe.train.epochs + cost.scoring / len(scored_folds(prepared))

    def cheap(self, recipe: RecipeConfig) -> RecipeConfig:
        """The recipe as the search trains it."""
        fidelity = self.sweep.fidelity
        train = recipe.train.model_copy(update={"epochs": fidelity.epochs or recipe.train.epochs})
        return recipe.model_copy(update={"train": train, "size": fidelity.size or recipe.size})

    def stage(self, name: str) -> Stage:
        """Made once."""
        if name not in self._stages:
            prepared, root = self._rows(name)
            self._stages[name] = Stage(prepared, share(prepared, self.workspace.cache), root)
        return self._stages[name]

    def _rows(self, name: str) -> tuple[Prepared, Path]:
        if name == "full" or (name == "search" and self.whole):
            return self.prepared, self.workspace.root
        if name == "search":
            return subset(self.prepared, self.sweep.fidelity.subset, self.contest.seed), self.folder / name
        seed = self.contest.seed + FRESH_SEED + int(name.removeprefix("fresh"))
        fresh = subset(self.prepared, self.sweep.fidelity.subset, seed)
        return refolded(fresh, self.contest, seed), self.folder / name
