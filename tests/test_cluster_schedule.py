from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cluster_toy import Imagined, Takes, device

from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Outcome, Unit


def units(seconds: list[float], **more: Any) -> list[Unit]:
    return [Unit(f"u{number}", Takes(took), "g", abs(took), **more) for number, took in enumerate(seconds)]


def run(backend: Imagined, wanted: list[Unit], **more: Any) -> tuple[Scheduler, list[Outcome]]:
    scheduler = Scheduler(backend, clock=backend.clock, **more)
    return scheduler, scheduler.run(wanted)


# ------------------------------------------------------------------------------------------------------ order
def test_the_longest_unit_goes_first() -> None:
    backend = Imagined((device(1),))
    run(backend, units([1.0, 3.0, 2.0]))
    assert backend.order == ["u1", "u2", "u0"]


def test_outcomes_come_in_the_order_of_the_units() -> None:
    _, outcomes = run(Imagined((device(3),)), units([1.0, 3.0, 2.0]))
    assert [outcome.value for outcome in outcomes] == ["u0", "u1", "u2"]


@pytest.mark.parametrize("places", [1, 2, 3, 8])
def test_longest_first_is_within_its_known_bound_of_any_schedule(places: int) -> None:
    # Graham (1969): at most 4/3 - 1/(3m) of the optimum, which is at least the mean load and the longest unit.
    seconds = np.random.default_rng(places).exponential(10, 60).tolist()
    backend = Imagined((device(places),))
    run(backend, units(seconds))
    optimum = max(sum(seconds) / places, max(seconds))
    assert backend.now <= (4 / 3 - 1 / (3 * places)) * optimum
    assert backend.most == places


def test_units_may_come_while_others_run() -> None:
    backend = Imagined((device(1),))
    scheduler = Scheduler(backend, clock=backend.clock)
    scheduler.submit(units([2.0])[0])
    first = scheduler.wait(1.0)
    assert [outcome.value for outcome in first] == ["u0"]
    assert scheduler.idle
    scheduler.submit(units([1.0, 5.0])[1])
    assert [outcome.value for outcome in scheduler.wait(1.0)] == ["u1"]


# ----------------------------------------------------------------------------------------------------- memory
def test_no_more_units_at_once_than_their_memory_allows() -> None:
    backend = Imagined((device(4, memory_mb=1000),))
    run(backend, units([1.0] * 8, memory_mb=400.0))
    assert backend.most == 2


def test_a_unit_that_fits_nowhere_is_tried_alone() -> None:
    backend = Imagined((device(4, memory_mb=1000),))
    _, outcomes = run(backend, units([1.0] * 3, memory_mb=5000.0))
    assert backend.most == 1
    assert not any(outcome.failure for outcome in outcomes)


def test_a_gpu_is_shared_once_the_memory_of_a_fit_is_measured() -> None:
    backend = Imagined((device(3, 1000, "cuda"),), memory_mb=300.0)
    scheduler = Scheduler(backend, clock=backend.clock)
    for unit in units([4.0, 3.0, 2.0, 1.0]):
        scheduler.submit(unit)
    scheduler.wait(0)
    assert backend.order[:1] == ["u0"]
    assert len(scheduler.running) == 3  # 330 MB each, with headroom, of 1,000


def test_units_spread_over_devices_with_room() -> None:
    backend = Imagined((device(1, index=0), device(1, index=1)))
    run(backend, units([2.0, 2.0]))
    assert backend.now == 2.0


# --------------------------------------------------------------------------------------------------- failures
def test_a_failing_unit_is_tried_with_half_its_batch_then_set_aside_and_the_others_go_on() -> None:
    said: list[str] = []
    backend = Imagined((device(2),))
    _, outcomes = run(backend, units([-1.0, 2.0, 2.0]), on_line=lambda unit, text: said.append(text))
    assert [bool(outcome.failure) for outcome in outcomes] == [True, False, False]
    assert outcomes[0].failure == "it failed"
    assert backend.order.count("u0") == 2
    assert outcomes[0].batch_share == 0.5
    assert said == ["u0: it failed: tried with half the batch"]


# -------------------------------------------------------------------------------------------------------- ETA
def test_the_eta_is_what_it_then_takes() -> None:
    backend = Imagined((device(2),))
    scheduler = Scheduler(backend, clock=backend.clock)
    for unit in units([4.0, 4.0, 3.0, 3.0, 2.0, 1.0]):
        scheduler.submit(unit)
    assert scheduler.eta() is None
    scheduler.wait(0)
    promised = backend.now + (scheduler.eta() or 0)
    while not scheduler.idle:
        scheduler.wait(0)
    assert backend.now == pytest.approx(promised)


def test_a_group_that_nobody_has_measured_is_taken_to_be_as_quick_as_the_others() -> None:
    backend = Imagined((device(1),))
    scheduler = Scheduler(backend, clock=backend.clock)
    scheduler.run([Unit("known", Takes(6.0), "g", 2.0)])
    assert scheduler.seconds(Unit("other", Takes(1.0), "h", 4.0)) == 12.0
