"""The pool: probabilities of every candidate on the same rows, aligned by id, calibrated, and guarded.

A candidate that is incomplete or belongs to other data is refused by name, before anything is fitted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.ensemble.scoring.calibration import cross_fit
from kit.ensemble.scoring.scores import Score, score
from kit.ensemble.vault import Vault, make_vault
from kit.errors import EnsembleError
from kit.inference.model import merge_views

if TYPE_CHECKING:
    from kit.oof_store import OofRun


PARTS = 5

CALIBRATION_ROWS = 20_000
"""Images that a temperature is fitted on at most: enough for one number to half a percent."""


@dataclass(frozen=True)
class Entry:
    """How a candidate's probabilities come from its logits, and its file where it was made elsewhere."""

    temperature: float
    views: tuple[str, ...]
    merge: str = "mean"
    external: str = ""


@dataclass(frozen=True)
class Pool:
    """M candidates on N rows, each row seen clean and under K cells of the shift battery.

    proba: (M, N, 1 + K, C) float32; place 0 of the third axis is the clean image. labels, folds: (N,)
    int64. cells: (N, K) int64, index into cell_names. temperatures: (M,), fitted on all rows (proba holds the
    cross-fitted ones). expects: "clean" or "shifted". metric: the contest's.
    """

    names: tuple[str, ...]
    proba: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    cells: np.ndarray
    cell_names: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    expects: str = "shifted"
    metric: str = "accuracy"
    whole: int = 0
    """Rows of the pool that this one was cut from; 0 where it is whole."""
    trained: tuple[frozenset[str], ...] = ()
    """Shift families that each member trained on, where ranking is to leave those out; else empty."""
    shares: tuple[float, ...] = ()
    """Share of each cell in the hidden test, where it is known; else empty, and every drawn cell counts alike."""
    vault: Vault | None = None
    """What the networks of every fold predict of rows that none of them trained on; no kind is fitted on it."""
    groups: np.ndarray | None = None
    """(N,) int64: rows of one group hang together, and count as one in standard errors; None: no two do."""

    @property
    def num_classes(self) -> int:
        """C."""
        return self.proba.shape[-1]

    def rows(self, chosen: np.ndarray) -> Pool:
        """The pool on some rows: boolean mask or indices (N,)."""
        return replace(
            self,
            proba=self.proba[:, chosen],
            labels=self.labels[chosen],
            folds=self.folds[chosen],
            cells=self.cells[chosen],
            groups=None if self.groups is None else self.groups[chosen],
            whole=self.whole or len(self.labels),
        )

    def members(self, chosen: Sequence[int]) -> Pool:
        """The pool of some members, in that order."""
        picked = list(chosen)
        return replace(
            self,
            names=tuple(self.names[m] for m in picked),
            proba=self.proba[picked],
            entries=tuple(self.entries[m] for m in picked) if self.entries else (),
            trained=tuple(self.trained[m] for m in picked) if self.trained else (),
            vault=None if self.vault is None else self.vault.members(picked),
        )

    def fitting(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What combiners are fitted on: proba (M, R, C), labels (R,), folds (R,).

        The clean image alone where the hidden test is expected clean; else the clean image as one more
        cell. Folds are for choosing inside the fit: parts of the rows where all are of one fold.
        """
        seen = self.proba[:, :, :1] if self.expects == "clean" else self.proba
        count = seen.shape[2]
        flat = seen.reshape(len(seen), -1, self.num_classes)
        folds = nesting_folds(self.folds, self.labels)
        return flat, np.repeat(self.labels, count), np.repeat(folds, count)

    def score(self, proba: np.ndarray) -> Score:
        """Scores of a predictor's proba (N, 1 + K, C) on the pool's rows."""
        return score(proba, self.labels, self.cells, self.cell_names, self.metric, self.weights(), self.groups)

    def weights(self) -> np.ndarray | None:
        """(N, K) of mean 1, that give the drawn cells the shares they have in the hidden test; None: all alike."""
        return self.cell_weights(self.cells)

    def cell_weights(self, cells: np.ndarray) -> np.ndarray | None:
        """The same for other rows' cells (n, K)."""
        if not self.shares:
            return None
        drawn = np.bincount(cells.ravel(), minlength=len(self.shares))
        by_cell = np.where(drawn > 0, self.shares, 0.0) / np.maximum(drawn, 1)
        total = (by_cell * drawn).sum()
        return np.ones(cells.shape) if total == 0 else (by_cell * cells.size / total)[cells]

    def member_scores(self) -> list[Score]:
        """Scores of every member by itself."""
        return [self.score(member) for member in self.proba]


def make_pool(
    runs: Sequence[OofRun],
    expects: str = "shifted",
    metric: str = "accuracy",
    temperature: bool = True,
    merges: Mapping[str, str] | None = None,
    trained: Mapping[str, Collection[str]] | None = None,
) -> Pool:
    """The pool of out-of-fold runs; EnsembleError names the run that cannot enter and why.

    merges: how a recipe's views become one, by recipe; "mean" where it is not named. trained: the shift
    families that each recipe trained on, where ranking is to leave those out.
    """
    check_runs(runs)
    first = runs[0]
    if expects == "shifted" and not first.cells.shape[1]:
        expects = "clean"
    merges = merges or {}
    members = [_member(run, first.ids, expects, temperature, merges.get(run.recipe, "mean")) for run in runs]
    return Pool(
        names=tuple(run.recipe for run in runs),
        proba=np.stack([proba for proba, _ in members]),
        labels=first.labels,
        folds=nesting_folds(first.folds, first.labels),
        cells=first.cells,
        cell_names=tuple(first.cell_names),
        entries=tuple(entry for _, entry in members),
        expects=expects,
        metric=metric,
        trained=tuple(frozenset(trained.get(run.recipe, ())) for run in runs) if trained else (),
        vault=make_vault(runs, [entry.temperature for _, entry in members], [entry.merge for _, entry in members]),
        groups=first.groups,
    )


def _member(run: OofRun, ids: np.ndarray, expects: str, temperature: bool, merge: str) -> tuple[np.ndarray, Entry]:
    order = align(run.ids, ids)
    logits = np.concatenate([run.logits[order, None], run.shifted[order]], axis=1)  # (N, 1 + K, V, C)
    common, scale = 1.0, np.ones(len(order), dtype=np.float32)
    if temperature:
        seen = logits[:, :1] if expects == "clean" else logits
        labels = run.labels[order]
        common, scale = _temperatures(seen, labels, nesting_folds(run.folds[order], labels), merge)
    proba = merge_views(logits, scale[:, None, None, None], merge)
    entry = Entry(common, tuple(run.views), merge, str(run.info.get("external", "")))
    return proba.astype(np.float32), entry


def _temperatures(logits: np.ndarray, labels: np.ndarray, folds: np.ndarray, merge: str) -> tuple[float, np.ndarray]:
    """All rows' temperature, and each row's, fitted without its fold (N,); logits (N, J, V, C)."""
    count = logits.shape[1]
    flat, truth, held = logits.reshape(-1, *logits.shape[2:]), np.repeat(labels, count), np.repeat(folds, count)
    rows = np.arange(len(flat))
    if len(flat) > CALIBRATION_ROWS:
        rows = np.random.default_rng(0).permutation(len(flat))[:CALIBRATION_ROWS]
    common, by_fold = cross_fit(flat[rows], truth[rows], held[rows], merge)
    return common, np.array([by_fold[int(fold)] for fold in folds], dtype=np.float32)


def nesting_folds(folds: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The folds (N,); where all is one fold, a fixed holdout say, five stratified parts of it.

    One network predicted all of them and trained on none, so any split nests honestly.
    """
    if len(np.unique(folds)) > 1 or np.bincount(labels).max() < PARTS:
        return folds
    parts = np.empty_like(folds)
    order = np.lexsort((np.random.default_rng(0).random(len(labels)), labels))
    parts[order] = np.arange(len(labels)) % PARTS
    return parts


def align(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places (N,) in `ids` of the `wanted` ids; both hold the same ids once each."""
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)]


# ------------------------------------------------------------------------------------------------- guards
def check_runs(runs: Sequence[OofRun]) -> None:
    """EnsembleError unless all runs are whole and belong to the same rows."""
    if not runs:
        raise EnsembleError("a blend needs at least one complete run, but got none. Train one: kit train")
    repeated = {run.recipe for run in runs if [other.recipe for other in runs].count(run.recipe) > 1}
    if repeated:
        raise EnsembleError(f"{sorted(repeated)[0]}: a recipe may enter once. Remove the second entry")
    for run in runs:
        _check_whole(run)
        _check_same_rows(run, runs[0])


def _check_whole(run: OofRun) -> None:
    again = f"Train it again: kit train {run.recipe}"
    unique, counts = np.unique(run.ids, return_counts=True)
    if len(unique) < len(run.ids):
        raise EnsembleError(
            f"{run.recipe}: every row may occur once, but {str(unique[counts.argmax()])!r} occurs "
            f"{counts.max()} times. {again}"
        )
    for name in ("logits", "shifted"):
        broken = ~np.isfinite(getattr(run, name)).reshape(len(run.ids), -1).all(axis=1)
        if broken.any():
            fold = int(run.folds[broken][0])
            raise EnsembleError(
                f"{run.recipe}: {name} must be finite, but {broken.sum():,} of {len(broken):,} rows are not, "
                f"first {str(run.ids[broken][0])!r}. {again} --fold {fold}"
            )


def _check_same_rows(run: OofRun, first: OofRun) -> None:
    for key in ("data", "folds"):
        ours, theirs = _digest(run.info, key), _digest(first.info, key)
        if ours != theirs:
            raise EnsembleError(
                f"{run.recipe} and {first.recipe} were made from different {key}: digests {ours[:12]} and "
                f"{theirs[:12]}. Train the older one again: kit train {run.recipe}"
            )
    missing = np.setdiff1d(first.ids, run.ids), np.setdiff1d(run.ids, first.ids)
    if len(missing[0]) or len(missing[1]):
        folds = ", ".join(str(f) for f in np.unique(first.folds[np.isin(first.ids, missing[0])]))
        raise EnsembleError(
            f"{run.recipe} lacks {len(missing[0]):,} rows of {first.recipe} (folds {folds or 'none'}) and "
            f"has {len(missing[1]):,} more. Train it: kit train {run.recipe}"
        )
    order = align(run.ids, first.ids)
    for key in ("labels", "folds", "cells"):
        if not np.array_equal(getattr(run, key)[order], getattr(first, key)):
            raise EnsembleError(
                f"{run.recipe} and {first.recipe} have different {key}. "
                f"Train the older one again: kit train {run.recipe}"
            )


def _digest(info: dict[str, Any], key: str) -> str:
    return str(info.get("digests", {}).get(key, ""))
