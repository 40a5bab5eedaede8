from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster_toy import Dies, Holds, Mistaken, NeedsLess, Reports, Sleep, device

from kit.cluster.devices import cpu_device, find_devices
from kit.cluster.local import LocalBackend
from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Unit
from kit.train.device import usable_cores


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    made = LocalBackend((device(2),), tmp_path / "logs")
    yield made
    made.close()


def test_results_errors_and_deaths_come_back(backend: LocalBackend, tmp_path: Path) -> None:
    jobs = [Sleep(0.1, "fine"), NeedsLess(), Mistaken(), Dies(tmp_path / "once"), Dies(tmp_path / "always", 9)]
    said: list[str] = []
    scheduler = Scheduler(backend, on_line=lambda unit, text: said.append(text))
    fine, less, mistaken, once, always = scheduler.run([Unit(str(n), job) for n, job in enumerate(jobs)])
    assert fine.value == "fine"
    assert (less.value, less.batch_share) == (0.5, 0.5)
    assert mistaken.failure == "ConfigError: no such thing"
    assert mistaken.batch_share == 1.0, "a mistake in a file is not tried again"
    assert once.value == "after 1 deaths"
    assert "signal 9" in always.failure
    assert (tmp_path / "always").read_text() == "aaa", "as it was, again, and with half the batch"
    assert any("starts again" in line for line in said)


def test_a_death_is_told_after_another_unit_was_started(backend: LocalBackend, tmp_path: Path) -> None:
    (place,) = backend.devices
    backend.start(place, 1, Unit("dies", Dies(tmp_path / "always", 9)), 1.0)
    backend.workers[0].process.join()
    backend.start(place, 2, Unit("lives", Sleep(0, "fine")), 1.0)
    ends: dict[int, str] = {}
    until = time.monotonic() + 30
    while len(ends) < 2 and time.monotonic() < until:
        ends |= {event.key: event.kind for event in backend.events(1.0)}
    assert ends == {1: "lost", 2: "done"}


def test_a_unit_given_to_a_process_that_died_idle_is_lost(backend: LocalBackend) -> None:
    (place,) = backend.devices
    backend.start(place, 1, Unit("first", Sleep(0)), 1.0)
    while not backend.events(1.0):
        pass
    (worker,) = backend.workers
    worker.process.kill()
    worker.process.join()
    worker.start(2, Unit("late", Sleep(0)), 1.0)
    assert [event.kind for event in backend.events(5.0)] == ["lost"]


def test_two_units_run_at_once(backend: LocalBackend) -> None:
    scheduler = Scheduler(backend)
    scheduler.run([Unit(str(n), Sleep(0)) for n in range(2)])  # the processes are there
    started = time.monotonic()
    scheduler.run([Unit(str(n), Sleep(0.5)) for n in range(2)])
    assert 0.5 <= time.monotonic() - started < 0.9


def test_a_report_is_replied_to_and_ends_the_unit(backend: LocalBackend) -> None:
    lines: list[str] = []
    scheduler = Scheduler(
        backend, on_line=lambda unit, text: lines.append(text), on_report=lambda unit, step, value: value < 3
    )
    (outcome,) = scheduler.run([Unit("r", Reports(10))])
    assert outcome.value == 3
    assert lines == ["step 0", "step 1", "step 2", "step 3"]


def test_peak_memory_is_that_of_the_unit_alone(backend: LocalBackend) -> None:
    scheduler = Scheduler(backend)
    big, small = Unit("big", Holds(300), "big"), Unit("small", Holds(1), "small")
    scheduler.run([big])
    scheduler.run([small])
    assert len(backend.pids()) == 1, "the same process"
    gap = scheduler.measured["big"].memory_mb - scheduler.measured["small"].memory_mb
    assert 250 < gap < 350


def test_a_worker_has_the_threads_of_its_device(tmp_path: Path) -> None:
    backend = LocalBackend((device(1),), tmp_path)
    (outcome,) = Scheduler(backend).run([Unit("t", Holds(1))])
    backend.close()
    assert outcome.value.split()[1] == "1"


def test_closing_leaves_no_process_behind(backend: LocalBackend) -> None:
    scheduler = Scheduler(backend)
    scheduler.submit(Unit("long", Sleep(60)))
    scheduler.wait(0.1)
    pids = backend.pids()
    assert pids
    backend.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_an_interrupted_run_ends_its_workers(backend: LocalBackend) -> None:
    def interrupt(unit: Unit, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Scheduler(backend, on_line=interrupt).run([Unit("r", Reports(2))])
    assert backend.pids() == []


# ---------------------------------------------------------------------------------------------------- devices
def test_the_cores_of_this_machine_are_found() -> None:
    (found,) = find_devices(2)
    assert (found.kind, found.places) == ("cpu", 2)
    assert found.threads == max(1, usable_cores() // 2)
    assert 0 < found.memory_mb < psutil.virtual_memory().total / 2**20


def test_one_place_has_all_cores_that_omp_num_threads_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert cpu_device(1).threads == usable_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cpu_device(1).threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(10 * (os.cpu_count() or 1)))
    assert cpu_device(1).threads <= (os.cpu_count() or 1)
