"""The second stage: every recipe in play, trained and scored."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from kit.cluster.crew import Crew
from kit.cluster.training import SetAside, train_all
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.ensemble.scoring import leaderboard
from kit.oof_store import RUN, OofRun, load_runs
from kit.options import make_echo
from kit.pipeline.clock import Clock
from kit.pipeline.planned import train_planned
from kit.storage import exists
from kit.workspace import Workspace


def train(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    crew: Crew,
    console: Console,
) -> list[OofRun]:
    """Every recipe in play, trained on every fold and scored; the leaderboard of all of them."""
    console.rule("train", align="left")
    echo = make_echo(console)
    if clock.minutes is None:
        names = [recipe.name for recipe in recipes]
        try:
            train_all(contest, prepared, recipes, workspace, echo)
        except SetAside as error:  # a submission of the others is worth more than none
            names = [name for name in names if exists(workspace.run(contest.name, name) / RUN)]
            if not names:
                raise
            echo(f"WARNING: goes on with {', '.join(names)}. {error}")
    else:
        names = train_planned(contest, prepared, recipes, workspace, clock, crew, echo)
    crew.close()
    runs = load_runs(workspace, contest.name, names)
    console.print(leaderboard.table(leaderboard.rows(runs, contest), contest.expects, contest.metric))
    return runs
