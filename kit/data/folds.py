"""Who is held out when: stratified by class, groups of duplicates whole, made once and checked.

Fold numbers: 0..k-1 are held out in turn; `TRAIN_ONLY` rows are in every training part (a fixed holdout
scores the others); `INNER` rows are neither trained on nor scored: early stopping may watch them; `VAULT` rows are
kept from training too, and every fold's network predicts them (`kit.data.vault`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kit.artefact import sha256_arrays
from kit.config import FoldsConfig
from kit.data.cleaning.grouping import by_key
from kit.data.fold_kinds import INNER, PART_NAMES, TRAIN_ONLY, from_column, group_kfold, holdout
from kit.data.fold_remarks import rare, uneven
from kit.data.vault import VAULT, draw_vault
from kit.errors import DataError

__all__ = [
    "INNER",
    "PART_NAMES",
    "TRAIN_ONLY",
    "VAULT",
    "Split",
    "check_folds",
    "fold_digest",
    "fold_summary",
    "make_folds",
    "split",
]


@dataclass(frozen=True)
class Split:
    """Row numbers (int64) of the three parts of one fold."""

    train: np.ndarray
    inner: np.ndarray
    held_out: np.ndarray


def split(folds: np.ndarray, fold: int) -> Split:
    """The parts of `fold`, given fold numbers (N,)."""
    held_out = folds == fold
    inner = folds == INNER
    train = ~held_out & ~inner & (folds != VAULT)
    return Split(*(np.flatnonzero(mask) for mask in (train, inner, held_out)))


def make_folds(
    ids: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    config: FoldsConfig,
    seed: int,
    class_names: tuple[str, ...] = (),
    column: np.ndarray | None = None,
) -> pd.DataFrame:
    """One row an id with columns id, fold, group; repeats of k-fold add the columns fold1, fold2, ...

    `groups` (N,) are never split. `column` (N,) str is the user's own fold or split, for kind "column".
    A class of fewer groups than folds is scored in as many folds as it has groups; one of a single group stays in
    training. DataError when a fold would be empty, or a group would straddle.
    """
    names = class_names or tuple(map(str, range(int(labels.max(initial=0)) + 1)))
    table = pd.DataFrame({"id": ids, "fold": np.int64(0), "group": groups})
    vault = _vault(labels, groups, config, seed, column)
    for repeat in range(config.repeats):
        folds = np.full(len(ids), VAULT, dtype=np.int64)
        rest = None if column is None else column[~vault]
        folds[~vault] = _one(labels[~vault], groups[~vault], config, seed + repeat, names, rest)
        table["fold" if repeat == 0 else f"fold{repeat}"] = folds
        check_folds(table.assign(fold=folds), labels)
    return table


def _vault(
    labels: np.ndarray, groups: np.ndarray, config: FoldsConfig, seed: int, column: np.ndarray | None
) -> np.ndarray:
    """Rows (N,) bool of the vault, the same in every repeat; none where one network a recipe is all that is sent."""
    splits = config.n_splits if config.kind == "group_kfold" else 1
    if config.kind == "column" and column is not None:
        splits = int((from_column(column, config).max(initial=0)) + 1)
    return draw_vault(labels, by_key(groups), config.vault, splits, seed)


def _one(
    labels: np.ndarray,
    groups: np.ndarray,
    config: FoldsConfig,
    seed: int,
    names: tuple[str, ...],
    column: np.ndarray | None,
) -> np.ndarray:
    if config.kind == "column":
        return from_column(column, config)
    if config.kind == "holdout":
        return holdout(labels, by_key(groups), config, seed, names)
    return group_kfold(labels, by_key(groups), config.n_splits, config.shuffle, seed, names)


def check_folds(table: pd.DataFrame, labels: np.ndarray, class_names: tuple[str, ...] = ()) -> list[str]:
    """DataError when an id repeats, a group straddles or a fold is empty; else remarks on uneven classes.

    A remark names every class whose share in some fold is more than one image off even.
    """
    if table["id"].duplicated().any():
        twice = table["id"][table["id"].duplicated()].iloc[0]
        raise DataError(f"folds: every row must occur once, but {twice!r} occurs twice. Make them again: kit folds")
    spread = table.groupby("group")["fold"].nunique()
    if (spread > 1).any():
        straddling = spread.index[spread > 1]
        raise DataError(
            f"folds: rows of one group (duplicates, patients) must lie in one fold, but {len(straddling):,} of "
            f"{len(spread):,} groups straddle ({_straddlers(table, straddling[:5])}). Give their rows one fold in the "
            f"fold column, or keep one side of each: set keep to False in clean.csv. A folds.csv that was edited "
            f"is made anew when it is deleted: kit folds"
        )
    folds = table["fold"].to_numpy()
    held = folds[folds >= 0]
    if not len(held) or len(np.unique(held)) != held.max() + 1:
        raise DataError(
            f"folds: numbers must run from 0 without a gap, but are {sorted(set(held.tolist()))}. "
            f"Make the folds again: kit folds"
        )
    return uneven(folds, labels, class_names) + rare(table, labels, class_names)


def _straddlers(table: pd.DataFrame, groups: pd.Index) -> str:
    """Rows of those groups, four of each, with their folds."""
    listed = [table.loc[table["group"] == group, ["id", "fold"]].head(4) for group in groups]
    return "; ".join(
        ", ".join(f"{row.id} in {PART_NAMES.get(row.fold, row.fold)}" for row in rows.itertuples()) for rows in listed
    )


def fold_summary(table: pd.DataFrame) -> str:
    """Rows of each fold that is held out, and of the other parts, in words."""
    folds = table["fold"].to_numpy()
    parts = [f"{len(table):,} rows in folds of " + ", ".join(f"{count:,}" for count in np.bincount(folds[folds >= 0]))]
    parts += [f"{np.sum(folds == fold):,} {name}" for fold, name in PART_NAMES.items() if (folds == fold).any()]
    return "; ".join(parts)


def fold_digest(ids: np.ndarray, folds: np.ndarray, weights: np.ndarray | None = None) -> str:
    """Hex sha256 of ids and their folds, and of `weights` where there are some; every later artefact carries it."""
    more = [] if weights is None else [weights.astype(np.float32)]
    return sha256_arrays(ids.astype(str), folds.astype(np.int64), *more)
