"""The bench of promises: its table counts what it says, and its hidden tests hold no image that was trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kit.data.practice.forms import FORMS
from kit.workspace import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))
import coverage_sets
import coverage_table


def records(hidden: list[float]) -> pd.DataFrame:
    """Contests of two training sets, all expected at 0.7 (0.6 to 0.8); three recipes of which the first is best."""
    rows = [
        (number % 2, number, "contest", name, recipe, point, point - 0.1, point + 0.1, score + point - 0.7, 0.02, 0.01)
        for number, score in enumerate(hidden)
        for name, recipe, point in (("best2", False, 0.7), ("a", True, 0.7), ("b", True, 0.6), ("c", True, 0.5))
    ]
    return pd.DataFrame(rows, columns=list(coverage_table.COLUMNS))


def test_the_table_tells_bias_coverage_and_ranks() -> None:
    line = coverage_table.table(records([0.75, 0.65, 0.85, 0.75])).splitlines()
    assert line[0] == "4 contests a scenario, 2 training sets"
    cells = [cell.strip() for cell in line[-1].strip("|").split("|")]
    assert dict(zip(coverage_table.HEAD, cells)) == {
        "scenario": "contest",
        "blend": "best2",
        "expected": "0.700",
        "interval": "0.600 to 0.800",
        "hidden": "0.750",
        "bias": "+0.050 ± 0.050",
        "miss": "0.075 ± 0.025",
        "covered": "0.75 ± 0.25",
        "width": "0.200",
        "score": "0.325",  # a quarter of the contests is 0.05 outside, at ten times that
        "ranks": "1.00",
        "gain": "+0.020",
        "gained": "+0.010",
    }


def test_contests_of_one_training_set_count_together() -> None:
    values, trainings = pd.Series([1.0, 1.0, 0.0, 0.0]), pd.Series([0, 0, 1, 1])
    assert coverage_table.mean_se(values, trainings) == (0.5, pytest.approx(0.5))
    assert coverage_table.mean_se(values, pd.Series([0, 1, 2, 3]))[1] == pytest.approx(np.sqrt(1 / 12))


def test_hidden_tests_hold_no_image_of_their_training_set(tmp_path: Path) -> None:
    given = coverage_sets.make_source("digits", None, 3, 200, tmp_path)
    with np.load(given.contest.data.path) as stored:
        seen = {image.tobytes() for image in stored["images"]}
    images, labels = given.hidden("clean", 5, 60)
    assert len(images) == len(labels) == 60
    assert not [image for image in images if image.tobytes() in seen]
    again = coverage_sets.make_source("digits", None, 3, 200, tmp_path).hidden("laboratory", 5, 60)
    assert np.array_equal(again[1], labels), "all forms are of the same images"
    assert not np.array_equal(again[0], images)
    other = coverage_sets.make_source("digits", None, 4, 200, tmp_path)
    with np.load(other.contest.data.path) as stored:
        assert len({image.tobytes() for image in stored["images"]} & seen) < 100
    assert set(FORMS) >= {"clean", "laboratory"}
