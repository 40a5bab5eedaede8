"""Runs what a comparison needs: recipes and their variants, on one contest, each trained where it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from kit.cluster.training import train_all
from kit.comparison.measures import Difference, Measures, difference, measure
from kit.comparison.scale import Scale
from kit.comparison.techniques import NAMES, SHUFFLING, TECHNIQUES, Technique
from kit.comparison.training_rows import training_accuracy
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import ConfigError, did_you_mean
from kit.nets.weights.needs import check_weights
from kit.oof_store import OofRun, load_run
from kit.train.names import check_names
from kit.train.run import train_recipe
from kit.workspace import Workspace


@dataclass
class Bench:
    """A contest at a scale. `lines` and `differences` grow in the order in which recipes are run."""

    contest: ContestConfig
    """As its file says; the scale makes it smaller."""
    whole: Prepared
    """All rows of it."""
    workspace: Workspace
    scale: Scale
    echo: Echo
    lines: dict[str, Measures] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.small = self.scale.contest(self.contest)
        self.rows = self.scale.prepared(self.whole, self.small)

    def check(self, recipes: Sequence[RecipeConfig]) -> None:
        """A KitError for a recipe that cannot be run, before hours are spent on the others."""
        for recipe in recipes:
            scaled = self.scale.recipe(recipe)
            check_names(self.small, scaled)
            check_weights(scaled.net)

    def train(
        self,
        recipes: Sequence[RecipeConfig],
        bases: Sequence[RecipeConfig],
        names: Sequence[str],
        workers: int | None = None,
        cluster: str | None = None,
    ) -> None:
        """What is missing of the recipes, the bases and their variants, on as many devices as `train_all` is told of.

        `run` and `ablate` find it done.
        """
        scaled = [self.scale.recipe(one) for one in (*recipes, *bases)]
        scaled += [variant for base in bases for _, variant in self._variants(base, names)]
        once = list({one.name: one for one in scaled}.values())
        train_all(self.small, self.rows, once, self.workspace, self.echo, None, workers, cluster)
        if bases and self._shuffles(names):
            ours = [self.scale.recipe(base) for base in bases]
            train_all(*self.in_order, ours, self.workspace, self.echo, None, workers, cluster)

    def run(self, recipe: RecipeConfig) -> OofRun:
        """The recipe's out-of-fold run at this scale, and its line in the table."""
        return self._line(self.scale.recipe(recipe))

    def ablate(self, base: RecipeConfig, names: Sequence[str]) -> None:
        """Every technique of `names` that applies to `base`, turned over alone: what it brings, on the same rows."""
        ours, scaled = self.run(base), self.scale.recipe(base)
        for technique, variant in self._variants(base, names):
            theirs = self._line(variant)
            used, without = (ours, theirs) if technique.used(scaled) else (theirs, ours)
            self._differ(technique.name, used, without)
        if self._shuffles(names):
            self._differ(SHUFFLING, ours, self._unshuffled(base))

    def _variants(self, base: RecipeConfig, names: Sequence[str]) -> list[tuple[Technique, RecipeConfig]]:
        """The techniques of `names` that apply to `base`, each with the recipe in which it alone is turned over."""
        scaled = self.scale.recipe(base)
        made = [(one, one.variant(scaled)) for one in TECHNIQUES if one.name in names]
        return [(technique, variant) for technique, variant in made if variant is not None]

    def _shuffles(self, names: Sequence[str]) -> bool:
        return SHUFFLING in names and self.contest.folds.shuffle and self.contest.folds.kind == "group_kfold"

    @cached_property
    def in_order(self) -> tuple[ContestConfig, Prepared]:
        """The contest with folds that are blocks of the order in which it hands rows out, and its rows."""
        contest = self.scale.contest(self.contest, shuffle=False)
        return contest, self.scale.prepared(self.whole, contest)

    def _line(self, scaled: RecipeConfig) -> OofRun:
        run = self._trained(self.small, self.rows, scaled)
        if scaled.name not in self.lines:
            training = training_accuracy(run, self.small.name, self.rows, self.workspace)
            self.lines[scaled.name] = measure(run, training, len(self.contest.classes))
        return run

    def _unshuffled(self, base: RecipeConfig) -> OofRun:
        """The same recipe and rows in folds that are blocks of the order in which the contest hands them out."""
        run = self._trained(*self.in_order, self.scale.recipe(base))
        return replace(run, recipe=f"{run.recipe} (unshuffled)")

    def _trained(self, contest: ContestConfig, prepared: Prepared, scaled: RecipeConfig) -> OofRun:
        train_recipe(contest, prepared, scaled, self.workspace, self.echo)
        return load_run(self.workspace.run(contest.name, scaled.name))

    def _differ(self, technique: str, used: OofRun, without: OofRun) -> None:
        self.differences.append(difference(technique, used, without, len(self.contest.classes)))


def technique_names(names: Sequence[str]) -> tuple[str, ...]:
    """`names`, or all where there are none; ConfigError with the near one for a name that there is not."""
    for name in names:
        if name not in NAMES:
            near = did_you_mean(name, NAMES)
            raise ConfigError(f"technique must be one of {', '.join(NAMES)}, but got {name!r}.{near}")
    return tuple(names) or NAMES
