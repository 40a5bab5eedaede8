import numpy as np
import pytest
from ensemble_toy import make_runs
from sklearn.metrics import matthews_corrcoef

from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.diversity import diversity


@pytest.mark.parametrize("expects", ["clean", "shifted"])
def test_figures_are_counted_and_correlated_as_others_do(expects):
    pool = make_pool(make_runs(4), expects=expects)
    part = slice(0, 1) if expects == "clean" else slice(1, None)
    wrong = (pool.proba[:, :, part].argmax(-1) != pool.labels[None, :, None]).reshape(4, -1)
    found = diversity(pool)
    for one in range(4):
        for other in range(4):
            assert found.correlation[one, other] == pytest.approx(matthews_corrcoef(wrong[one], wrong[other]))
            assert found.double_fault[one, other] == pytest.approx((wrong[one] & wrong[other]).mean())
    assert found.oracle == pytest.approx((~wrong).any(axis=0).mean())


def test_a_faultless_member_correlates_with_nobody():
    pool = make_pool(make_runs(3), expects="clean")
    proba = pool.proba.copy()
    proba[0, :, 0] = np.eye(4)[pool.labels]
    found = diversity(type(pool)(**{**vars(pool), "proba": proba}))
    assert found.correlation[0, 1] == 0
    assert found.oracle == 1.0
    assert found.row(0) == (0.0, 0.0)


def test_a_lone_member_has_no_company():
    assert diversity(make_pool(make_runs(1))).row(0) == (0.0, 0.0)
