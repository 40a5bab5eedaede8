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
from kit.train.fit import Diverged
from kit.train.memory import ran_out
from kit.train.names import check_names
from kit.train.run import Trainer, train_recipe
from kit.train.run_folder import scored_folds
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
        _one_by_one(contest, prepared, recipes, workspace, echo, folds)
        return
    for recipe in recipes:
        check_names(contest, recipe)
    backend = make_backend(workspace.cache / "workers", workers, cluster)
    try:
        train_on(backend, contest, prepared, recipes, workspace, echo, folds)
    finally:
        backend.close()


def _one_by_one(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    echo: Echo,
    folds: Sequence[int] | None,
) -> None:
    """In this process; a recipe that diverges, or needs more memory than there is with half its batch too, is set
    aside as the scheduler does.
    """
    failed = {}
    for recipe in recipes:
        try:
            try:
                train_recipe(contest, prepared, recipe, workspace, echo, folds)
            except (MemoryError, RuntimeError) as error:
                if not ran_out(error):
                    raise
                echo(f"{recipe.name}: out of memory, tried with half the batch")
                train_recipe(contest, prepared, recipe, workspace, echo, folds, batch_share=0.5)
        except Diverged as error:
            failed[recipe.name] = str(error)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            failed[recipe.name] = f"out of memory with half its batch ({str(error).splitlines()[0][:200]})"
        if recipe.name in failed:
            echo(f"{recipe.name}: SET ASIDE, {failed[recipe.name]}")
    if failed:
        raise _failures([f"{name}: {why}" for name, why in failed.items()], len(recipes), "recipes")


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
    failed = [f"{outcome.unit.name}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    if failed:
        raise _failures(failed, len(outcomes), "units")


class SetAside(TrainError):
    """Some of what was to be trained failed, and all else is done."""


def _failures(failed: Sequence[str], count: int, what: str) -> SetAside:
    return SetAside(
        f"{len(failed)} of {count} {what} failed, the others are done. {'; '.join(failed)}. "
        f"Fix what is named, and run the same command again"
    )
