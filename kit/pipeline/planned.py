"""A budget's two stages: what is settled before the first fit, and the fits themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kit.cluster.crew import Crew
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.pipeline.budget import Budget
from kit.pipeline.clock import Clock
from kit.pipeline.heats import run_race
from kit.pipeline.history import known_points
from kit.pipeline.in_time import InTime
from kit.pipeline.plan import Plan
from kit.pipeline.prediction_file import images_to_predict
from kit.pipeline.race import Heat
from kit.situation.resolve import resolve
from kit.workspace import Workspace


def settle(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    crew: Crew,
    echo: Echo,
    raced: str,
) -> Plan:
    """The race, and what it says of folds and shifts; written as the contest's plan. raced: see `Plan`."""
    assert clock.minutes is not None
    clock.check(contest.data.kind == "practice")
    recipes = [resolve(recipe, contest, prepared, workspace) for recipe in recipes]
    backend = crew.backend(contest, prepared, recipes, workspace)
    heats = run_race(contest, prepared, recipes, workspace, clock, backend, echo)
    places = sum(device.places for device in backend.devices)
    known = known_points(contest, prepared, recipes, workspace)
    predicted = images_to_predict(contest, workspace)
    budget = Budget(contest, prepared, clock, places, heats, known, predicted)
    settled = budget.settle([recipe for recipe in recipes if recipe.name in heats], echo)
    cells = settled.cells_per_row if settled.cells_per_row != contest.shift.cells_per_row else 0
    kept = {recipe.name: [heat.to_json() for heat in heats.get(recipe.name, [])] for recipe in recipes}
    plan = Plan(clock.minutes, settled.n_splits, raced, cells_per_row=cells, heats=kept, data=prepared.data_digest)
    plan.write(workspace, contest)
    return plan


def train_planned(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    crew: Crew,
    echo: Echo,
    predicted: int = 0,
) -> list[str]:
    """Trains what the budget buys; the names of the complete runs. predicted: images of the file that is submitted."""
    plan = Plan.read(workspace, contest)
    assert plan is not None, "settle comes first"
    if plan.fold_digest != prepared.fold_digest:  # folds made anew, by hand or by other data
        plan = replace(plan, epochs={}, reasons=[])
    recipes = [resolve(recipe, contest, prepared, workspace) for recipe in recipes]
    heats = {name: [Heat(**heat) for heat in some] for name, some in plan.heats.items() if some}
    backend = crew.backend(contest, prepared, recipes, workspace)
    places = sum(device.places for device in backend.devices)
    known = known_points(contest, prepared, recipes, workspace)
    budget = Budget(contest, prepared, clock, places, heats, known, predicted)
    return InTime(budget, plan, workspace, backend, echo).run(recipes)
