"""Rare classes are drawn as often as others where the contest counts classes alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import Toy

from kit.pipeline.race import without_watching
from kit.situation.balance import sampling
from kit.situation.resolve import is_open, resolve

RARE = np.repeat([0, 1, 2], [400, 60, 20])
EVEN = np.repeat([0, 1, 2], [100, 60, 20])


@pytest.mark.parametrize("metric", ["roc_auc", "balanced_accuracy", "macro_f1"])
def test_where_classes_count_alike_and_are_uneven(metric: str) -> None:
    assert sampling(metric, RARE) == "weighted"
    assert sampling(metric, EVEN) == "natural"
    assert sampling(metric, RARE[RARE == 0]) == "natural"


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "micro_f1", "map@5", "my_metric.py:score"])
def test_where_they_count_by_their_rows_they_come_as_they_are(metric: str) -> None:
    assert sampling(metric, RARE) == "natural"


def test_a_recipe_is_filled_in_and_a_race_trains_so(toy: Toy) -> None:
    contest, prepared = toy.contest(), toy.prepared()
    by_classes = contest.model_copy(update={"metric": "macro_f1"})
    recipe = toy.recipe("tiny")
    assert recipe.train.sampling == "auto"
    assert is_open(recipe)
    labels = np.where(np.arange(len(prepared.labels)) % 20 == 0, prepared.labels, 0)
    uneven = replace(prepared, labels=labels)
    assert resolve(recipe, contest, uneven, toy.workspace).train.sampling == "natural"
    assert resolve(recipe, by_classes, prepared, toy.workspace).train.sampling == "natural"
    found = resolve(recipe, by_classes, uneven, toy.workspace)
    assert found.train.sampling == without_watching(found).train.sampling == "weighted"
    weights = recipe.model_copy(update={"train": recipe.train.model_copy(update={"class_weights": "inverse"})})
    assert resolve(weights, by_classes, uneven, toy.workspace).train.sampling == "natural"
