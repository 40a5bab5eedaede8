"""Which of a battery's shifts make the training images look like the unlabelled test images.

Adversarial validation: a classifier tells shifted training images from test images; its odds are the ratio of
the two densities (Bickel et al. 2009, "Discriminative learning under covariate shift"), and a cell whose images
have high odds is one that the test holds. Repeated with the new weights until the classifier learns no more, as
expectation maximisation would. What stays above chance at the end is shift that the battery does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.shifts.apart import told_apart
from kit.shifts.battery import Battery
from kit.shifts.descriptors import describe
from kit.shifts.draws import generator

ROUNDS = 10
ROWS = 3000
"""Of each side, at most."""
EVEN_SHARE = 0.3
"""Share of the images of a round that are drawn evenly, so that no cell is lost sight of."""
PRIOR_ROWS = 20
"""How many images the mean of the operator counts for, against those of the cell."""
LARGEST_ODDS = 50.0


@dataclass(frozen=True)
class Reweighting:
    """What the test images look like, in the battery's words.

    weights: (C,) float64, one a cell, adding up to 1; clean: share of the test that no cell but the untouched
    images explain; auc_clean, auc_weighted: how well a classifier tells the test from the untouched images, and from
    clean and cells as weighted here (0.5: not at all).
    """

    weights: np.ndarray
    clean: float
    auc_clean: float
    auc_weighted: float


def reweight(battery: Battery, train_images: np.ndarray, test_images: np.ndarray) -> Reweighting:
    """Weights of the battery's cells, from images (N, S, S, 3) to train on and unlabelled (M, S, S, 3), uint8.

    Deterministic.
    """
    assert battery.cells, "a clean battery has no cells to weigh"
    train, test = _some(train_images, battery.seed), describe(_some(test_images, battery.seed))
    even = np.append(np.full(len(battery.cells), 0.5 / len(battery.cells)), 0.5)
    shares = even
    for turn in range(ROUNDS):
        drawn_from = EVEN_SHARE * even + (1.0 - EVEN_SHARE) * shares
        cells, features = _images(battery, train, drawn_from, f"round {turn}")
        probability = told_apart(features, test, (shares / drawn_from)[cells])[0][: len(features)]
        odds = probability / (1.0 - probability)
        shares = shares * _cell_means(battery, np.minimum(odds, LARGEST_ODDS), cells)
        shares = shares / shares.sum()
    weights = shares[:-1] / shares[:-1].sum()
    return Reweighting(
        weights,
        clean=float(shares[-1]),
        auc_clean=_auc(battery, train, test, np.append(np.zeros(len(weights)), 1.0)),
        auc_weighted=_auc(battery, train, test, shares),
    )


def _auc(battery: Battery, train: np.ndarray, test: np.ndarray, shares: np.ndarray) -> float:
    _, features = _images(battery, train, shares, "check")
    return told_apart(features, test)[1]


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


def _cell_means(battery: Battery, odds: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(C + 1,) mean odds of every cell, drawn towards those of its operator where images are few; the last is
    that of the untouched images."""
    size = len(battery.cells) + 1
    _, operator = np.unique([*(cell.operator for cell in battery.cells), ""], return_inverse=True)
    sums, counts = np.bincount(cells, odds, size), np.bincount(cells, minlength=size)
    by_operator = (np.bincount(operator, sums) + 1.0) / (np.bincount(operator, counts) + 1.0)
    return (sums + PRIOR_ROWS * by_operator[operator]) / (counts + PRIOR_ROWS)
