"""Stacking by gradient-boosted trees on centred log-probabilities, for members that err by regions.

The trees are scikit-learn's; kept as arrays of nodes, so that a submission needs neither scikit-learn nor a
pickle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.kinds.stack import MOST_ROWS, features, thinned
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.ranking import affordable

EXTREMES = (-1e300, 1e300)
"""Thresholds that send every number to one side; JSON has no infinity."""


@dataclass(frozen=True)
class Boosting:
    """A few shallow trees a class, slowly learned: the pool's own mean is hard to beat."""

    name: str = "boosting"
    seed: int = 0
    complexity: int = 5

    def fit(self, pool: Pool) -> Combiner:
        """Fits on at most as many members as the rows can pay for."""
        members = affordable(pool, numbers_a_member=pool.num_classes)
        proba, labels, _ = thinned(*pool.members(members).fitting(), MOST_ROWS, self.seed)
        model = HistGradientBoostingClassifier(
            learning_rate=0.1,
            max_iter=50,
            max_leaf_nodes=8,
            min_samples_leaf=20,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.seed,
        )
        model.fit(features(proba), labels)
        weights = (1.0 / len(members),) * len(members)
        return Combiner("trees", members, weights, trees=as_trees(model, pool.num_classes))


def as_trees(model: HistGradientBoostingClassifier, classes: int) -> dict[str, Any]:
    """The model as data: "baseline" (C,) log-odds, and "nodes", a list of trees.

    A tree is {"class", "feature", "threshold", "left", "right", "value"}, arrays with an entry a node; a
    leaf's left is 0. A class without a row in the fit starts 10 below all others.
    """
    start = np.ravel(model._baseline_prediction)
    known = list(map(int, model.classes_))
    if len(known) == 2:  # scikit-learn boosts the second class alone
        start, known = np.array([0.0, start[0]]), known
    baseline = np.full(classes, start.min() - 10.0)
    baseline[known] = start
    nodes = []
    for trees in model._predictors:
        for place, tree in enumerate(trees):
            label = known[1] if len(trees) == 1 else known[place]
            nodes.append({"class": label} | _arrays(tree.nodes))
    return {"baseline": baseline.tolist(), "nodes": nodes}


def _arrays(nodes: np.ndarray) -> dict[str, list[float]]:
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": nodes["feature_idx"].tolist(),
        "threshold": np.where(leaf, 0.0, np.clip(nodes["num_threshold"], *EXTREMES)).tolist(),
        "left": np.where(leaf, 0, nodes["left"]).tolist(),
        "right": np.where(leaf, 0, nodes["right"]).tolist(),
        "value": nodes["value"].tolist(),
    }
