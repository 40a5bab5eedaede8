import json

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble import tables
from kit.ensemble.blend import blend
from kit.ensemble.budget import Budget, Cost
from kit.ensemble.front import blend_point, front, pick
from kit.ensemble.kinds.auto import auto, compare
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.ensemble.view_choice import choose_views

RUNS = make_runs(4, views=2)
POOL = make_pool(RUNS)
COSTS = {run.recipe: Cost(2.0 + number, 5.0) for number, run in enumerate(RUNS)}


def every_table():
    compared = compare(POOL, [kind(name) for name in ("best5", "geometric5", "best3")])
    points, made = front(POOL, COSTS), blend_point(blend(RUNS, "best3"), COSTS)
    return {
        "kinds": tables.kind_rows(compared, auto(POOL, compared).kind.name),
        "diversity": tables.diversity_rows(POOL),
        "calibration": tables.calibration_rows(POOL),
        "views": tables.view_rows(choose_views(RUNS[0])),
        "front": tables.front_rows(points, pick(points, POOL, COSTS, Budget()), made),
    }


TABLES = every_table()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_like_rows_of_plain_values(name):
    rows = TABLES[name]
    assert rows
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert json.loads(json.dumps(rows, default=float)) is not None


@pytest.mark.parametrize(("name", "mark"), [("kinds", "chosen"), ("views", "chosen"), ("front", "enough")])
def test_one_row_is_chosen(name, mark):
    assert sum(row[mark] for row in TABLES[name]) == 1


def test_the_blend_stands_below_the_front_with_all_that_it_takes():
    made, row = blend(RUNS, "best3"), TABLES["front"][-1]
    assert row["added"] == "the blend itself"
    assert row["members"] == 3
    assert row["megabytes"] == pytest.approx(sum(COSTS[member.recipe].megabytes for member in made.members))
    assert (row["clean"], row["shifted"]) == (made.nested.clean, made.nested.shifted)


def test_the_bar_has_no_gap_to_itself():
    assert TABLES["kinds"][0]["kind"] == "best5"
    assert (TABLES["kinds"][0]["gap"], TABLES["kinds"][0]["gap_se"]) == (0.0, 0.0)
    for row in TABLES["kinds"]:
        assert row["optimism"] == pytest.approx(row["resubstitution"] - row["shifted"])


def test_calibrated_members_show_little_error():
    for row in TABLES["calibration"]:
        assert row["temperature"] != 1.0
        assert 0 < row["chance"] < 0.2
        assert np.isfinite(row["se"])
    clean_and_shifted = [row["images"] for row in TABLES["calibration"]]
    assert clean_and_shifted == ["clean", "shifted"] * 4
