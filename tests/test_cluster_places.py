from __future__ import annotations

import pytest
from cluster_toy import Mistaken, Reports, Sleep, device
from conftest import Toy

from kit.cluster import places as module
from kit.cluster.inline import InlineBackend
from kit.cluster.places import best_places, cpu_places, passes_per_second
from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Unit
from kit.train.device import pick_device
from kit.train.run import Trainer


def test_fits_at_once_where_threads_wait_for_each_other() -> None:
    assert best_places({1: 130.0, 2: 100.0}, 6) == 2
    assert best_places({1: 130.0, 2: 100.0}, 3) == 2
    assert best_places({1: 195.0, 2: 100.0}, 6) == 1, "threads that do not wait for each other stay together"
    assert best_places({1: 130.0, 2: 100.0}, 1) == 1, "one fit has all the cores"
    assert best_places({1: 400.0, 2: 300.0, 4: 200.0, 8: 110.0}, 3) == 4, "as few places are idle as can be"


def test_speeds_are_measured_once(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy.contest(), toy.prepared(), toy.recipe("tiny"), toy.workspace, pick_device())
    speeds = passes_per_second(trainer, [1])
    assert set(speeds) == {1}
    assert speeds[1] > 0
    monkeypatch.setattr(module, "_measured", lambda trainer, places: {1: -1.0})
    assert passes_per_second(trainer, [1]) == speeds


def test_work_too_short_for_processes_stays_in_this_one(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "passes_per_second", lambda trainer, places: {1: 1e6, 2: 0.9e6})
    arguments = (toy.contest(), toy.prepared(), [toy.recipe("tiny")], toy.workspace)
    assert cpu_places(*arguments).places == 1
    monkeypatch.setattr(module, "passes_per_second", lambda trainer, places: {1: 10.0, 2: 9.0})
    assert cpu_places(*arguments).places == 2


def test_a_plan_may_still_choose_as_many_fits_as_fill_the_places(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "passes_per_second", lambda trainer, places: {1: 0.13, 2: 0.09})
    arguments = (toy.contest(), toy.prepared(), [toy.recipe("tiny")], toy.workspace)
    monkeypatch.setattr(module, "scored_folds", lambda prepared: [0, 1, 1])
    assert cpu_places(*arguments).places == 1, "an odd number of fits leaves one of two places idle"
    assert cpu_places(*arguments, many=True).places == 2


def test_one_core_is_one_place(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 1)
    assert cpu_places(toy.contest(), toy.prepared(), [toy.recipe("tiny")], toy.workspace).places == 1


def test_units_in_this_process_give_what_workers_give() -> None:
    said: list[str] = []
    scheduler = Scheduler(InlineBackend(device(1)), on_line=lambda unit, text: said.append(text))
    fine, mistaken, told = scheduler.run([Unit("a", Sleep(0.0, "fine")), Unit("b", Mistaken()), Unit("c", Reports(2))])
    assert fine.value == "fine"
    assert mistaken.failure == "ConfigError: no such thing"
    assert told.value == 2
    assert said == ["step 0", "step 1"]
