"""Recipes trained on everything that there is: in this process on one device, else as units on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.cluster.devices import find_devices
from kit.cluster.fits import FitJob, fit_unit
from kit.cluster.local import LocalBackend
from kit.cluster.places import cpu_places
from kit.cluster.schedule import Scheduler
from kit.cluster.shared import share
from kit.cluster.store import store
from kit.cluster.unit import Backend, Outcome, Unit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import TrainError
from kit.train.device import pick_device
from kit.train.run import Trainer, check_names, scored_folds, train_recipe
from kit.workspace import Workspace


def train_all(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    echo: Echo = print,
    folds: Sequence[int] | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> None:
    """Trains what is missing of `recipes` (or of `folds` of them).

    workers: processes that train at once; None for one a GPU place, and on a CPU for as many as are fastest. cluster:
    the address of a Ray cluster to train on instead. TrainError names the units that failed, after all others are done.
    """
    if cluster is None and workers is None and pick_device().type == "cpu":
        workers = cpu_places(contest, prepared, recipes, workspace).places
    if cluster is None and sum(device.places for device in find_devices(workers)) == 1:
        for recipe in recipes:
            train_recipe(contest, prepared, recipe, workspace, echo, folds)
        return
    for recipe in recipes:
        check_names(contest, recipe)
    backend = make_backend(workspace.cache / "workers", workers, cluster)
    try:
        train_on(backend, contest, prepared, recipes, workspace, echo, folds)
    finally:
        backend.close()


def make_backend(folder: Path, workers: int | None = None, cluster: str | None = None) -> Backend:
    """This machine's devices, or those of the Ray cluster at an address; `folder` holds what workers say."""
    if cluster is None:
        return LocalBackend(find_devices(workers), folder)
    from kit.cluster.ray_backend import RayBackend

    return RayBackend(cluster, folder)


def train_on(
    backend: Backend,
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    echo: Echo,
    folds: Sequence[int] | None = None,
) -> None:
    """`train_all` on a backend's devices."""
    trainers = [Trainer(contest, prepared, recipe, workspace, pick_device()) for recipe in recipes]
    units = [unit for trainer in trainers for unit in _missing(trainer, folds)]
    scheduler = Scheduler(backend, on_line=lambda unit, text: echo(text), on_keep=store)
    if units:
        echo(f"{len(units)} fits, {scheduler.places} at a time on {len(backend.devices)} devices")

    def progress(outcome: Outcome) -> None:
        left = len(scheduler.queue) + len(scheduler.running)
        eta = scheduler.eta()
        if outcome.failure:
            echo(f"{outcome.unit.name}: SET ASIDE, {outcome.failure}")
        if left and eta is not None:
            echo(f"{len(units) - left} of {len(units)} fits done, about {eta / 60:.1f} minutes left")

    outcomes = scheduler.run(units, progress)
    for trainer in trainers:
        trainer.complete()
    _raise_failures(outcomes)


def _missing(trainer: Trainer, folds: Sequence[int] | None) -> list[Unit]:
    every = scored_folds(trainer.prepared)
    unknown = sorted(set(folds or []) - set(every))
    if unknown:
        raise TrainError(f"fold must be one of {every}, but got {unknown[0]}. See folds.csv, or `kit folds`")
    wanted = [fold for fold in folds or every if not trainer.finished(fold)]
    if not wanted:
        return []
    data = share(trainer.prepared, trainer.workspace.cache)
    root, cache = trainer.workspace.root, trainer.workspace.cache
    jobs = [FitJob(trainer.contest, trainer.recipe, fold, data, root, cache) for fold in wanted]
    return [fit_unit(job, len(trainer.prepared.split(job.fold).train)) for job in jobs]


def _raise_failures(outcomes: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        listed = "; ".join(f"{outcome.unit.name}: {outcome.failure}" for outcome in failed)
        raise TrainError(
            f"{len(failed)} of {len(outcomes)} units failed, the others are done. {listed}. "
            f"Fix what is named, and run the same command again"
        )
