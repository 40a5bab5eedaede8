"""What a trial scored on one fold, in every currency that a sweep may ask for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kit.ensemble.scoring.scores import row_values
from kit.inference.model import softmax
from kit.sweep.pruning import BLOCKS


@dataclass(frozen=True)
class FoldResult:
    """One fold of one trial."""

    scores: dict[str, float] = field(default_factory=dict)
    """By the names of `kit.sweep.config`: clean, shifted, worst_family, seconds, megabytes."""
    blocks: dict[int, float] = field(default_factory=dict)
    """The score that is tested, on each block of rows that holds some."""
    stopped: int | None = None
    """The epoch at which it was given up, and nothing was scored."""


def fold_result(
    arrays: Mapping[str, np.ndarray], cell_names: Sequence[str], metric: str, score: str, costs: dict[str, float]
) -> FoldResult:
    """Scores of the arrays of a fold's oof.npz; the blocks are of `score`, or of the shifted rows for worst_family.

    Without shifted rows (a clean battery) shifted scores are the clean ones.
    """
    labels, cells = arrays["labels"], arrays["cells"]
    clean = row_values(metric, labels, predicted(arrays["logits"]))
    shifted = clean[:, None]
    if cells.size:
        wide = np.repeat(labels[:, None], cells.shape[1], axis=1)
        found = predicted(arrays["shifted"])
        shifted = row_values(metric, wide.ravel(), found.ravel()).reshape(cells.shape)
    scores = {"clean": float(clean.mean()), "shifted": float(shifted.mean())}
    scores["left_out_family"] = scores["shifted"]  # under the one family that the fold was trained without
    scores["worst_family"] = _worst(shifted, cells, cell_names) if cells.size else scores["clean"]
    rows = clean if score == "clean" else shifted.mean(1)
    return FoldResult(scores | costs, _blocks(arrays["ids"], rows))


def predicted(logits: np.ndarray) -> np.ndarray:
    """Classes (...) of logits (..., V, C), by the mean probability over views."""
    return softmax(logits).mean(-2).argmax(-1)


def _worst(shifted: np.ndarray, cells: np.ndarray, names: Sequence[str]) -> float:
    families = np.array([name.partition(".")[0] for name in names])[cells]
    return min(float(shifted[families == one].mean()) for one in np.unique(families))


def _blocks(ids: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Means over blocks of rows; which block a row is in depends on its id alone."""
    block = np.array([zlib.crc32(str(one).encode()) % BLOCKS for one in ids])
    return {int(one): float(values[block == one].mean()) for one in np.unique(block)}
