"""What a trial scored on one fold, in every currency that a sweep may ask for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kit.ensemble.scoring.scores import family_scores
from kit.inference.model import merge_views
from kit.metrics.registry import get_metric
from kit.sweep.pruning import BLOCKS


@dataclass(frozen=True)
class FoldResult:
    """One fold of one trial."""

    scores: dict[str, float] = field(default_factory=dict)
    """By the names of `kit.sweep.config`: clean, shifted, worst_family, seconds, megabytes.

    A loss is negated, as scikit-learn does it: of a score larger is better wherever a sweep compares.
    """
    blocks: dict[int, float] = field(default_factory=dict)
    """The score that is tested, on each block of rows that holds some."""
    stopped: int | None = None
    """The epoch at which it was pruned, and nothing was scored."""


def fold_result(
    arrays: Mapping[str, np.ndarray], cell_names: Sequence[str], metric: str, score: str, costs: dict[str, float]
) -> FoldResult:
    """Scores of the arrays of a fold's oof.npz; the blocks are of `score`, or of the shifted rows for worst_family.

    Without shifted rows (a clean battery) shifted scores are the clean ones.
    """
    labels, cells, wanted = arrays["labels"], arrays["cells"], get_metric(metric)
    clean = wanted.sign * wanted.row_values(labels, merge_views(arrays["logits"], 1.0))
    shifted = clean[:, None]
    if cells.size:
        shifted = wanted.sign * wanted.row_values(labels, merge_views(arrays["shifted"], 1.0))
    scores = {"clean": float(clean.mean()), "shifted": float(shifted.mean())}
    scores["left_out_family"] = scores["shifted"]  # under the one family that the fold was trained without
    scores["worst_family"] = _worst(arrays, cell_names, metric) if cells.size else scores["clean"]
    rows = clean if score == "clean" else shifted.mean(1)
    return FoldResult(scores | costs, _blocks(arrays["ids"], rows))


def _worst(arrays: Mapping[str, np.ndarray], names: Sequence[str], metric: str) -> float:
    proba = merge_views(arrays["shifted"], 1.0)
    found = family_scores(metric, arrays["labels"], proba, arrays["cells"], tuple(names))
    return min(get_metric(metric).sign * score for score in found.values())


def _blocks(ids: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Means over blocks of rows; which block a row is in depends on its id alone."""
    block = np.array([zlib.crc32(str(one).encode()) % BLOCKS for one in ids])
    return {int(one): float(values[block == one].mean()) for one in np.unique(block)}
