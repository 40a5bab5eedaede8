from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Toy

from kit.config import load_platform
from kit.pipeline.rehearsed import LEAST_ROWS, fitting, images_sent
from kit.rehearsal.calls import FEWEST_OF_SOME, MANY, SOME, images_of_calls, rows_of_some, write_calls
from kit.rehearsal.reference import make_reference


@pytest.mark.parametrize("practice", [False, True])
def test_a_rehearsal_is_whole_where_there_is_time_and_shorter_where_there_is_not(practice: bool) -> None:
    whole, some = images_sent(2000, practice), images_sent(700, practice)
    assert fitting(whole + MANY, 2000, practice) == (2000, MANY)
    assert fitting(whole + MANY - 1, 2000, practice) == (2000, 0.0), "the largest call goes first"
    assert fitting(some, 2000, practice) == (700, 0.0)
    assert fitting(some - 1, 2000, practice) == (680, 0.0)
    assert fitting(0, 2000, practice) == (LEAST_ROWS, 0.0), "never without rows"
    assert fitting(0, 60, practice) == (60, 0.0)


def test_few_rows_are_predicted_in_few_rows_of_each_form() -> None:
    assert [rows_of_some(rows) for rows in (20, 60, 200, 2000)] == [20, FEWEST_OF_SOME, 50, SOME]
    assert images_sent(LEAST_ROWS, False) < 0.6 * images_sent(600, False)


def test_what_is_sent_is_what_is_counted(trained: Toy, tmp_path: Path) -> None:
    """All rows of the calls that a rehearsal writes, those of single networks and of the largest call left out."""
    reference = make_reference(trained.prepared(), 60)
    write_calls(reference, load_platform("codabench-timm"), tmp_path)
    jobs = json.loads((tmp_path / "plan.json").read_text())["jobs"]
    rows = [len(np.load(tmp_path / job["input"].rsplit("/", 1)[1])) for job in jobs if job["name"] != "many"]
    assert sum(rows) <= images_of_calls(60) <= sum(rows) + 20
