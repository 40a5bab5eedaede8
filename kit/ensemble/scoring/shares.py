"""The battery as the hidden test holds it: shares of its cells, read off unlabelled test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kit.ensemble.pool import Pool
from kit.shifts.battery import Battery
from kit.shifts.reweight import reweight
from kit.shifts.scenarios import UNTOUCHED


def shares_in_test(battery: Battery, train: np.ndarray, test: np.ndarray) -> tuple[dict[str, float], str]:
    """Share of every cell in the test images, untouched ones included (sum 1), and a line on how it was told.

    train (N, S, S, 3) and test (M, S, S, 3) uint8.
    """
    found = reweight(battery, train, test)
    shares = {name: float((1 - found.clean) * w) for name, w in zip(battery.names, found.weights)}
    likely = sorted(shares, key=lambda name: -shares[name])[:3]
    line = (
        f"test images: {found.clean:.0%} untouched, most others like {', '.join(likely)}; told from training "
        f"images with AUC {found.auc_clean:.2f}, from the battery weighed so with {found.auc_weighted:.2f}"
    )
    return shares | {UNTOUCHED: found.clean}, line


def with_shares(pool: Pool, shares: Mapping[str, float]) -> Pool:
    """The pool whose shifted scores weigh cells by their shares; the clean image becomes one more shifted one.

    Members are ranked, kinds compared and scores expected under these weights; what a kind fits, it fits on all
    images alike.
    """
    names, number = (*pool.cell_names, UNTOUCHED), len(pool.cell_names)
    vault = pool.vault
    if vault is not None:
        proba = np.concatenate([vault.proba, vault.proba[:, :, :, :1]], axis=3)
        vault = replace(vault, proba=proba, cells=_with_untouched(vault.cells, number))
    return replace(
        pool,
        proba=np.concatenate([pool.proba, pool.proba[:, :, :1]], axis=2),
        cells=_with_untouched(pool.cells, number),
        cell_names=names,
        shares=tuple(float(shares.get(name, 0.0)) for name in names),
        vault=vault,
    )


def _with_untouched(cells: np.ndarray, number: int) -> np.ndarray:
    return np.concatenate([cells, np.full((len(cells), 1), number)], axis=1)
