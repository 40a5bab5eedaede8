"""The vault: rows that no network trains on and no blend is fitted on, for the zip as it is sent.

A row that is held out in turn is predicted by one network a recipe; the zip averages those of all folds. Rows that
no fold trained on are predicted by all of them, and show what that averaging adds.
"""

from __future__ import annotations

import numpy as np

from kit.data.cleaning.grouping import label_counts

VAULT = -3
"""The fold number of its rows."""

LEAST = 100
"""Rows below which the vault says next to nothing: a score then has a standard error of up to 5 points."""


def vault_share(rows: int, share: float) -> float:
    """The share of `rows` that is set aside where `share` is asked for: enough for LEAST rows.

    0 where that would be more than twice what was asked for.
    """
    wanted = max(share, LEAST / max(rows, 1))
    return wanted if 0 < wanted <= 2 * share else 0.0


def draw_vault(labels: np.ndarray, groups: np.ndarray, share: float, n_splits: int, seed: int) -> np.ndarray:
    """Which rows (N,) bool the vault holds: about `share` of every class, groups whole, in an order that `seed` gives.

    labels, groups: (N,) int64, groups numbered from 0. Every class keeps a group for each of `n_splits` folds. A group
    too large for what its classes still have room for is passed over. Empty where that leaves less than half of LEAST.
    """
    nothing = np.zeros(len(labels), dtype=bool)
    share = vault_share(len(labels), share)
    if not share or n_splits < 2:
        return nothing
    counts = label_counts(groups, labels, int(labels.max()) + 1)
    spare = np.maximum((counts > 0).sum(axis=0) - n_splits, 0)
    room = np.minimum(np.floor(share * counts.sum(axis=0) + 0.5).astype(np.int64), spare)
    chosen = np.zeros(len(counts), dtype=bool)
    for group in np.random.default_rng([seed, 4]).permutation(len(counts)):
        if (counts[group] <= room).all():
            chosen[group] = True
            room = room - counts[group]
    drawn = chosen[groups]
    return drawn if drawn.sum() >= LEAST // 2 else nothing
