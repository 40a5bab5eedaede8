"""How many fits share the cores of a machine without a GPU: measured, as it depends on the network and the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.artefact import read_json, sha256_bytes, write_json
from kit.cluster.devices import cpu_device
from kit.cluster.fits import FitJob
from kit.cluster.local import LocalBackend
from kit.cluster.schedule import Scheduler
from kit.cluster.shared import share
from kit.cluster.unit import Device, Job, Talk, Unit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import TrainError
from kit.storage import exists
from kit.train.device import machine_name, pick_device, pinned, usable_cores
from kit.train.images import resized
from kit.workspace import Workspace

WORTH = 1.05
"""Factor by which more workers must be faster: each of them takes memory."""


@dataclass(frozen=True)
class Probe:
    """Trains on a few images; gives images per second."""

    job: FitJob

    def __call__(self, talk: Talk, share: float) -> float:
        prepared = self.job.data.load()
        trainer = self.job.trainer(prepared, share)
        batch = self.job.recipe.train.batch_size
        with pinned(0):
            seconds, _ = trainer.time_step(resized(prepared.images[:batch], self.job.recipe.size))
        return batch / seconds


def worker_count(
    wanted: str | None,
    contest: ContestConfig,
    prepared: Prepared,
    recipe: RecipeConfig,
    workspace: Workspace,
    echo: Echo,
) -> int | None:
    """--workers as a number: measured on `recipe` where it is auto, None where the devices decide."""
    if wanted is None or (wanted == "auto" and pick_device().type != "cpu"):
        return None
    if wanted != "auto":
        return int(wanted)
    data = share(prepared, workspace.cache)
    return measured_workers(FitJob(contest, recipe, 0, data, workspace.root, workspace.cache), echo)


def counts(cores: int) -> list[int]:
    """Numbers of workers that are tried: 1, 2, 4, ... up to the cores."""
    return [2**power for power in range(cores.bit_length()) if 2**power <= cores]


def measured_workers(job: FitJob, echo: Echo) -> int:
    """The number of workers with the most images per second in all; remembered for this machine and network."""
    net, size, batch = job.recipe.net, job.recipe.size, job.recipe.train.batch_size
    key = f"{net.name} {net.args} {size} {batch} {usable_cores()} {machine_name(pick_device())}"
    path = job.cache / "workers" / f"{sha256_bytes(key.encode())[:16]}.json"
    if not exists(path):
        tried = counts(usable_cores())
        speeds = {count: total_speed(Probe(job), cpu_device(count), path.parent) for count in tried}
        write_json(path, {"key": key, "speeds": [[count, speed] for count, speed in speeds.items()]})
    speeds = {int(count): float(speed) for count, speed in read_json(path, rerun=f"rm {path}")["speeds"]}
    best = choose(speeds)
    listed = ", ".join(f"{count}: {speed:.0f}" for count, speed in speeds.items())
    echo(f"workers: {best} at once (images/s in all by number of workers: {listed})")
    return best


def choose(speeds: dict[int, float]) -> int:
    """The fewest workers that no larger number beats by WORTH."""
    best = min(speeds)
    for count in sorted(speeds):
        if speeds[count] > speeds[best] * WORTH:
            best = count
    return best


def total_speed(probe: Job, device: Device, logs: Path) -> float:
    """Sum of what `probe` gives in every place of `device` at the same time, once all processes are there."""
    backend = LocalBackend((device,), logs)
    try:
        scheduler = Scheduler(backend)
        probes = [Unit(f"probe {number}", probe) for number in range(device.places)]
        scheduler.run(probes)  # the first round starts the processes
        return _sum([outcome.value for outcome in scheduler.run(probes)])
    finally:
        backend.close()


def _sum(speeds: Sequence[float | None]) -> float:
    """TrainError where a probe failed: a fit would fail too, and says why."""
    if any(speed is None for speed in speeds):
        raise TrainError("the recipe cannot be measured with several workers. Train it with --workers 1 to see why")
    return sum(speed for speed in speeds if speed is not None)
