"""Imbalance met inside a training part: weights for the loss, weights for drawing rows, made-up rows.

Everything here takes the rows of one training part, never the whole data: a row that is copied, or mixed into
another, before the split leaks into the fold that is scored.
"""

from __future__ import annotations

import numpy as np

from kit.errors import TrainError

SMOTE_BYTES = 1 << 30
"""Working memory that SMOTE may take by default, beside its result."""


def class_weights(labels: np.ndarray, num_classes: int, kind: str, beta: float = 0.999) -> np.ndarray:
    """Loss weights (num_classes,) float32 whose mean over the rows of `labels` (N,) is 1.

    "inverse": inverse frequency. "effective": inverse effective number (1 - beta^n) / (1 - beta), Cui et al.,
    "Class-Balanced Loss Based on Effective Number of Samples" (2019). "none": ones. A class without rows
    gets 0.
    """
    counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
    if kind == "none":
        return np.ones(num_classes, dtype=np.float32)
    assert kind in ("inverse", "effective"), kind
    amount = counts if kind == "inverse" else -np.expm1(counts * np.log(beta)) / (1 - beta)
    weights = np.divide(1.0, amount, out=np.zeros(num_classes), where=counts > 0)
    return (weights * len(labels) / (weights * counts).sum()).astype(np.float32)


def draw_balanced(labels: np.ndarray, count: int, num_classes: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """`count` row numbers (int64) drawn with replacement, each row weighted by `class_weights` of its
    class.
    """
    weights = class_weights(labels, num_classes, kind).astype(np.float64)[labels]
    return rng.choice(len(labels), size=count, replace=True, p=weights / weights.sum())


def oversample(labels: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers (M,) int64: every row once, then rows of the smaller classes again until all are equal."""
    rows = np.arange(len(labels), dtype=np.int64)[:, None]
    from imblearn.over_sampling import RandomOverSampler  # slow to import, and few recipes draw so

    return RandomOverSampler(random_state=seed).fit_resample(rows, labels)[0][:, 0]


def smote(
    images: np.ndarray, labels: np.ndarray, seed: int, k_neighbors: int = 5, max_bytes: int = SMOTE_BYTES
) -> tuple[np.ndarray, np.ndarray]:
    """Rows made up between neighbours of one class (Chawla et al. 2002) until every class is as large as the
    largest.

    images: (N, ...) uint8 images or float32 embeddings. Returns the given rows with the new ones after them
    (M, ...), of the same dtype, and labels (M,). Made class by class and in pieces, so that the working
    memory stays under `max_bytes` (`smote_bytes` states it); TrainError when one class alone needs more. A
    class of one row, which has no neighbour, is repeated.
    """
    counts = np.bincount(labels)
    parts, part_labels = [images], [labels]
    for label in np.flatnonzero((counts > 0) & (counts < counts.max())):
        rows = images[labels == label]
        missing = int(counts.max() - counts[label])
        parts.append(_made_up(rows, missing, seed + int(label), k_neighbors, max_bytes))
        part_labels.append(np.full(missing, label, dtype=labels.dtype))
    return np.concatenate(parts), np.concatenate(part_labels)


def smote_bytes(rows: int, values: int, new: int) -> int:
    """Working memory of one piece, bytes: float32 copies of `rows` and twice of `new`, of `values` numbers
    each.

    The rows are held by us, by imbalanced-learn and by its neighbour search, the new ones twice.
    """
    return 4 * values * (3 * rows + 2 * new)


def _made_up(rows: np.ndarray, missing: int, seed: int, k_neighbors: int, max_bytes: int) -> np.ndarray:
    """`missing` new rows of the dtype of `rows` (n, ...), all of one class."""
    if len(rows) == 1:
        return np.repeat(rows, missing, axis=0)
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    values = flat.shape[1]
    room = (max_bytes - smote_bytes(len(rows) + 1, values, 0)) // (2 * 4 * values)
    if room < 1:
        need = smote_bytes(len(rows) + 1, values, 1)
        raise TrainError(
            f"SMOTE may use {max_bytes / 2**20:,.0f} MiB, but a class of {len(rows):,} rows with "
            f"{values:,} values "
            f"needs {need / 2**20:,.0f} MiB. Use SMOTE on embeddings, smaller images, or class weights."
        )
    out = np.empty((missing, values), dtype=rows.dtype)
    for number, start in enumerate(range(0, missing, int(room))):
        piece = out[start : start + int(room)]
        made = _smote_one_class(flat, len(piece), seed + 7919 * number, min(k_neighbors, len(rows) - 1))
        piece[:] = np.round(made) if rows.dtype == np.uint8 else made
    return out.reshape(missing, *rows.shape[1:])


def _smote_one_class(flat: np.ndarray, new: int, seed: int, k_neighbors: int) -> np.ndarray:
    """(new, values) float32 between rows of `flat`; a row of another class, far off, only makes the call
    valid.
    """
    both = np.concatenate([flat, flat[:1]])
    labels = np.append(np.zeros(len(flat), dtype=np.int64), 1)
    from imblearn.over_sampling import SMOTE  # slow to import, and few recipes make rows up

    sampler = SMOTE(sampling_strategy={0: len(flat) + new}, random_state=seed, k_neighbors=k_neighbors)
    return sampler.fit_resample(both, labels)[0][len(both) :]
