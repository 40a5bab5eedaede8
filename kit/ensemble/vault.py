"""The vault as a blend sees it: rows that the networks of every fold predict, so that a blend can be had with all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.inference.model import merge_views

if TYPE_CHECKING:
    from kit.oof_store import OofRun, VaultRows


@dataclass(frozen=True)
class Vault:
    """M candidates, F networks each, on n rows that none of them trained on, each clean and under K cells.

    proba: (M, F, n, 1 + K, C) float32. labels: (n,) int64. cells: (n, K) int64, index into the pool's cell names.
    """

    proba: np.ndarray
    labels: np.ndarray
    cells: np.ndarray

    @property
    def folds(self) -> int:
        """F."""
        return self.proba.shape[1]

    def members(self, chosen: Sequence[int]) -> Vault:
        """The vault of some members, in that order."""
        return replace(self, proba=self.proba[list(chosen)])

    def single(self, combiner: Combiner) -> np.ndarray:
        """Probabilities (F, n, 1 + K, C) of the blend with one network a recipe, as out-of-fold rows see it."""
        return combiner.apply(self.proba)

    def averaged(self, combiner: Combiner, folds: int) -> np.ndarray:
        """Probabilities (n, 1 + K, C) of the blend with the first `folds` networks of every recipe, as a zip has it."""
        return combiner.apply(self.proba[:, :folds].mean(axis=1))


def make_vault(runs: Sequence[OofRun], temperatures: Sequence[float], merges: Sequence[str]) -> Vault | None:
    """The vault of the runs; None where one of them has none, or another one than the first's."""
    held = [run.vault for run in runs if run.vault is not None]
    if len(held) < len(runs) or not all(_alike(one, held[0]) for one in held):
        return None
    members = [_proba(one, scale, merge) for one, scale, merge in zip(held, temperatures, merges)]
    return Vault(np.stack(members), held[0].labels, held[0].cells)


def _alike(one: VaultRows, other: VaultRows) -> bool:
    """Whether both hold the same rows under the same cells, predicted by as many networks."""
    same = all(np.array_equal(getattr(one, key), getattr(other, key)) for key in ("ids", "labels", "cells"))
    return same and len(one.logits) == len(other.logits)


def _proba(held: VaultRows, temperature: float, merge: str) -> np.ndarray:
    logits = np.concatenate([held.logits[:, :, None], held.shifted], axis=2)  # (F, n, 1 + K, V, C)
    return merge_views(logits, temperature, merge).astype(np.float32)
