"""How many fits a machine without a GPU trains at once where nobody says: as many as its cores train fastest.

Two fits of one thread each do more than one fit of two threads, as threads wait for each other. How much more depends
on the network and the chip, so it is measured: a forward and a backward pass with every number of threads, in turn.
The number is that of a whole command, whatever of it is already there, so that a resumed one gives the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from kit.artefact import read_json, sha256_bytes, write_json
from kit.cluster.devices import cpu_device
from kit.cluster.threads import counts
from kit.cluster.unit import Device
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.storage import exists
from kit.train.device import machine_name, pick_device, pinned, usable_cores
from kit.train.precision import Trial
from kit.train.run import Trainer
from kit.train.run_folder import scored_folds
from kit.workspace import Workspace

SHARED = 0.95
"""Speed of a fit beside others, which share caches and memory with it, against that of a fit alone, whose threads wait
where one of them decodes, augments or steps: 124 images/s in two places, where passes alone foretold 131, and 104 in
one for 112 (MobileNetV2 at 128 px)."""
MANY = 10_000
"""Fits that a plan may make."""
WORTH = 20.0
"""Seconds of training in all below which starting processes does not pay."""
IMAGES, ROUNDS = 16, 3


def cpu_places(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    many: bool = False,
) -> Device:
    """This machine's cores with the places in which `recipes` (each on every fold) are trained in the least time.

    many: as many fits as keep every place busy, where a plan is still to say which.
    """
    cores, folds = usable_cores(), scored_folds(prepared)
    if cores == 1 or not recipes:
        return cpu_device(1)
    speeds = passes_per_second(Trainer(contest, prepared, recipes[0], workspace, pick_device()), counts(cores))
    rows = sum(len(prepared.split(fold).train) for fold in folds)
    images = sum(recipe.train.epochs * rows * recipe.size**2 for recipe in recipes) / recipes[0].size ** 2
    if images / speeds[1] < WORTH:
        return cpu_device(1)
    return cpu_device(best_places(speeds, MANY if many else len(folds) * len(recipes)))


def best_places(speeds: dict[int, float], fits: int) -> int:
    """The number of places with the shortest time for `fits` fits; speeds: of one fit, by the places that there are."""
    seconds = {places: math.ceil(fits / places) / _beside(speed, places) for places, speed in speeds.items()}
    return min(seconds, key=lambda places: seconds[places])


def _beside(speed: float, places: int) -> float:
    return speed * (SHARED if places > 1 else 1.0)


def passes_per_second(trainer: Trainer, places: Sequence[int]) -> dict[int, float]:
    """Images per second through one fit, forward and backward, where the cores are shared by so many; remembered."""
    recipe, device = trainer.recipe, trainer.device
    key = f"{recipe.net.name} {recipe.net.args} {recipe.size} {usable_cores()} {machine_name(device)}"
    path = trainer.workspace.cache / "places" / f"{sha256_bytes(key.encode())[:16]}.json"
    if not exists(path):
        speeds = _measured(trainer, places)
        write_json(path, {"key": key, "speeds": [[count, speed] for count, speed in speeds.items()]})
    return {int(count): float(speed) for count, speed in read_json(path, rerun=f"rm {path}")["speeds"]}


def _measured(trainer: Trainer, places: Sequence[int]) -> dict[int, float]:
    batch = torch.rand(IMAGES, 3, trainer.recipe.size, trainer.recipe.size)
    seconds: dict[int, list[float]] = {count: [] for count in places}
    with pinned(0):
        trial = Trial(trainer.new_net(), batch, trainer.device, (False, True))
        trial.step()
        started = time.perf_counter()
        for _ in range(ROUNDS):
            for count in places:
                torch.set_num_threads(max(1, usable_cores() // count))
                trial.step()  # threads come and go
                seconds[count].append(trial.step())
            if time.perf_counter() - started > 10:
                break
    return {count: IMAGES / min(took) for count, took in seconds.items()}
