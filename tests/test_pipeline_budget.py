from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from conftest import Toy

from kit.config import RecipeConfig
from kit.errors import ConfigError
from kit.pipeline.budget import REHEARSAL_IMAGES, RESERVE, Budget, Clock, Cost, find_recipe, with_epochs
from kit.pipeline.plan import Plan, plan_path, with_splits
from kit.train.run import Trainer

COST = Cost(epoch=6.0, scoring=3.0, image=1e-3)
"""Of every recipe: with two folds, 12 s an epoch, 3 s of scoring, 9 s of rehearsal."""
FIXED = COST.scoring + REHEARSAL_IMAGES * 2 * COST.image


class FakeTime:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Recipes that were measured; all cost COST."""
    names: list[str] = []

    def measure(self: Budget, recipe: RecipeConfig, echo: Callable[[str], None]) -> Cost:
        names.append(recipe.name)
        return COST

    monkeypatch.setattr(Budget, "measure", measure)
    return names


def recipes(toy: Toy, count: int, epochs: float = 10) -> list[RecipeConfig]:
    base = toy.recipe("tiny")
    train = base.train.model_copy(update={"epochs": epochs})
    return [base.model_copy(update={"name": f"r{number}", "train": train}) for number in range(count)]


def make(toy: Toy, minutes: float) -> Budget:
    return Budget(toy.contest(), toy.prepared(), toy.workspace, Clock(minutes, time.monotonic()))


def minutes_for(count: int, epochs: float) -> float:
    """A budget in which `count` recipes can have `epochs` epochs each."""
    seconds = count * (2 * COST.epoch * epochs + FIXED)
    return seconds / 60 / (1 - RESERVE)


def silent(line: str) -> None:
    """No echo."""


# ---------------------------------------------------------------------------------------------------- the clock
def test_the_clock_keeps_a_reserve(fake_time: FakeTime) -> None:
    clock = Clock(10, time.monotonic())
    assert clock.remaining() == pytest.approx(600 * (1 - RESERVE))
    fake_time.now += 100
    assert clock.remaining() == pytest.approx(600 * (1 - RESERVE) - 100)


# ----------------------------------------------------------------------------------------------------- the plan
def test_with_time_enough_every_recipe_gets_its_wish(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    planned = list(make(toy, 1000).plan(recipes(toy, 3), silent))
    assert [recipe.name for recipe in planned] == ["r0-e10", "r1-e10", "r2-e10"]
    assert all(recipe.train.epochs == 10 for recipe in planned)
    assert measured == ["r0", "r1", "r2"]


def test_with_less_time_all_get_the_same_share(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    planned = []
    for recipe in make(toy, minutes_for(4, 5)).plan(recipes(toy, 4), silent):
        planned.append(recipe.train.epochs)
        fake_time.now += 2 * COST.epoch * recipe.train.epochs + COST.scoring  # it takes what was foreseen
    assert planned == [5, 5, 5, 5]


def test_what_one_takes_too_long_the_next_gives_back(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    budget = make(toy, minutes_for(4, 5))
    planned = []
    for recipe in budget.plan(recipes(toy, 4), silent):
        planned.append(recipe.train.epochs)
        fake_time.now += 1.2 * (2 * COST.epoch * recipe.train.epochs + COST.scoring)
    assert planned == sorted(planned, reverse=True)
    assert planned[-1] < planned[0]
    assert budget.clock.remaining() > 0.5 * 4 * (FIXED - COST.scoring)  # there is still time to rehearse


def test_where_shares_are_too_small_the_last_recipes_are_left_out(
    toy: Toy, measured: list[str], fake_time: FakeTime
) -> None:
    lines: list[str] = []
    planned = list(make(toy, minutes_for(6, 4)).plan(recipes(toy, 9), lines.append))
    assert [recipe.name.split("-")[0] for recipe in planned] == [f"r{number}" for number in range(len(planned))]
    assert 6 <= len(planned) < 9
    dropped = [line for line in lines if "left out" in line]
    assert [line.split()[1] for line in dropped] == [f"r{number}" for number in range(8, len(planned) - 1, -1)]


def test_few_recipes_are_kept_with_a_smaller_share(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    lines: list[str] = []
    planned = list(make(toy, minutes_for(5, 1.5)).plan(recipes(toy, 5), lines.append))
    assert len(planned) == 5
    assert not any("left out" in line for line in lines)


def test_a_budget_too_short_for_anything_is_refused(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    with pytest.raises(ConfigError, match=r"--budget 0.1: scoring and rehearsing r0 alone takes longer. Give more"):
        list(make(toy, 0.1).plan(recipes(toy, 3), silent))


def test_the_plan_never_goes_over_the_budget(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    for count, minutes in ((1, 1.0), (3, 2.0), (8, 5.0), (8, 30.0)):
        plan_path(toy.workspace, toy.contest()).unlink(missing_ok=True)
        budget = make(toy, minutes)
        rehearsal = 0.0
        for recipe in budget.plan(recipes(toy, count), silent):
            fake_time.now += 2 * COST.epoch * recipe.train.epochs + COST.scoring
            rehearsal += FIXED - COST.scoring
        # Epochs are rounded to halves: the reserve is there for it.
        assert budget.clock.remaining() + RESERVE * 60 * minutes >= rehearsal


# ----------------------------------------------------------------------------------------------------- resuming
def test_a_resumed_plan_keeps_the_epochs_that_were_planned(
    toy: Toy, measured: list[str], fake_time: FakeTime
) -> None:
    wanted, minutes = recipes(toy, 4), minutes_for(4, 5)
    first = make(toy, minutes).plan(wanted, silent)
    before = [next(first), next(first)]
    fake_time.now += 1000
    after = list(make(toy, minutes).plan(wanted, silent))
    assert after[:2] == before
    assert len(after) == 4


def test_a_finished_plan_measures_nothing(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    wanted, minutes = recipes(toy, 2), minutes_for(2, 5)
    before = list(make(toy, minutes).plan(wanted, silent))
    measured.clear()
    assert list(make(toy, minutes).plan(wanted, silent)) == before
    assert measured == []


def test_another_budget_or_other_folds_plan_anew(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    wanted = recipes(toy, 2)
    list(make(toy, minutes_for(2, 5)).plan(wanted, silent))
    assert [recipe.train.epochs for recipe in make(toy, 1000).plan(wanted, silent)] == [10, 10]
    list(make(toy, minutes_for(2, 5)).plan(wanted, silent))
    other = make(toy, minutes_for(2, 5))
    other = replace(other, prepared=replace(other.prepared, fold_digest="0" * 64))
    measured.clear()
    list(other.plan(wanted, silent))
    assert measured == ["r0", "r1"]


def test_the_plan_is_a_file(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    list(make(toy, 1000).plan(recipes(toy, 2), silent))
    expected = Plan(1000, 2, toy.prepared().fold_digest, {"r0": 10.0, "r1": 10.0})
    assert Plan.read(toy.workspace, toy.contest()) == expected


# --------------------------------------------------------------------------------------------------------- folds
@pytest.mark.parametrize(
    ("splits", "minutes", "left"), [(5, 1000, 5), (5, 3, 3), (3, 3, 3), (2, 3, 2)]
)
def test_a_short_budget_has_fewer_folds(
    splits: int, minutes: float, left: int, toy: Toy, measured: list[str], fake_time: FakeTime
) -> None:
    budget = make(toy, minutes)
    budget = replace(budget, contest=with_splits(budget.contest, splits))
    assert budget.splits(recipes(toy, 2), silent) == left


def test_folds_that_the_user_gave_are_kept(toy: Toy, measured: list[str], fake_time: FakeTime) -> None:
    contest = toy.contest()
    column = contest.model_copy(update={"folds": contest.folds.model_copy(update={"kind": "column", "n_splits": 5})})
    assert replace(make(toy, 0.1), contest=column).splits(recipes(toy, 2), silent) == 5


# ------------------------------------------------------------------------------------------------------ measuring
def test_costs_follow_the_speeds_of_this_machine(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "time_step", lambda self, images: (0.5, "fp32"))
    monkeypatch.setattr(Trainer, "time_image", lambda self, images: 0.02)
    monkeypatch.setattr(Budget, "_time_shift", lambda self, images, ids: (0.01, 2))
    lines: list[str] = []
    cost = make(toy, 10).measure(toy.recipe("tiny"), lines.append)
    assert cost.epoch == pytest.approx(0.5 / 10 * 30)  # batches of 10, 30 training rows a fold
    assert cost.scoring == pytest.approx(60 * (0.02 * 3 + 0.01 * 2))
    assert cost.image == 0.02
    assert lines == ["measured: tiny trains 20 img/s (fp32), scores 50 img/s"]


def test_one_held_out_part_has_a_cost(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "time_step", lambda self, images: (0.5, "fp32"))
    monkeypatch.setattr(Trainer, "time_image", lambda self, images: 0.02)
    monkeypatch.setattr(Budget, "_time_shift", lambda self, images, ids: (0.01, 0))
    budget = make(toy, 10)
    holdout = replace(budget.prepared, folds=np.where(np.arange(60) < 45, -1, 0))
    cost = replace(budget, prepared=holdout).measure(toy.recipe("tiny"), silent)
    assert cost.epoch == pytest.approx(0.5 / 10 * 45)
    assert cost.scoring == pytest.approx(15 * 0.02)


def test_a_real_measurement_is_plausible(toy: Toy) -> None:
    cost = make(toy, 10).measure(toy.recipe("mini"), silent)
    assert 0 < cost.epoch < 30
    assert 0 < cost.image < 1
    assert cost.scoring > 60 * cost.image


# --------------------------------------------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("asked", "given", "name"),
    [(12.34, 12.5, "tiny-e12.5"), (1.2, 1, "tiny-e1"), (0.63, 0.6, "tiny-e0.6"), (0.01, 0.1, "tiny-e0.1")],
)
def test_epochs_are_round_and_named(asked: float, given: float, name: str, toy: Toy) -> None:
    recipe = with_epochs(toy.recipe("tiny"), asked)
    assert recipe.train.epochs == given
    assert recipe.name == name
    assert recipe.model_copy(update={"name": "tiny", "train": toy.recipe("tiny").train}) == toy.recipe("tiny")


def test_a_planned_recipe_is_found_by_its_name(toy: Toy) -> None:
    assert find_recipe("tiny-e12.5") == with_epochs(toy.recipe("tiny"), 12.5)
    assert find_recipe("tiny") == toy.recipe("tiny")
    with pytest.raises(ConfigError, match=r"got 'tyny'. Did you mean 'tiny'\?"):
        find_recipe("tyny-e3")
    toy.file("recipes", "tiny-e3").write_text(toy.file("recipes", "mini").read_text())
    assert find_recipe("tiny-e3").views == ("identity", "hflip")
