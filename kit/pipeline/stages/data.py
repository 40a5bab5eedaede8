"""The first stage: cleaned rows in folds, and what they tell of the contest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from kit.cluster.crew import Crew
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared, prepare
from kit.options import make_echo
from kit.pipeline.clock import Clock
from kit.pipeline.plan import Plan, plan_path, race_digest
from kit.situation.settled import settled
from kit.situation.situation import find_situation
from kit.workspace import Workspace


def prepare_data(
    contest: ContestConfig,
    path: Path | None,
    workspace: Workspace,
    recipes: Sequence[RecipeConfig],
    clock: Clock,
    crew: Crew,
    console: Console,
) -> tuple[ContestConfig, Prepared]:
    """Cleaned rows in folds, and the contest as its data tell: clean or shifted, and with a budget as many folds and
    shifts of a row as it allows.
    """
    console.rule("data", align="left")
    echo, plan = make_echo(console), Plan.read(workspace, contest)
    if plan is not None and plan.minutes == clock.minutes and all(recipe.name in plan.heats for recipe in recipes):
        as_planned = plan.applied(contest)
        prepared = prepare(as_planned, path, workspace, echo)
        if plan.raced == race_digest(prepared, recipes):
            find_situation(as_planned, prepared, workspace, echo)
            return settled(as_planned, workspace), prepared
        echo("budget: the images or the recipes changed since the last plan: they are measured again")
    plan_path(workspace, contest).unlink(missing_ok=True)
    prepared = prepare(contest, path, workspace, echo)
    find_situation(contest, prepared, workspace, echo)
    contest = settled(contest, workspace)
    if clock.minutes is None:
        return contest, prepared
    from kit.pipeline.planned import settle

    console.rule("race", align="left")
    fewer = settle(contest, prepared, recipes, workspace, clock, crew, echo).applied(contest)
    return fewer, prepared if fewer.folds == contest.folds else prepare(fewer, path, workspace, echo)
