from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import Toy

from kit.config import AugmentConfig
from kit.errors import ArtefactError
from kit.pipeline.plan import Plan, plan_path, planned, with_splits
from kit.pipeline.stages.data import digest_of_race
from kit.situation.situation import find_situation

PLAN = Plan(45.0, 3, "r" * 64, "f" * 64, {"tiny": 2.5})


def test_a_plan_comes_back(toy: Toy) -> None:
    contest = toy.contest()
    assert Plan.read(toy.workspace, contest) is None
    PLAN.write(toy.workspace, contest)
    assert Plan.read(toy.workspace, contest) == PLAN


def test_without_a_plan_the_contest_is_as_its_file_says(toy: Toy) -> None:
    assert planned(toy.contest(), toy.workspace) == toy.contest()


def test_every_command_keeps_to_the_folds_of_a_plan(toy: Toy) -> None:
    PLAN.write(toy.workspace, toy.contest())
    settled = planned(toy.contest(), toy.workspace)
    assert settled.folds.n_splits == 3
    assert settled == with_splits(toy.contest(), 3)
    assert with_splits(settled, 2) == toy.contest()


def test_a_plan_of_other_images_does_not_give_its_folds(toy: Toy) -> None:
    contest, ours = toy.contest(), toy.prepared().data_digest
    replace(PLAN, data=ours).write(toy.workspace, contest)
    assert planned(contest, toy.workspace).folds.n_splits == 3
    replace(PLAN, data="d" * 64).write(toy.workspace, contest)
    with pytest.raises(ArtefactError, match=r"plan\.json: planned for other images \(d{12}\) .* rm .*plan\.json"):
        planned(contest, toy.workspace)


def test_a_plan_from_before_its_images_changed_keeps_the_folds_that_are_in_use(toy: Toy) -> None:
    contest = toy.contest()
    used = replace(PLAN, n_splits=contest.folds.n_splits, cells_per_row=1, data="d" * 64)
    used.write(toy.workspace, contest)
    assert planned(contest, toy.workspace) == contest


@pytest.mark.parametrize("content", ["{", "[1]", '{"minutes": 1}', '{"key": [], "epochs": {}}'])
def test_a_broken_plan_is_named_with_what_to_do(content: str, toy: Toy) -> None:
    path = plan_path(toy.workspace, toy.contest())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(ArtefactError, match=rf"{path}: (missing or corrupt|not a plan) .*the same command again"):
        Plan.read(toy.workspace, toy.contest())


def test_a_race_is_made_again_where_something_it_depends_on_changed(toy: Toy) -> None:
    """Shifts and score, images and recipes, and how the situation fills what these leave open."""
    contest, prepared = toy.contest(), toy.prepared()
    found = find_situation(contest, prepared, toy.workspace)
    mild = {"augment": AugmentConfig(preset="mild")}
    recipes = [toy.recipe(name).model_copy(update=mild) for name in ("tiny", "mini")]
    other_folds = contest.model_copy(update={"folds": contest.folds.model_copy(update={"n_splits": 5})})
    shifts = [contest.shift.model_copy(update={"cells_per_row": 1}), contest.shift.model_copy(update={"seed": 7})]
    changed = [
        (contest.model_copy(update={"shift": shifts[0]}), prepared, recipes, found),
        (contest.model_copy(update={"shift": shifts[1]}), prepared, recipes, found),
        (contest.model_copy(update={"metric": "macro_f1"}), prepared, recipes, found),
        (contest.model_copy(update={"expects": "clean"}), prepared, recipes, found),
        (contest, replace(prepared, data_digest="d" * 64), recipes, found),
        (contest, prepared, recipes[:1], found),
        (contest, prepared, recipes, replace(found, allowed=replace(found.allowed, rotate=found.allowed.rotate + 1))),
    ]
    first = digest_of_race(contest, prepared, recipes, found)
    assert digest_of_race(other_folds, prepared, recipes[::-1], found) == first
    assert len({first, *(digest_of_race(*one) for one in changed)}) == 1 + len(changed)
