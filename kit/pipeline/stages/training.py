"""The second stage: every recipe in play, trained and scored."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from kit.cluster.crew import Crew
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.ensemble.scoring import leaderboard
from kit.oof_store import RUN, OofRun, load_runs
from kit.options import make_echo
from kit.pipeline.clock import Clock
from kit.situation.resolve import resolve
from kit.storage import exists
from kit.train.run_folder import RunFolder
from kit.workspace import Workspace


def train(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    crew: Crew,
    console: Console,
    predicted: int = 0,
) -> list[OofRun]:
    """Every recipe in play, trained on every fold and scored; the leaderboard of all of them.

    predicted: images of the file that is submitted, for which a budget keeps time.
    """
    console.rule("train", align="left")
    echo = make_echo(console)
    if clock.minutes is None:
        names = _all(contest, prepared, recipes, workspace, echo)
    else:
        from kit.pipeline.planned import train_planned

        names = train_planned(contest, prepared, recipes, workspace, clock, crew, echo, predicted)
    crew.close()
    runs = load_runs(workspace, contest.name, names)
    console.print(leaderboard.table(leaderboard.rows(runs, contest), contest.expects, contest.metric))
    return runs


def _all(
    contest: ContestConfig, prepared: Prepared, recipes: Sequence[RecipeConfig], workspace: Workspace, echo: Echo
) -> list[str]:
    """Trains what is missing; the names of the complete runs. Where nothing is, torch is not even imported."""
    names = [recipe.name for recipe in recipes]
    complete = [_complete(contest, prepared, recipe, workspace) for recipe in recipes]
    if all(complete):
        return names
    from kit.cluster.training import SetAside, train_all

    try:
        train_all(contest, prepared, recipes, workspace, echo)
    except SetAside as error:  # a submission of the others is worth more than none
        names = [name for name in names if exists(workspace.run(contest.name, name) / RUN)]
        if not names:
            raise
        echo(f"WARNING: goes on with {', '.join(names)}. {error}")
    return names


def _complete(contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig, workspace: Workspace) -> bool:
    """Whether every fold is there; TrainError where one was made from something else: before others are trained."""
    return RunFolder(contest, prepared, resolve(recipe, contest, prepared, workspace), workspace).complete()
