from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import Toy

from kit.config import RecipeConfig
from kit.errors import ConfigError
from kit.pipeline.budget import Budget
from kit.pipeline.clock import IMPORTS, RESERVE, SLOWEST, Clock
from kit.pipeline.named import find_recipe, with_epochs
from kit.pipeline.plan import with_splits
from kit.pipeline.race import Heat
from kit.pipeline.value import LEAST_EPOCHS


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


def heat(score: float = 0.5, image: float = 0.01, scored: float = 1e-3) -> Heat:
    return Heat(3000, 500, score, score, image, scored, 1e-3, 1.0, "fp32")


def recipes(toy: Toy, count: int, epochs: float = 100) -> list[RecipeConfig]:
    base = toy.recipe("tiny")
    train = base.train.model_copy(update={"epochs": epochs})
    return [base.model_copy(update={"name": f"r{number}", "train": train}) for number in range(count)]


def make(toy: Toy, minutes: float, *heats: Heat) -> Budget:
    return Budget(
        toy.contest(), toy.prepared(), Clock(minutes), 2, {f"r{number}": [one] for number, one in enumerate(heats)}
    )


# ---------------------------------------------------------------------------------------------------- the clock
def test_the_clock_keeps_a_reserve(fake_time: FakeTime) -> None:
    clock = Clock(10)
    assert clock.remaining() == pytest.approx(600 * (1 - RESERVE))
    fake_time.now += 100
    assert clock.remaining() == pytest.approx(600 * (1 - RESERVE) - 100)


def test_importing_counts_and_says_how_slow_the_machine_is(fake_time: FakeTime) -> None:
    begun = fake_time.now - 3 * IMPORTS
    slow, quick = Clock(10, begun, 3 * IMPORTS), Clock(10, fake_time.now - 1, 1)
    assert slow.remaining() == pytest.approx(600 * (1 - RESERVE) - 3 * IMPORTS)
    assert slow.ending(0, False) == pytest.approx(3 * quick.ending(0, False))
    assert slow.ending(0, True) > slow.ending(0, False)
    assert slow.ending(1e6, False) > slow.ending(0, False)
    assert Clock(10, begun, 1000.0).slower == SLOWEST


# --------------------------------------------------------------------------------------------------------- folds
def test_folds_that_the_user_gave_are_kept(toy: Toy) -> None:
    contest = toy.contest()
    column = contest.model_copy(update={"folds": contest.folds.model_copy(update={"kind": "column", "n_splits": 5})})
    budget = replace(make(toy, 10, heat()), contest=column)
    assert budget.settle(recipes(toy, 1), print).n_splits == 5


@pytest.mark.parametrize(("wanted", "allowed"), [(2, {2}), (3, {3}), (5, {3, 4, 5}), (10, {3, 4, 5, 10})])
def test_a_plan_never_has_more_folds_than_the_contest(toy: Toy, wanted: int, allowed: set[int]) -> None:
    budget = make(toy, 10, heat())
    budget = replace(budget, contest=with_splits(budget.contest, wanted))
    assert budget.settle(recipes(toy, 1), print).n_splits in allowed


def test_with_little_time_there_are_fewer_folds_and_it_is_said(toy: Toy) -> None:
    lines: list[str] = []
    budget = make(toy, 2, heat(image=0.2))
    budget = replace(budget, contest=with_splits(budget.contest, 10))
    assert budget.settle(recipes(toy, 1), lines.append).n_splits < 10
    assert any("folds instead of 10" in line for line in lines)


def test_where_scoring_would_take_the_time_rows_are_scored_under_fewer_shifts(toy: Toy) -> None:
    lines: list[str] = []
    assert make(toy, 10, heat()).settle(recipes(toy, 1), lines.append).cells_per_row == 2
    assert lines == []
    dear = make(toy, 2, heat(scored=0.8)).settle(recipes(toy, 1), lines.append)
    assert dear.cells_per_row == 1
    assert any("under 1 shifts instead of 2" in line for line in lines)


# ------------------------------------------------------------------------------------------------------- choosing
def test_a_hopeless_recipe_is_not_trained_and_the_reason_is_said(toy: Toy, fake_time: FakeTime) -> None:
    budget, wanted = make(toy, 3, heat(0.9, 0.02), heat(0.34, 0.02)), recipes(toy, 2)
    room = budget.room_beside([], [])
    made = budget.choose(wanted, room)
    assert made is not None
    assert list(made.epochs) == ["r0"]
    (line,) = budget.why_not(wanted, made, room)
    assert line.startswith("r1 is not trained: with it the blend is expected ")


def test_where_the_race_took_all_the_time_the_best_recipe_is_trained_as_short_as_it_can_be(
    toy: Toy, fake_time: FakeTime
) -> None:
    budget, wanted = make(toy, 0.1, heat(0.4), heat(0.8)), recipes(toy, 2)
    room = budget.room_beside([], [])
    assert budget.choose(wanted, room) is None
    made = budget.least(wanted, room)
    assert dict(made.epochs) == {"r1": LEAST_EPOCHS}
    assert made.seconds > 0


def test_minutes_that_hold_no_training_at_all_are_a_clear_error_before_it(fake_time: FakeTime) -> None:
    Clock(1).check(practice=True)
    Clock().check(practice=True)
    with pytest.raises(ConfigError, match=r"--budget 0.1: starting, packaging .* take 0.2 minutes here. Give more"):
        Clock(0.1).check(practice=False)


def test_slower_fits_than_foreseen_make_the_rest_dearer_within_bounds(toy: Toy) -> None:
    budget, (recipe,) = make(toy, 10, heat()), recipes(toy, 1)
    before = budget.candidate(recipe).image
    budget.observe(20.0, 10.0)
    assert budget.candidate(recipe).image == pytest.approx(1.5 * before)
    for _ in range(20):
        budget.observe(1e6, 1.0)
    assert budget.slower == pytest.approx(3.0, abs=0.01)


def test_the_vault_is_scored_by_every_fold(toy: Toy) -> None:
    budget = make(toy, 10, heat())
    prepared = budget.prepared
    folds = np.array(prepared.folds)
    with_vault = replace(budget, prepared=prepared.with_folds(np.where(np.arange(60) < 6, -3, folds)))
    assert len(with_vault.prepared.vault) == 6
    assert with_vault.scored_rows == 54 + 2 * 6
    assert budget.scored_rows == 60


# --------------------------------------------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("asked", "given", "name"),
    [(12.34, 12, "tiny-e12"), (12.5, 12.5, "tiny-e12.5"), (1.29, 1.2, "tiny-e1.2"), (0.01, 0.1, "tiny-e0.1")],
)
def test_epochs_are_round_never_up_and_named(asked: float, given: float, name: str, toy: Toy) -> None:
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
