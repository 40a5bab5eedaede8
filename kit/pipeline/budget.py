"""What the minutes buy: folds, recipes and epochs with the highest expected score of the blend.

A race (`kit.pipeline.race`) shows what each recipe costs and makes of its first seconds. Learning curves
(`kit.pipeline.curves`) say what more would bring, and the plan (`kit.pipeline.value`) gives the time to whatever
gains most: fewer recipes longer, more folds, or a further recipe where it adds to the others. One that cannot pay for
itself is not trained, and the reason is said. The plan is renewed whenever a recipe is to begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.pipeline.clock import Clock
from kit.pipeline.curves import Curve, Point, joined, kind_of
from kit.pipeline.race import Heat
from kit.pipeline.rehearsed import LEAST_ROWS, images_sent
from kit.pipeline.value import (
    LEAST_EPOCHS,
    Allocation,
    Candidate,
    Room,
    best,
    expected,
    shared,
    training_seconds,
)
from kit.shifts.battery import Battery
from kit.train.run_folder import scored_folds

FOLDS = (3, 4, 5)
"""Numbers of folds that a plan may choose, up to the contest's own."""
SCORING = 0.2
"""Share of the time that scoring may take; where it would take more, fewer shifts of each row are scored."""
FILL = 0.95
"""Share of the time that is planned: fits that are a little slower than foreseen are then the same fits."""
SLOWER = (0.5, 3.0)
"""Bounds on how much slower than in the race fits are taken to be."""


@dataclass(frozen=True)
class Settled:
    """What a plan decides before the first fit."""

    n_splits: int
    cells_per_row: int


@dataclass(frozen=True)
class Begun:
    """A recipe whose epochs are settled."""

    recipe: RecipeConfig
    """As its file says."""
    fitted: RecipeConfig
    """With the epochs that it can have."""


@dataclass
class Budget:
    """Plans one contest's recipes against a clock, from what the race showed."""

    contest: ContestConfig
    prepared: Prepared
    clock: Clock
    places: int
    heats: Mapping[str, Sequence[Heat]]
    """By recipe, in the order they were run."""
    known: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    """Scores of finished runs of the recipes, for other epochs."""
    predicted: int = 0
    """Test images that are predicted after the rehearsal."""
    slower: float = 1.0
    """How much longer fits take than the race said."""

    @property
    def folds(self) -> int:
        return len(scored_folds(self.prepared))

    @property
    def rows(self) -> int:
        """Rows that are held out in turn; of a single fold, those that train."""
        if self.folds == 1:
            return len(self.prepared.split(scored_folds(self.prepared)[0]).train)
        return int((self.prepared.folds >= 0).sum())

    @property
    def scored_rows(self) -> int:
        """Rows that the networks of a recipe predict in all: the held-out ones once, the vault's by every fold."""
        return int((self.prepared.folds >= 0).sum()) + self.folds * len(self.prepared.vault)

    @property
    def cells(self) -> int:
        """Shifts of each row that are scored."""
        return int(Battery.from_config(self.contest.shift).draw(self.prepared.ids[:1]).shape[1])

    @property
    def expects(self) -> str:
        return self.contest.expects if self.cells else "clean"

    def observe(self, seconds: float, foreseen: float) -> None:
        """A fit took `seconds` where the race had foreseen others."""
        ratio = min(max(seconds / max(foreseen, 1e-9), SLOWER[0]), SLOWER[1])
        self.slower += 0.5 * (ratio - self.slower)

    def candidate(self, recipe: RecipeConfig) -> Candidate:
        """The recipe as the plan sees it."""
        heats = self.heats[recipe.name]
        last = heats[-1]
        rehearsed = images_sent(LEAST_ROWS, self.contest.data.kind == "practice") + self.predicted
        rows = max(1, self.rows * (self.folds - 1) // self.folds) if self.folds > 1 else self.rows
        points = joined([heat.point(self.expects) for heat in heats], self.known.get(recipe.name, ()))
        cells = self.cells
        return Candidate(
            name=recipe.name,
            family=recipe.net.name,
            epochs=recipe.train.epochs,
            curve=Curve(kind_of(recipe, self.expects), len(self.prepared.class_names), rows, points),
            image=last.image * self.slower,
            load=last.load * self.slower,
            scoring=self.scored_rows * (last.scored + last.shift * cells) * self.slower,
            after=rehearsed * last.scored * self.slower / max(1.0, 0.7 * self.places),
        )

    def room(self, folds: int, recipes: int) -> Room:
        """The time that there is for training with so many folds."""
        work = self.scored_rows * (1 + self.cells) * recipes
        seconds = self.clock.remaining() - self.clock.ending(work, self.contest.data.kind == "practice")
        return Room(seconds, self.places, folds, self.rows, len(self.prepared.class_names), self.expects)

    def settle(self, recipes: Sequence[RecipeConfig], echo: Echo) -> Settled:
        """Folds and cells: those of the contest, or fewer of either where the blend then scores higher."""
        wanted, cells = self.contest.folds.n_splits, self.contest.shift.cells_per_row
        if self.contest.folds.kind != "group_kfold":
            return Settled(wanted, self._cells(recipes, cells, echo))
        options = sorted({min(count, wanted) for count in FOLDS} | {wanted})
        found = best([self.candidate(one) for one in recipes], [self.room(count, 2) for count in options])
        splits = found.folds if found is not None else min(options)
        if splits != wanted:
            echo(f"budget: {splits} folds instead of {wanted}, which the time is better spent on")
        return Settled(splits, self._cells(recipes, cells, echo))

    def _cells(self, recipes: Sequence[RecipeConfig], wanted: int, echo: Echo) -> int:
        """The most shifts of a row that the likely members can be scored under in SCORING of the time."""
        fewer = wanted
        while fewer > 1:
            shift = self.contest.shift.model_copy(update={"cells_per_row": fewer})
            trial = replace(self, contest=self.contest.model_copy(update={"shift": shift}))
            room = trial.room(min(self.contest.folds.n_splits, FOLDS[0]), 2)
            dearest = sorted((trial.candidate(one).scoring for one in recipes), reverse=True)[:2]
            if sum(dearest) <= SCORING * room.seconds * room.places:
                break
            fewer -= 1
        if fewer < wanted:
            echo(f"budget: every row is scored under {fewer} shifts instead of {wanted}, which take less time")
        return fewer

    def room_beside(self, begun: Sequence[Begun], busy: Sequence[float]) -> Room:
        """The time that is left beside `begun`, whose fits still take `busy` seconds."""
        room = self.room(self.folds, max(2, len(begun)))
        after = sum(self.candidate(one.recipe).after for one in begun) * self.folds
        scores = tuple((self.promise(one, room), one.recipe.net.name) for one in begun)
        return replace(room, seconds=room.seconds - after, busy=tuple(busy), begun=scores)

    def promise(self, begun: Begun, room: Room) -> float:
        """The score that one network of the recipe is expected to have."""
        rows = room.train_rows
        return self.candidate(begun.recipe).curve.score(begun.fitted.train.epochs * rows, rows)

    def choose(self, waiting: Sequence[RecipeConfig], room: Room) -> Allocation | None:
        """Epochs for those of `waiting` that pay for themselves."""
        return best([self.candidate(one) for one in waiting], [replace(room, seconds=room.seconds * FILL)])

    def why_not(self, waiting: Sequence[RecipeConfig], made: Allocation, room: Room) -> list[str]:
        """A line for every recipe that `made` leaves out: what the blend would come to with it."""
        chosen = [self.candidate(one) for one in waiting if one.name in made.epochs]
        lines = []
        for one in [one for one in waiting if one.name not in made.epochs]:
            beside = shared([*chosen, self.candidate(one)], room)
            if beside is None:
                lines.append(f"{one.name} is not trained: there is no time for it")
            else:
                change = beside.score - made.score
                lines.append(f"{one.name} is not trained: with it the blend is expected {change:+.4f}")
        return lines

    def least(self, waiting: Sequence[RecipeConfig], room: Room) -> Allocation:
        """Of `waiting` the recipe that makes most of LEAST_EPOCHS: what is trained where there is no time for any.

        A race on a busy machine may take what was meant for the fits. A late submission is better than none.
        """
        made = []
        for one in waiting:
            candidate, epochs = self.candidate(one), np.array([min(LEAST_EPOCHS, one.train.epochs)])
            seconds, score = training_seconds([candidate], epochs, room), expected([candidate], epochs, room)
            made.append(Allocation(room.folds, {one.name: float(epochs[0])}, score, seconds))
        return max(made, key=lambda allocation: allocation.score)
