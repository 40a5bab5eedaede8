from __future__ import annotations

import time

import pytest

from kit.config import TrainConfig
from kit.train.pace import Pace
from kit.train.schedule import lr_factor


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def walk(pace: Pace, clock: Clock, seconds: list[float]) -> list[float]:
    """Progress at every step of a fit whose steps take `seconds`, the last value for all that follow."""
    seen, step = [], 0
    while step < pace.total:
        pace.look(step)
        seen.append(pace.progress(step))
        clock.now += seconds[min(step, len(seconds) - 1)]
        step += 1
    return seen


def test_without_a_deadline_progress_is_the_share_of_the_steps() -> None:
    pace = Pace(7)
    assert [pace.progress(step) for step in range(8)] == [step / 7 for step in range(8)]


def test_a_fit_in_time_is_the_fit_without_a_deadline(clock: Clock) -> None:
    pace = Pace(100, clock.now + 101)
    assert walk(pace, clock, [1.0]) == [step / 100 for step in range(100)]
    assert not pace.shortened


def test_a_slow_fit_ends_in_time_and_anneals_to_its_end(clock: Clock) -> None:
    deadline = clock.now + 100
    pace = Pace(100, deadline)
    seen = walk(pace, clock, [2.5])
    assert pace.shortened
    assert pace.planned == 100
    assert len(seen) == pytest.approx(40, abs=1)
    assert clock.now <= deadline
    assert seen == sorted(seen)
    assert pace.progress(len(seen)) == pytest.approx(1.0)
    rates = [lr_factor(TrainConfig(), progress) for progress in seen]
    assert rates[-1] < 0.02
    assert max(rates) > 0.95


def test_one_that_slows_down_late_ends_in_time_too(clock: Clock) -> None:
    deadline = clock.now + 110
    pace = Pace(100, deadline)
    seen = walk(pace, clock, [1.0] * 60 + [4.0])
    assert 60 < len(seen) < 80
    assert clock.now <= deadline + 4.0 * 2
    assert seen[60] == 0.6, "nothing changed before"


def test_a_slow_start_is_no_reason(clock: Clock) -> None:
    pace = Pace(100, clock.now + 120)
    walk(pace, clock, [8.0, 1.0])
    assert not pace.shortened


def test_a_deadline_that_has_passed_leaves_steps_to_anneal_in(clock: Clock) -> None:
    pace = Pace(1000, clock.now - 5)
    seen = walk(pace, clock, [1.0])
    assert len(seen) == 20
    assert pace.progress(len(seen)) == 1.0


def test_a_shortened_fit_resumes(clock: Clock) -> None:
    pace = Pace(100, clock.now + 50)
    for step in range(30):
        pace.look(step)
        clock.now += 2.0
    again = Pace(100)
    again.load_state_dict(pace.state_dict())
    assert again.shortened
    assert [again.progress(step) for step in range(20, 25)] == [pace.progress(step) for step in range(20, 25)]
