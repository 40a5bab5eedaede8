"""Which of a battery's shifts make the training images look like the unlabelled test images.

Adversarial validation: a classifier tells shifted training images from test images; its odds are the ratio of
the two densities (Bickel et al. 2009, "Discriminative learning under covariate shift"), and a cell whose images
have high odds is one that the test holds. Repeated with the new weights until the classifier learns no more, as
expectation maximisation would. What stays above chance at the end is shift that the battery does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.shifts.battery import Battery
from kit.shifts.descriptors import describe
from kit.shifts.draws import generator

ROUNDS = 10
FOLDS = 3
ROWS = 3000
EVEN_SHARE = 0.3
"""Share of the images of a round that are drawn evenly, so that no cell is lost sight of."""
PRIOR_ROWS = 20
"""How many images the mean of the operator counts for, against those of the cell."""
LARGEST_ODDS = 50.0


@dataclass(frozen=True)
class Reweighting:
    """What the test images look like, in the battery's words.

    weights: (C,) float64, one a cell, adding up to 1; clean: share of the test that no cell but the untouched
    images explain; auc_clean, auc_battery, auc_weighted: how well a classifier tells the test from the untouched
    images, from the battery with equal weights, and from clean and cells as weighted here (0.5: not at all).
    """

    weights: np.ndarray
    clean: float
    auc_clean: float
    auc_battery: float
    auc_weighted: float


def reweight(battery: Battery, train_images: np.ndarray, test_images: np.ndarray) -> Reweighting:
    """Weights of the battery's cells, from images (N, S, S, 3) to train on and unlabelled (M, S, S, 3), uint8.

    At most 3,000 of each are looked at. Deterministic.
    """
    assert battery.cells, "a clean battery has no cells to weigh"
    train, test = _some(train_images, battery.seed), describe(_some(test_images, battery.seed))
    even = np.append(np.full(len(battery.cells), 0.5 / len(battery.cells)), 0.5)
    shares = even
    for turn in range(ROUNDS):
        drawn_from = EVEN_SHARE * even + (1.0 - EVEN_SHARE) * shares
        cells, features = _images(battery, train, drawn_from, f"round {turn}")
        odds, _ = _told_apart(features, test, (shares / drawn_from)[cells])
        shares = shares * _cell_means(battery, np.minimum(odds, LARGEST_ODDS), cells)
        shares = shares / shares.sum()
    weights = shares[:-1] / shares[:-1].sum()
    return Reweighting(
        weights,
        clean=float(shares[-1]),
        auc_clean=_auc(battery, train, test, np.append(np.zeros(len(weights)), 1.0)),
        auc_battery=_auc(battery, train, test, np.append(np.full(len(weights), 1.0 / len(weights)), 0.0)),
        auc_weighted=_auc(battery, train, test, shares),
    )


def told_apart(train_images: np.ndarray, test_images: np.ndarray, seed: int = 0) -> float:
    """AUC with which a classifier tells test from training images, uint8 (N, S, S, 3); 0.5: not at all."""
    train, test = describe(_some(train_images, seed)), describe(_some(test_images, seed))
    return _told_apart(train, test, np.ones(len(train)))[1]


def _auc(battery: Battery, train: np.ndarray, test: np.ndarray, shares: np.ndarray) -> float:
    _, features = _images(battery, train, shares, "check")
    return _told_apart(features, test, np.ones(len(features)))[1]


def _images(battery: Battery, train: np.ndarray, shares: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A cell (N,) for each training image, drawn by `shares` (C + 1,), the last being untouched; and the
    descriptors (N, D) of the image under it."""
    cells = generator(battery.seed, "reweight", name).choice(len(shares), len(train), p=shares)
    touched = np.flatnonzero(cells < len(battery.cells))
    ids = np.char.mod(f"{name} %d", touched)
    shifted = train.copy()
    shifted[touched] = battery.apply(train[touched], ids, cells[touched])
    return cells, describe(shifted)


def _some(images: np.ndarray, seed: int) -> np.ndarray:
    return images[np.sort(generator(seed, "reweight").permutation(len(images))[:ROWS])]


def _told_apart(features: np.ndarray, test: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Odds (N,) that a row of `features` is a test image, from a classifier that did not see the row, and the
    weighted AUC of telling the two sides apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import, for contests with test images
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    both = np.concatenate([features, test])
    is_test = np.repeat([0, 1], [len(features), len(test)])
    balanced = np.concatenate([weights / weights.sum(), np.full(len(test), 1 / len(test))]) * len(test)
    probability = np.empty(len(both))
    for seen, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(both, is_test):
        trees = HistGradientBoostingClassifier(
            max_iter=30, max_leaf_nodes=8, learning_rate=0.2, max_bins=32, random_state=0
        )
        trees.fit(both[seen], is_test[seen], sample_weight=balanced[seen])
        probability[held_out] = trees.predict_proba(both[held_out])[:, 1]
    odds = probability / (1.0 - probability)
    return odds[: len(features)], float(roc_auc_score(is_test, probability, sample_weight=balanced))


def _cell_means(battery: Battery, odds: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(C + 1,) mean odds of every cell, drawn towards those of its operator where images are few; the last is
    that of the untouched images."""
    size = len(battery.cells) + 1
    _, operator = np.unique([*(cell.operator for cell in battery.cells), ""], return_inverse=True)
    sums, counts = np.bincount(cells, odds, size), np.bincount(cells, minlength=size)
    by_operator = (np.bincount(operator, sums) + 1.0) / (np.bincount(operator, counts) + 1.0)
    return (sums + PRIOR_ROWS * by_operator[operator]) / (counts + PRIOR_ROWS)
