"""Long runs in one process: memory, open files, threads, processes and temporary files stay flat."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from cluster_toy import Imagined, Sleep, Takes, device
from conftest import Toy
from sweep_toy import FakeMaker, open_toy, sweep_session, toy_sweep

from kit.cluster.devices import find_devices
from kit.cluster.local import LocalBackend
from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Unit
from kit.train.device import pick_device
from kit.train.run import Trainer

LONG = os.environ.get("KIT_SOAK") == "1"
FITS, UNITS, REAL_UNITS, TRIALS = (100, 2000, 2000, 500) if LONG else (6, 200, 20, 20)


@dataclass(frozen=True)
class Held:
    """What this process holds."""

    megabytes: float
    files: int
    threads: int
    processes: int
    temporary: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        me = psutil.Process()
        left = len(list(Path(tempfile.gettempdir()).glob("submission-kit-*")))
        return cls(me.memory_info().rss / 1e6, me.num_fds(), threading.active_count(), len(me.children(True)), left)


def flat(work: Callable[[int], object], count: int, megabytes: float) -> None:
    """Does `work` `count` times; after a third of them nothing but `megabytes` of memory may be added."""
    for number in range(count):
        if number == max(1, count // 3):
            before = Held.now()
        work(number)
    after = Held.now()
    print(f"{count} times: {before} -> {after}")
    assert after.megabytes - before.megabytes < megabytes
    assert after.files <= before.files
    assert after.threads <= before.threads
    assert after.processes <= before.processes
    assert after.temporary <= before.temporary


@pytest.mark.timeout(1800)
def test_fits_in_one_process(toy: Toy) -> None:
    recipe = toy.recipe("tiny")
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1})})
    prepared = toy.prepared()

    def fit(number: int) -> None:
        named = recipe.model_copy(update={"name": f"tiny{number % 3}"})
        trainer = Trainer(toy.contest(), prepared, named, toy.workspace, pick_device())
        trainer.train([number % 2], lambda line: None)
        for path in trainer.fold_folder(number % 2).iterdir():
            path.unlink()

    flat(fit, FITS, 60.0)


def test_a_scheduler_with_many_units() -> None:
    backend = Imagined((device(2),))
    scheduler = Scheduler(backend, clock=backend.clock)

    def batch(number: int) -> None:
        done = scheduler.run([Unit(f"u{number}.{one}", Takes(1.0), "g") for one in range(UNITS // 10)])
        assert len(done) == UNITS // 10
        assert scheduler.idle
        assert scheduler._waiting == {}

    flat(batch, 10, 20.0)


@pytest.mark.timeout(1800)
def test_worker_processes_with_many_units(tmp_path: Path) -> None:
    before = psutil.Process().children(True)
    backend = LocalBackend(find_devices(1), tmp_path)
    scheduler = Scheduler(backend)
    try:
        flat(lambda number: scheduler.run([Unit(f"u{number}", Sleep(0.0))]), REAL_UNITS, 20.0)
    finally:
        backend.close()
    left = [" ".join(one.cmdline()) for one in psutil.Process().children(True) if one not in before]
    assert [line for line in left if "resource_tracker" not in line] == []


@pytest.mark.timeout(1800)
def test_a_sweep_of_many_trials(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": TRIALS}, confirm={"winners": 0, "noise_seeds": 1})
    before = Held.now()
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    after = Held.now()
    print(f"{TRIALS} trials: {before} -> {after}")
    assert sum(trial.state.is_finished() for trial in open_toy(sweep, tmp_path).trials) == TRIALS
    assert after.files <= before.files
    assert after.threads <= before.threads
    assert after.megabytes - before.megabytes < 150.0
