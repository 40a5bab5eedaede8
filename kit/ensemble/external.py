"""Predictions made elsewhere, as members: a CSV or npz with ids enters the pool like any run.

CSV: a column `id`, and one with probabilities for each class, named after it or 0, 1, ... npz: `ids` (N,) and
`proba` or `logits` (N, C); to be scored on shifted rows too, `shifted_proba` or `shifted_logits` (N, K, C)
under the cells that the pool's rows have. They must be out-of-fold for the pool's folds, which no file can
prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kit.artefact import read_npz, sha256_file
from kit.ensemble.pool import align
from kit.ensemble.scoring.scores import FLOOR
from kit.errors import EnsembleError
from kit.storage import reading

if TYPE_CHECKING:
    from kit.oof_store import OofRun

TOLERANCE = 1e-2
"""How far probabilities may be from summing to 1: text files are rounded."""


def with_external(
    runs: Sequence[OofRun], paths: Sequence[Path], class_names: Sequence[str], expects: str
) -> list[OofRun]:
    """The runs and the external predictions; all are stripped to clean images where a file has no others.

    EnsembleError names a file that cannot enter, and one without shifted rows where the contest expects them.
    """
    added = [load_external(path, runs[0], class_names) for path in paths]
    bare = [run for run in added if not run.cells.shape[1] and runs[0].cells.shape[1]]
    if not bare:
        return [*runs, *added]
    if expects == "shifted":
        raise EnsembleError(
            f"{bare[0].info['external']}: has no shifted_proba {runs[0].shifted[:, :, 0].shape}, but the contest "
            f"expects shifted images. Add it, or blend with expects = clean"
        )
    return [without_shifts(run) for run in [*runs, *added]]


def without_shifts(run: OofRun) -> OofRun:
    """The run on its clean images alone."""
    vault = run.vault
    if vault is not None:
        vault = replace(vault, shifted=vault.shifted[:, :, :0], cells=vault.cells[:, :0])
    return replace(run, shifted=run.shifted[:, :0], cells=run.cells[:, :0], vault=vault)


def load_external(path: Path, like: OofRun, class_names: Sequence[str]) -> OofRun:
    """The predictions in `path` as a run named after the file, on the rows and folds of `like`."""
    path = Path(path)
    arrays = _read(path, class_names)
    rows = _rows(path, arrays["ids"], like.ids)
    logits = _logits(path, arrays, "", (len(arrays["ids"]), len(class_names)))[rows]
    run = replace(
        like,
        recipe=path.stem,
        logits=logits[:, None],
        views=("identity",),
        info=like.info | {"external": str(path), "sha256": sha256_file(path)},
        vault=None,
    )
    if not {"shifted_proba", "shifted_logits"} & arrays.keys():
        return without_shifts(run)
    shape = (len(arrays["ids"]), like.cells.shape[1], len(class_names))
    return replace(run, shifted=_logits(path, arrays, "shifted_", shape)[rows][:, :, None])


def _read(path: Path, class_names: Sequence[str]) -> dict[str, np.ndarray]:
    if path.suffix == ".csv":
        return _read_csv(path, class_names)
    if path.suffix != ".npz":
        raise EnsembleError(f"{path}: external predictions must be .csv or .npz. Convert the file")
    arrays = read_npz(path)
    if "ids" not in arrays or not {"proba", "logits"} & arrays.keys():
        found = ", ".join(arrays)
        raise EnsembleError(f"{path}: needs ids and proba or logits, but has {found}. Save it again")
    return arrays | {"ids": arrays["ids"].astype(str)}


def _read_csv(path: Path, class_names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with reading(path):
            table = pd.read_csv(path, dtype=str, keep_default_na=False)  # an id may be NA, null or 00012
    except (OSError, ValueError) as error:
        raise EnsembleError(f"{path}: not a readable CSV ({error}). Write it again") from error
    for columns in (list(class_names), [str(number) for number in range(len(class_names))]):
        if {"id", *columns} <= set(table.columns):
            return {"ids": table["id"].to_numpy(dtype=str), "proba": _numbers(table[columns])}
    raise EnsembleError(
        f"{path}: needs a column id and one a class ({', '.join(class_names)}), but has "
        f"{', '.join(map(str, table.columns))}. Rename the columns"
    )


def _numbers(table: pd.DataFrame) -> np.ndarray:
    """Text as float64; NaN where it is no number, which is told of later."""
    return table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)


def _rows(path: Path, ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise EnsembleError(
            f"{path}: every row may occur once, but {str(unique[counts.argmax()])!r} occurs {counts.max()} times. "
            f"Remove the copies"
        )
    missing = np.setdiff1d(wanted, unique)
    if len(missing):
        raise EnsembleError(
            f"{path}: {len(missing):,} of {len(wanted):,} rows are missing, first {str(missing[0])!r}. "
            f"Predict every kept row of clean.csv out of fold"
        )
    return align(ids, wanted)


def _logits(path: Path, arrays: dict[str, np.ndarray], prefix: str, shape: tuple[int, ...]) -> np.ndarray:
    """Logits float32 of that shape, from logits or from probabilities."""
    key = f"{prefix}logits" if f"{prefix}logits" in arrays else f"{prefix}proba"
    values = arrays[key]
    if values.shape != shape or not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise EnsembleError(
            f"{path}: {key} must be finite numbers of shape {shape}, but got {values.dtype} {values.shape} with "
            f"{_broken(values)} values that are not finite. Save it again"
        )
    if key.endswith("logits"):
        return values.astype(np.float32)
    if values.min() < 0 or np.abs(values.sum(axis=-1) - 1).max() > TOLERANCE:
        raise EnsembleError(
            f"{path}: {key} must be probabilities that sum to 1 a row, but got values from {values.min():.3g} and "
            f"sums from {values.sum(axis=-1).min():.3g} to {values.sum(axis=-1).max():.3g}. Save softmax outputs"
        )
    return np.log(np.maximum(values, FLOOR)).astype(np.float32)


def _broken(values: np.ndarray) -> int:
    return int((~np.isfinite(values)).sum()) if np.issubdtype(values.dtype, np.number) else values.size
