from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.budget import Budget, Cost, check_costs, purchase
from kit.ensemble.front import draw, front, pick
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.scores import log_losses
from kit.errors import EnsembleError

RUNS = make_runs(6)
COSTS = {
    f"net{m}": Cost(seconds, mb) for m, (seconds, mb) in enumerate([(5, 4), (9, 8), (3, 30), (20, 9), (8, 2), (12, 6)])
}


def pool():
    return make_pool(RUNS)


@pytest.mark.parametrize("limit", [Budget(max_seconds=25), Budget(max_mb=20), Budget(max_members=2), Budget(30, 15, 3)])
def test_a_purchase_fits_and_is_near_the_best_affordable_set(limit):
    members = purchase(pool(), COSTS, limit)
    assert limit.holds([COSTS[f"net{m}"] for m in members])
    proba, labels, _ = pool().fitting()

    def loss(chosen):
        return log_losses(proba[list(chosen)].mean(axis=0), labels).mean()

    allowed = [
        chosen
        for size in range(1, 7)
        for chosen in combinations(range(6), size)
        if limit.holds([COSTS[f"net{m}"] for m in chosen])
    ]
    assert loss(members) <= 1.05 * min(map(loss, allowed))


@pytest.mark.parametrize("name", ["best5", "all", "greedy", "weights", "auto"])
def test_every_kind_keeps_to_the_budget(name):
    limit = Budget(max_seconds=25, max_members=3)
    found = blend(RUNS, name, budget=limit, costs=COSTS)
    assert limit.holds([COSTS[member.recipe] for member in found.members])


def test_a_budget_that_holds_everything_changes_nothing():
    free = blend(RUNS, "best3")
    found = blend(RUNS, "best3", budget=Budget(max_seconds=1000), costs=COSTS)
    assert found.options["budget"] == {"max_seconds": 1000}
    assert replace(found, options=free.options) == free


def test_a_budget_that_holds_nobody_names_the_cheapest():
    with pytest.raises(EnsembleError, match=r"net2, takes 3\.0 s and 30\.0 MB"):
        check_costs(pool(), COSTS, Budget(max_seconds=1))


def test_unmeasured_members_are_named():
    with pytest.raises(EnsembleError, match="net5: seconds and bytes are not measured"):
        check_costs(pool(), {k: v for k, v in COSTS.items() if k != "net5"}, Budget(max_members=2))
    with pytest.raises(EnsembleError, match="needs measured costs"):
        blend(RUNS, "best3", budget=Budget(max_members=2))


def test_the_front_grows_in_cost_and_its_efficient_points_in_score():
    points = front(pool(), COSTS)
    assert [len(point.members) for point in points] == [1, 2, 3, 4, 5, 6]
    assert np.all(np.diff([point.seconds for point in points]) > 0)
    efficient = [point.nested.shifted for point in points if point.efficient]
    assert np.all(np.diff(efficient) > 0)
    assert points[-1].megabytes == pytest.approx(sum(cost.megabytes for cost in COSTS.values()))
    plain = pool().score(pool().proba.mean(axis=0, dtype=np.float64))
    assert points[-1].nested.shifted == pytest.approx(plain.shifted, abs=1e-3)


def test_a_point_is_picked_within_the_budget():
    points = front(pool(), COSTS)
    found = pick(points, pool(), COSTS, Budget(max_members=2))
    assert len(found.members) <= 2
    with pytest.raises(EnsembleError, match="the budget must hold"):
        pick(points, pool(), COSTS, Budget(max_seconds=0.1))


def test_the_front_is_drawn(tmp_path):
    draw(front(pool(), COSTS), "shifted", tmp_path / "front.svg")
    assert (tmp_path / "front.svg").read_text().count("<use") > 5
