"""Training under a budget: a fit in every place, the plan renewed whenever a recipe is to begin, a deadline for each.

A recipe's epochs are settled when its first fold begins, and are the same for all its folds. A fit that is slower than
foreseen shortens what is left of its schedule (`kit.train.pace`), and the plan for what follows is made with the
speeds that were seen. Where nothing is slow, the fits are those of the same recipes without a budget.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kit.cluster.fits import FitJob, fit_unit
from kit.cluster.schedule import Scheduler
from kit.cluster.shared import share
from kit.cluster.store import store
from kit.cluster.unit import Backend, Outcome, Unit
from kit.config import RecipeConfig
from kit.echo import Echo
from kit.errors import TrainError
from kit.pipeline.budget import Begun, Budget
from kit.pipeline.named import with_epochs
from kit.pipeline.plan import Plan
from kit.pipeline.value import Room, fit_seconds
from kit.train.device import pick_device
from kit.train.names import check_names
from kit.train.run import Trainer
from kit.train.run_folder import scored_folds
from kit.workspace import Workspace

SLACK = 1.15
"""How much longer than foreseen the steps of a fit may take before it is shortened, where there is time for it."""
LEAST_SECONDS = 1.0


@dataclass
class Fold:
    """A fit that waits or runs."""

    begun: Begun
    fold: int
    seconds: float
    """That it would take, scoring included, if the machine were as fast as in the race."""
    steps: float
    """Of these, those of its steps."""
    scoring: float
    """And those after them."""
    started: float = 0.0


@dataclass
class InTime:
    """The training of one budget."""

    budget: Budget
    plan: Plan
    workspace: Workspace
    backend: Backend
    echo: Echo
    waiting: list[RecipeConfig] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    """Of begun recipes, not yet begun themselves."""
    running: dict[str, Fold] = field(default_factory=dict)
    left_out: list[RecipeConfig] = field(default_factory=list)
    """Recipes that do not pay for themselves beside those begun."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by recipe."""

    def run(self, recipes: Sequence[RecipeConfig]) -> list[str]:
        """Trains what pays for itself of `recipes`; the names of the runs, as their epochs make them."""
        for recipe in recipes:
            check_names(self.budget.contest, recipe)
            if recipe.name in self.plan.epochs:
                self._begin(recipe, self.plan.epochs[recipe.name])
        can = [recipe for recipe in recipes if recipe.name in self.budget.heats]
        self.waiting = [recipe for recipe in can if recipe.name not in self.plan.epochs]
        scheduler = Scheduler(self.backend, on_line=lambda unit, text: self.echo(text), on_keep=store)
        try:
            while self._fill(scheduler) or not scheduler.idle:
                for outcome in scheduler.wait(1.0):
                    self._ended(outcome)
        except BaseException:
            scheduler.drop()
            raise
        return self._complete()

    # ------------------------------------------------------------------------------------------------ planning
    def _fill(self, scheduler: Scheduler) -> bool:
        """Gives every free place a fit; whether any was given."""
        given = False
        while len(self.running) < scheduler.places:
            while not self.folds and self._begin_next():  # a recipe that is begun may have all its folds already
                pass
            if not self.folds:
                break
            fold = self.folds.pop(0)
            self.running[_name(fold)] = fold
            fold.started = time.monotonic()
            scheduler.submit(self._unit(fold))
            given = True
        return given

    def _begin_next(self) -> bool:
        """Renews the plan, and begins the recipe of it whose fits are longest; whether there was one."""
        if not self.waiting:
            return False
        room = self._room()
        made = self.budget.choose(self.waiting, room)
        if (made is None or not made.epochs) and not self.begun:
            made = self.budget.least(self.waiting, room)
            self._say([f"there is no time left for any recipe; {next(iter(made.epochs))} is trained as short as it can "
                       f"be, and the run ends late"])  # fmt: skip
        if made is None or not made.epochs:
            self._say(self.budget.why_not(self.waiting, made, room) if made else
                      [f"{one.name} is not trained: there is no time for it" for one in self.waiting])  # fmt: skip
            self.left_out, self.waiting = self.waiting, []
            return False
        chosen = [one for one in self.waiting if one.name in made.epochs]
        longest = max(chosen, key=lambda one: fit_seconds(self.budget.candidate(one), made.epochs[one.name], room))
        planned = ", ".join(f"{name} {epochs:.3g}" for name, epochs in made.epochs.items())
        left = self.budget.clock.remaining() / 60
        self.plan = replace(self.plan, expected=made.score)
        self._say([f"{left:.1f} minutes left; epochs by recipe: {planned}; the blend is expected at {made.score:.3f}"])
        if not self.begun:
            self._say(self.budget.why_not(self.waiting, made, room))
        self.waiting.remove(longest)
        self._begin(longest, made.epochs[longest.name])
        return True

    def _begin(self, recipe: RecipeConfig, epochs: float) -> None:
        """Settles a recipe's epochs; its missing folds wait."""
        begun = Begun(recipe, with_epochs(recipe, epochs))
        self.begun.append(begun)
        planned = self.plan.epochs | {recipe.name: begun.fitted.train.epochs}
        self.plan = replace(self.plan, epochs=planned, fold_digest=self.budget.prepared.fold_digest)
        self.plan.write(self.workspace, self.budget.contest)
        trainer = self._trainer(begun)
        missing = [fold for fold in scored_folds(self.budget.prepared) if not trainer.finished(fold)]
        if not missing:
            return
        room = self.budget.room(self.budget.folds, 1)
        candidate = replace(self.budget, slower=1.0).candidate(recipe)
        seconds = fit_seconds(candidate, begun.fitted.train.epochs, room)
        scoring = candidate.scoring / room.folds
        steps = seconds - candidate.load - scoring
        self.folds += [Fold(begun, fold, seconds, steps, scoring) for fold in missing]

    def _room(self) -> Room:
        return self.budget.room_beside(self.begun, [self._left(fold) for fold in [*self.running.values(), *self.folds]])

    def _left(self, fold: Fold) -> float:
        """Seconds that a fold still takes."""
        gone = time.monotonic() - fold.started if fold.started else 0.0
        return max(LEAST_SECONDS, fold.seconds * self.budget.slower - gone)

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.echo(f"budget: {line}")
        self.plan = replace(self.plan, reasons=[*self.plan.reasons, *lines])

    # ------------------------------------------------------------------------------------------------ running
    def _unit(self, fold: Fold) -> Unit:
        contest, prepared = self.budget.contest, self.budget.prepared
        data = share(prepared, self.workspace.cache)
        job = FitJob(
            contest, fold.begun.fitted, fold.fold, data, self.workspace.root, self.workspace.cache,
            deadline=self._deadline(fold),
        )  # fmt: skip
        unit = fit_unit(job, len(prepared.split(fold.fold).train))
        return replace(unit, name=_name(fold))

    def _deadline(self, fold: Fold) -> float:
        """When its steps must be done: SLACK later than foreseen, but early enough for what its place does next."""
        slower = self.budget.slower
        others = [self._left(one) for one in self.running.values() if one is not fold]
        idle = [0.0] * (sum(device.places for device in self.backend.devices) - len(others) - 1)
        busy = [*idle, *others, fold.seconds * slower]
        for seconds in sorted((one.seconds * slower for one in self.folds), reverse=True):
            busy[busy.index(min(busy))] += seconds
        follows = busy[-1] - fold.seconds * slower
        load = fold.seconds - fold.steps - fold.scoring
        end = self._room().seconds - fold.scoring * slower - follows
        return time.monotonic() + max(LEAST_SECONDS, min((load + fold.steps * SLACK) * slower, end))

    def _ended(self, outcome: Outcome) -> None:
        fold = self.running.pop(outcome.unit.name)
        name = fold.begun.fitted.name
        if not outcome.failure:
            self._observe(fold, outcome)
            return
        self.echo(f"{outcome.unit.name}: SET ASIDE, {outcome.failure}")
        self.failed[name] = outcome.failure
        self.folds = [one for one in self.folds if one.begun is not fold.begun]
        if fold.begun in self.begun:  # without it, others may pay for themselves
            self.begun.remove(fold.begun)
            self.waiting, self.left_out = [*self.waiting, *self.left_out], []

    def _observe(self, fold: Fold, outcome: Outcome) -> None:
        made = outcome.value
        whole = made.get("steps", 0) / max(1, made.get("steps_planned", 1))
        if whole == 1.0:
            self.budget.observe(outcome.seconds, fold.seconds)

    def _complete(self) -> list[str]:
        """Completes the runs whose folds are all there; TrainError where there is none."""
        whole = [one.fitted.name for one in self.begun if self._trainer(one).complete()]
        if not whole:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.failed.items())
            raise TrainError(f"no recipe was trained on all folds. {why}. Fix what is named, and run the command again")
        return whole

    def _trainer(self, begun: Begun) -> Trainer:
        return Trainer(self.budget.contest, self.budget.prepared, begun.fitted, self.workspace, pick_device())


def _name(fold: Fold) -> str:
    return f"{fold.begun.fitted.name} fold {fold.fold}"
