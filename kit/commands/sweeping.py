"""kit sweep."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from optuna.study import Study
from rich.console import Console
from rich.live import Live

from kit.artefact import sha256_file
from kit.commands.printing import print_json
from kit.config import ContestConfig, RecipeConfig, load_contest
from kit.metrics.registry import own_file
from kit.options import (
    cluster_option,
    contest_options,
    json_option,
    make_console,
    make_echo,
    wide_option,
    workers_option,
)
from kit.pipeline.plan import planned
from kit.shifts.battery import Battery
from kit.sweep.config import SCORES, SweepConfig
from kit.sweep.files import load_sweep
from kit.sweep.hours import Hours
from kit.sweep.promote import promote
from kit.sweep.status import render, status
from kit.sweep.storage import opened, reachable
from kit.sweep.study import check_digests, identity, mark, open_study
from kit.sweep.summary import write_summary
from kit.workspace import Workspace


@click.command()
@click.argument("name")
@contest_options
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Over all sessions; overrides the sweep's.")
@click.option("--trials", type=click.IntRange(min=1), help="Finished trials of the study; overrides the sweep's.")
@click.option("--storage", help="postgresql+psycopg://USER:PASSWORD@HOST/DB, for many machines; a journal file else.")
@workers_option
@cluster_option
@click.option("--status", "show", is_flag=True, help="Show how it stands, and end.")
@click.option("--promote", "count", type=click.IntRange(min=1), help="Write the best K trials as recipes, and end.")
@wide_option
@json_option
def sweep(
    name: str, contest: str, data: Path | None, root: Path, hours: float | None, trials: int | None,
    storage: str | None, workers: str | None, cluster: str | None, show: bool, count: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Search recipes by the sweep NAME (a file in configs/sweeps, or a path); the same command resumes it."""
    workspace, console = Workspace(root.resolve()), make_console(as_json)
    config = planned(load_contest(contest), workspace)
    wanted, base = load_sweep(name)
    wanted = _with_budget(wanted, hours, trials)
    folder = workspace.oof(config.name) / "sweeps" / wanted.name
    with _opened(wanted, base, config, storage, folder) as study:
        if count is not None:
            for path in promote(study, wanted, base, count, Path.cwd() / "configs" / "recipes", config.name):
                make_echo(console)(f"{path}")
        elif show:
            left = Hours(folder / "hours.json", hours, study=mark(study)).left
            found = status(study, wanted, left)
            print_json(found.to_json()) if as_json else console.print(render(found, wanted))
        else:
            _run(study, wanted, base, config, data, workspace, workers, cluster, console)
            text, page = write_summary(study, wanted, folder)
            console.rule("summary", align="left")
            make_echo(console)(f"{text}page      {page}")
            if as_json:
                print_json(status(study, wanted, 0).to_json())


def _with_budget(wanted: SweepConfig, hours: float | None, trials: int | None) -> SweepConfig:
    changed = {"hours": hours or wanted.budget.hours, "trials": trials or wanted.budget.trials}
    return wanted.model_copy(update={"budget": wanted.budget.model_copy(update=changed)})


@contextmanager
def _opened(
    wanted: SweepConfig, base: RecipeConfig, config: ContestConfig, storage: str | None, folder: Path
) -> Iterator[Study]:
    keys = {"name", "metric", "seed", "folds", "shift", "clean"}
    made = identity(wanted, base, config.model_dump(mode="json", include=keys))
    with opened(storage, folder) as found:
        with reachable():
            study = open_study(wanted, made, found, f"{config.name}/{wanted.name}")
        yield study


def _run(
    study: Study, wanted: SweepConfig, base: RecipeConfig, config: ContestConfig, data: Path | None,
    workspace: Workspace, workers: str | None, cluster: str | None, console: Console,
) -> None:  # fmt: skip
    from kit.cluster.threads import worker_count
    from kit.cluster.training import make_backend
    from kit.data.prepared import prepare
    from kit.sweep.fits import FitMaker
    from kit.sweep.session import Session

    echo = make_echo(console)
    prepared = prepare(config, data, workspace, echo)
    maker = FitMaker(wanted, config, prepared, workspace)
    digests = {"data": prepared.data_digest, "folds": prepared.fold_digest}
    if any(one in SCORES and one != "clean" for one in wanted.objective):
        digests["battery"] = Battery.from_config(config.shift).digest
    if own := own_file(config.metric):
        digests["metric"] = sha256_file(own)
    check_digests(study, digests, f"rm -r {shlex.quote(str(maker.folder))}")
    count = worker_count(workers, config, maker.stage("search").prepared, maker.cheap(base), workspace, echo)
    backend = make_backend(maker.folder / "workers", count, cluster)
    with live(console) as view:
        def watch(session: Session) -> None:
            if view is not None:
                view.update(render(status(study, wanted, session.hours.left), wanted))

        Session(wanted, base, study, maker, backend, maker.folder, echo, watch).run()


@contextmanager
def live(console: Console) -> Iterator[Live | None]:
    """A display at the foot of a terminal, below the lines; None where output goes to a file or a pipe."""
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, refresh_per_second=1, transient=True) as view:
        yield view
