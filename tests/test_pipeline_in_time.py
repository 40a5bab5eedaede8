"""A budget on an imagined machine: how long it all takes, whatever the fits do."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from cluster_toy import device
from conftest import Toy

from kit.cluster.fits import FitJob
from kit.cluster.unit import Device, Done, Event, Failure, Unit
from kit.errors import TrainError
from kit.pipeline.budget import Budget
from kit.pipeline.clock import Clock
from kit.pipeline.in_time import InTime
from kit.pipeline.plan import Plan
from kit.pipeline.race import Heat
from kit.train.pace import LEAST
from kit.train.run import Trainer

ROWS, IMAGE, SCORING, LOAD = 30, 0.02, 0.5, 1.0
"""The toy's training rows, seconds an image, of a fold's scoring, and of a fit beside both."""


@dataclass
class Machine:
    """Fits that take `slow` times as long as the race said, and shorten themselves at their deadline."""

    devices: tuple[Device, ...]
    slow: float = 1.0
    now: float = 1000.0
    forgives: int = 0
    ends: list[tuple[float, int, Event]] = field(default_factory=list)
    made: dict[str, float] = field(default_factory=dict)
    """Share of its steps that each fit made."""
    fails: str = ""
    order: list[str] = field(default_factory=list)

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        job = unit.job
        assert isinstance(job, FitJob)
        self.order.append(unit.name)
        if job.recipe.name.startswith(self.fails or "-"):
            heapq.heappush(self.ends, (self.now + 1, key, Event(key, "failed", Failure("it diverged", True))))
            return
        steps = job.recipe.train.epochs * ROWS * IMAGE * self.slow
        assert job.deadline is not None
        allowed = max(LEAST * steps, job.deadline - self.now - LOAD * self.slow)
        took = min(steps, allowed)
        self.made[unit.name] = took / steps
        seconds = LOAD * self.slow + took + SCORING * self.slow
        value = {"steps": round(1000 * took / steps), "steps_planned": 1000}
        heapq.heappush(self.ends, (self.now + seconds, key, Event(key, "done", Done(value, seconds, 0.0))))

    def reply(self, key: int, go_on: bool) -> None: ...

    def events(self, timeout: float) -> list[Event]:
        if not self.ends:
            return []
        self.now, _, event = heapq.heappop(self.ends)
        return [event]

    def cancel(self) -> None:
        self.ends.clear()

    def close(self) -> None: ...


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine((device(2),))
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    monkeypatch.setattr(Trainer, "finished", lambda self, fold: f"{self.recipe.name} fold {fold}" in made.made)
    monkeypatch.setattr(Trainer, "complete", lambda self: all(self.finished(fold) for fold in (0, 1)))
    return made


def heats(**scores: float) -> dict[str, list[Heat]]:
    """Of recipes that score so after 1,000 images; a fold's scoring takes SCORING."""
    scored = SCORING / 30 / 3
    return {name: [Heat(1000, 500, one, one, IMAGE, scored, 0.0, LOAD, "fp32")] for name, one in scores.items()}


def run(toy: Toy, machine: Machine, minutes: float, found: dict[str, list[Heat]], **more: Any) -> InTime:
    contest, prepared = toy.contest(), toy.prepared()
    budget = Budget(contest, prepared, Clock(minutes, machine.now), 2, found)
    plan = more.pop("plan", None) or Plan(minutes, 2)
    made = InTime(budget, plan, toy.workspace, machine, more.pop("echo", lambda line: None))
    base = toy.recipe("tiny")
    train = base.train.model_copy(update={"epochs": 400.0})
    recipes = [base.model_copy(update={"name": name, "train": train}) for name in found]
    made.names = made.run(recipes)  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("slow", [0.7, 1.0, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("minutes", [2, 6])
def test_everything_ends_within_the_budget_however_slow_the_fits_are(
    toy: Toy, machine: Machine, slow: float, minutes: float
) -> None:
    machine.slow = slow
    started = machine.now
    made = run(toy, machine, minutes, heats(a=0.6, b=0.6, c=0.35))
    training = machine.now - started
    candidates = [made.budget.candidate(one.recipe) for one in made.begun]
    after = made.budget.clock.ending(60 * 3 * len(candidates), False) + sum(one.after for one in candidates) * 2
    assert training + after <= minutes * 60
    if slow == 1.0:
        assert min(machine.made.values()) == 1.0, "nothing is shortened where nothing is slow"


def test_the_time_is_used(toy: Toy, machine: Machine) -> None:
    started = machine.now
    run(toy, machine, 4, heats(a=0.6, b=0.55))
    assert machine.now - started > 0.75 * 4 * 60


def test_a_recipe_that_an_earlier_budget_trained_as_long_does_not_end_the_training(toy: Toy, machine: Machine) -> None:
    run(toy, machine, 30, heats(a=0.6))
    assert sorted(machine.made) == ["a-e400 fold 0", "a-e400 fold 1"]
    made = run(toy, machine, 30, heats(a=0.6, b=0.6))
    assert made.names == ["a-e400", "b-e400"]  # type: ignore[attr-defined]
    assert sorted(machine.order) == ["a-e400 fold 0", "a-e400 fold 1", "b-e400 fold 0", "b-e400 fold 1"]


def test_a_slow_machine_shortens_fits_and_never_leaves_a_recipe_with_half_its_folds(toy: Toy, machine: Machine) -> None:
    machine.slow = 3.0
    run(toy, machine, 4, heats(a=0.6, b=0.6))
    names = {name.rpartition(" fold ")[0] for name in machine.made}
    assert all(f"{name} fold {fold}" in machine.made for name in names for fold in (0, 1))
    assert min(machine.made.values()) < 1


def test_the_plan_is_told_with_its_reasons_and_kept(toy: Toy, machine: Machine) -> None:
    lines: list[str] = []
    made = run(toy, machine, 3, heats(a=0.8, weak=0.34), echo=lines.append)
    assert [one.recipe.name for one in made.begun] == ["a"]
    assert any("epochs by recipe: a " in line and "the blend is expected at 0." in line for line in lines)
    assert any("weak is not trained" in line for line in lines)
    plan = Plan.read(toy.workspace, toy.contest())
    assert plan is not None
    assert list(plan.epochs) == ["a"]
    assert plan.fold_digest == toy.prepared().fold_digest
    assert plan.expected is not None
    assert plan.reasons


def test_an_interrupted_plan_goes_on_with_its_epochs(toy: Toy, machine: Machine) -> None:
    first = run(toy, machine, 4, heats(a=0.6, b=0.6))
    plan = Plan.read(toy.workspace, toy.contest())
    assert plan is not None
    lost = next(name for name in machine.made if name.endswith("fold 1"))
    del machine.made[lost]
    machine.order.clear()
    again = run(toy, machine, 4, heats(a=0.6, b=0.6), plan=plan)
    assert machine.order[0] == lost
    assert [one.fitted for one in again.begun][: len(first.begun)] == [one.fitted for one in first.begun]


def test_a_recipe_that_fails_does_not_take_the_others_with_it(toy: Toy, machine: Machine) -> None:
    machine.fails = "a-"
    lines: list[str] = []
    made = run(toy, machine, 4, heats(a=0.6, b=0.6), echo=lines.append)
    assert [name.split("-")[0] for name in made.names] == ["b"]  # type: ignore[attr-defined]
    assert any("SET ASIDE, it diverged" in line for line in lines)
    machine.fails = "b-"
    with pytest.raises(TrainError, match=r"no recipe was trained on all folds. b-\S+: it diverged. Fix what is named"):
        run(toy, machine, 4, heats(b=0.6))
