from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import Toy

from kit.errors import ArtefactError
from kit.pipeline.plan import Plan, plan_path, planned, with_splits

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
