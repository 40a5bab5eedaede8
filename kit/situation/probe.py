"""What a simple classifier, cross-validated over the training rows, says about changes of an image.

Two questions of each change, both on rows that the classifier did not learn from, paired with the same rows
unchanged. Is the label still found in the changed image? Where a change is a symmetry of the data, images and
labels together, no classifier can lose by it; where things stand upright, one does. And does learning from
changed copies help with unchanged images? The classifier is kernel ridge regression on edges and colours.
"""

from __future__ import annotations

import numpy as np
import torch

from kit.inference.model import preprocess
from kit.situation.changes import CHANGES
from kit.situation.evidence import Evidence, Probe
from kit.situation.features import SIDE, describe

ROWS, FOLDS = 1000, 3
RIDGE = 0.3
COLLAPSE, CERTAIN = 0.5, 3.0
"""Share of a class's right predictions that a change may cost; standard errors from which a loss is believed."""
LEAST_ROWS = 60
ABOVE_CHANCE = 0.15
"""Share of the way from chance to perfect at which the classifier is good enough to be asked."""


def probe(images: np.ndarray, labels: np.ndarray, seed: int = 0) -> Probe:
    """Evidence about every change from images (N, H, W, 3) uint8 with labels (N,); at most ROWS of them are used."""
    rows = _some(labels, seed)
    if len(rows) < LEAST_ROWS:
        return Probe(len(rows), 0.0, 0.0, ())
    x, labels = _small(images[rows]), np.unique(labels[rows], return_inverse=True)[1]
    from sklearn.model_selection import StratifiedKFold  # a second to import, and found once for a contest

    splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels))
    plain = describe(x)
    chance = float(np.bincount(labels).max() / len(labels))
    right = _right(plain, labels, splits, [plain])[0]
    accuracy = float(right.mean())
    if (accuracy - chance) / (1 - chance) < ABOVE_CHANCE:
        return Probe(len(rows), accuracy, chance, ())
    generator = torch.Generator().manual_seed(seed)
    changed = {name: describe(change(x, generator)) for name, change in CHANGES.items()}
    kept = _right(plain, labels, splits, list(changed.values()))
    evidence = [
        _evidence(name, labels, chance, right, still, _right(plain, labels, splits, [plain], changed[name])[0])
        for name, still in zip(changed, kept)
    ]
    return Probe(len(rows), accuracy, chance, tuple(evidence))


def _some(labels: np.ndarray, seed: int) -> np.ndarray:
    """Rows of classes that every fold can hold, drawn evenly, but of one class no more than of all others; in order.

    Where nearly all rows are of one class, a classifier that predicts it throughout could not be told from any other.
    """
    often = np.isin(labels, np.flatnonzero(np.bincount(labels) >= FOLDS))
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(often))
    largest = np.flatnonzero(labels[drawn] == np.bincount(labels[drawn], minlength=1).argmax())
    others = len(drawn) - len(largest)
    drawn = np.delete(drawn, largest[max(others, LEAST_ROWS // 2) :])[:ROWS]
    counts = np.bincount(labels[drawn], minlength=int(labels.max()) + 1)
    drawn = drawn[counts[labels[drawn]] >= FOLDS]
    return np.sort(drawn) if len(np.unique(labels[drawn])) > 1 else drawn[:0]


def _small(images: np.ndarray) -> torch.Tensor:
    parts = [
        preprocess(np.array(images[start : start + 256]), SIDE, (0.0,) * 3, (1.0,) * 3)
        for start in range(0, len(images), 256)
    ]
    return torch.cat(parts).contiguous()


def _right(
    plain: np.ndarray,
    labels: np.ndarray,
    splits: list[tuple[np.ndarray, np.ndarray]],
    asked: list[np.ndarray],
    copies: np.ndarray | None = None,
) -> list[np.ndarray]:
    """For each form of the rows in `asked`, whether (N,) the held-out ones are found; `copies` are learnt from too."""
    right = [np.zeros(len(labels), dtype=bool) for _ in asked]
    targets = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    for seen, held_out in splits:
        learnt = plain[seen] if copies is None else np.concatenate([plain[seen], copies[seen]])
        wanted = np.tile(targets[seen] - targets[seen].mean(0), (1 if copies is None else 2, 1))
        width = np.median(_distances(plain[seen], plain[seen]))
        kernel = np.exp(-_distances(learnt, learnt) / width)
        weights = np.linalg.solve(kernel + RIDGE * np.eye(len(learnt), dtype=np.float32), wanted)
        for hits, form in zip(right, asked):
            predicted = np.exp(-_distances(form[held_out], learnt) / width) @ weights + targets[seen].mean(0)
            hits[held_out] = predicted.argmax(1) == labels[held_out]
    return right


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len(a), len(b)) squared distances."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)
    return np.maximum(squares - 2 * a @ b.T, 0)


def _evidence(
    name: str, labels: np.ndarray, chance: float, right: np.ndarray, still: np.ndarray, learnt: np.ndarray
) -> Evidence:
    above = float(right.mean()) - chance
    lost, won = still.astype(float) - right, learnt.astype(float) - right
    return Evidence(
        name,
        retained=1 + float(lost.mean()) / above,
        retained_se=_standard_error(lost) / above,
        gain=float(won.mean()),
        gain_se=_standard_error(won),
        collapsed=_collapsed(labels, right, still),
    )


def _standard_error(differences: np.ndarray) -> float:
    """Of the mean of paired differences; one row more that differs is added, so that none is never certain."""
    changed = float((differences**2).sum()) + 1.0
    return float(np.sqrt(changed) / len(differences))


def _collapsed(labels: np.ndarray, right: np.ndarray, still: np.ndarray) -> int | None:
    """The class that lost the largest share of its right predictions, where that is most of them, and no chance."""
    classes = np.arange(labels.max() + 1)
    before = np.bincount(labels[right], minlength=len(classes))
    after = np.bincount(labels[still], minlength=len(classes))
    differing = np.bincount(labels[right != still], minlength=len(classes))
    certain = before - after > CERTAIN * np.sqrt(differing)
    share = np.where(certain, after / np.maximum(before, 1), 1.0)
    worst = int(share.argmin())
    return worst if share[worst] < COLLAPSE else None
