"""The rows that a sweep trains on: fewer of them where it searches cheaply, in new folds where winners are tested."""

from __future__ import annotations

import math

import numpy as np

from kit.config import ContestConfig
from kit.data.folds import make_folds
from kit.data.prepared import Prepared


def subset(prepared: Prepared, share: float, seed: int) -> Prepared:
    """About `share` of the rows: of every class and fold that share of its groups, each whole."""
    if share == 1.0:
        return prepared
    order = np.random.default_rng(seed).permutation(len(prepared.ids))
    _, first = np.unique(prepared.groups[order], return_index=True)
    heads = order[np.sort(first)]  # one row a group, groups in random order
    strata, kept = _strata(prepared), list[int]()
    for stratum in np.unique(strata):
        mine = heads[strata[heads] == stratum]
        kept += prepared.groups[mine[: math.ceil(share * len(mine))]].tolist()
    return prepared.take(np.flatnonzero(np.isin(prepared.groups, kept)))


def _strata(prepared: Prepared) -> np.ndarray:
    """(N,) int64: class and fold of each row in one number."""
    return prepared.labels * (int(prepared.folds.max()) + 4) + prepared.folds + 3


def refolded(prepared: Prepared, contest: ContestConfig, seed: int) -> Prepared:
    """The same rows in folds drawn anew; as they are where the contest's folds are not drawn."""
    if contest.folds.kind != "group_kfold":
        return prepared
    config = contest.folds.model_copy(update={"repeats": 1, "shuffle": True})
    table = make_folds(prepared.ids, prepared.labels, prepared.groups, config, seed, contest.classes)
    return prepared.with_folds(table["fold"].to_numpy())
