import json

import numpy as np
import pytest
from ensemble_toy import make_runs
from sklearn.ensemble import HistGradientBoostingClassifier

from kit.ensemble.kinds.boosting import Boosting, as_trees
from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.kinds.stack import features
from kit.ensemble.pool import make_pool


@pytest.mark.parametrize("classes", [2, 4])
def test_trees_as_data_give_scikit_learns_answers(classes):
    pool = make_pool(make_runs(3, classes=classes), expects="clean")
    proba, labels, _ = pool.fitting()
    model = HistGradientBoostingClassifier(max_iter=10, early_stopping=False).fit(features(proba), labels)
    data = json.loads(json.dumps(as_trees(model, classes), allow_nan=False))
    ours = Combiner("trees", (0, 1, 2), (1 / 3,) * 3, trees=data).apply(proba)
    np.testing.assert_allclose(ours, model.predict_proba(features(proba.astype(np.float64))), atol=1e-9)


def test_a_class_without_rows_is_never_said():
    pool = make_pool(make_runs(3), expects="clean")
    proba = Boosting().fit(pool.rows(pool.labels != 1)).apply(pool.proba)
    assert (proba[:, 0].argmax(-1) != 1).all()
