"""kit train."""

from __future__ import annotations

from pathlib import Path

import click

from kit.cluster.threads import worker_count
from kit.cluster.training import train_all
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.errors import TrainError
from kit.options import (
    cluster_option,
    contest_options,
    launched,
    make_console,
    make_echo,
    workers_option,
)
from kit.pipeline.named import find_recipe
from kit.pipeline.plan import planned
from kit.pipeline.stages.recipes import chosen_recipes
from kit.situation.situation import find_situation
from kit.train.names import check_names
from kit.train.parallel import joined
from kit.train.run import train_recipe
from kit.workspace import Workspace

NOT_ONE_FIT = (
    "torchrun's processes train one fit together, which must be named by one recipe and one --fold, without --workers "
    "and --cluster: torchrun --nproc-per-node 2 -m kit train RECIPE --contest C --fold 0. Many fits, one on each GPU, "
    "are what kit train does without torchrun"
)


@click.command()
@click.argument("recipes", nargs=-1)
@contest_options
@click.option("--fold", "folds", type=int, multiple=True, help="Only this fold; may be given more than once.")
@click.option("--repeat", type=click.IntRange(min=0), default=0, help="Repeat of k-fold; its runs go to repeats/N.")
@workers_option
@cluster_option
def train(
    recipes: tuple[str, ...], contest: str, data: Path | None, root: Path, folds: tuple[int, ...], repeat: int,
    workers: str | None, cluster: str | None,
) -> None:  # fmt: skip
    """Train and score what is missing of RECIPES (the contest's set for this machine by default).

    One large fit on several GPUs: torchrun --nproc-per-node 2 -m kit train RECIPE --contest C --fold 0
    """
    if launched():
        if len(recipes) != 1 or len(folds) != 1 or workers or cluster:
            raise TrainError(NOT_ONE_FIT)
        _train_together(recipes[0], contest, data, Workspace(root.resolve()), folds[0], repeat)
        return
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console()
    config, echo = planned(config, workspace), make_echo(console)
    wanted = [find_recipe(name) for name in recipes] or chosen_recipes(config, None, workspace, echo)
    for recipe in wanted:
        check_names(config, recipe)
    prepared = prepare(config, data, workspace, echo).repeat(repeat)
    find_situation(config, prepared, workspace, echo)
    workspace = _of_repeat(workspace, repeat)
    count = worker_count(workers, config, prepared, wanted[0], workspace, echo)
    train_all(config, prepared, wanted, workspace, echo, folds or None, count, cluster)


def _train_together(
    name: str, contest: str, data: Path | None, workspace: Workspace, fold: int, repeat: int
) -> None:
    """One fit by all processes that torchrun started; the first of them speaks."""
    recipe = find_recipe(name)
    with joined() as ranks:
        config = planned(load_contest(contest), workspace)
        check_names(config, recipe)
        echo = make_echo(make_console()) if ranks.first else lambda line: None
        prepared = ranks.first_then_others(lambda: prepare(config, data, workspace, echo)).repeat(repeat)
        train_recipe(config, prepared, recipe, _of_repeat(workspace, repeat), echo, [fold], ranks)


def _of_repeat(workspace: Workspace, repeat: int) -> Workspace:
    return Workspace(workspace.root / "repeats" / str(repeat)) if repeat else workspace
