"""The first stage: cleaned rows in folds, and what they tell of the contest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from kit.artefact import sha256_bytes
from kit.cluster.crew import Crew
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared, prepare
from kit.options import make_echo
from kit.pipeline.clock import Clock
from kit.pipeline.plan import Plan, plan_path
from kit.shifts.battery import Battery
from kit.situation.resolve import resolved
from kit.situation.settled import settled
from kit.situation.situation import Situation, find_situation
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
    echo, plan = make_echo(console), _plan_for(contest, recipes, workspace, clock)
    if plan is None:
        plan_path(workspace, contest).unlink(missing_ok=True)
    prepared = prepare(contest if plan is None else plan.applied(contest), path, workspace, echo)
    found = find_situation(contest, prepared, workspace, echo)
    contest = settled(contest, workspace)
    raced = digest_of_race(contest, prepared, recipes, found)
    if plan is not None and plan.raced == raced:
        return plan.applied(contest), prepared
    if plan is not None:
        plan_path(workspace, contest).unlink(missing_ok=True)
        echo("budget: images, recipes or their score changed since the last plan: they are measured again")
        prepared = prepare(contest, path, workspace, echo)
    if clock.minutes is None:
        return contest, prepared
    from kit.pipeline.planned import settle

    console.rule("race", align="left")
    fewer = settle(contest, prepared, recipes, workspace, clock, crew, echo, raced).applied(contest)
    return fewer, prepared if fewer.folds == contest.folds else prepare(fewer, path, workspace, echo)


def _plan_for(
    contest: ContestConfig, recipes: Sequence[RecipeConfig], workspace: Workspace, clock: Clock
) -> Plan | None:
    """The last plan, where it is one of these minutes and recipes."""
    plan = Plan.read(workspace, contest)
    fits = plan is not None and plan.minutes == clock.minutes and all(one.name in plan.heats for one in recipes)
    return plan if fits else None


def digest_of_race(
    contest: ContestConfig, prepared: Prepared, recipes: Sequence[RecipeConfig], found: Situation
) -> str:
    """Digest of what a race depends on: images, recipes as the situation fills them, and what they are scored by."""
    filled = [resolved(recipe, found, 0) for recipe in sorted(recipes, key=lambda recipe: recipe.name)]
    scored = [contest.expects, contest.metric, Battery.from_config(contest.shift).identity]
    told = [prepared.data_digest, [recipe.model_dump(mode="json") for recipe in filled], scored]
    return sha256_bytes(json.dumps(told, sort_keys=True).encode())
