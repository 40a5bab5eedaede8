"""Predictions submitted as a file, in the form that the sample or the platform's profile asks for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from kit.artefact import write_bytes
from kit.config import PlatformConfig
from kit.errors import PackagingError
from kit.packaging.archive import write_zip
from kit.packaging.form import Form, label_values, make_form
from kit.packaging.rows import Unmatched, match_rows

SUMS_TO = 1e-3
"""How far the probabilities of a row may be from summing to 1."""


def write_predictions(
    ids: np.ndarray,
    predictions: np.ndarray,
    class_names: tuple[str, ...],
    platform: PlatformConfig,
    out: Path,
    sample: pd.DataFrame | None = None,
    *,
    metric: str = "accuracy",
    unmatched: Unmatched = "refuse",
    prior: np.ndarray | None = None,
    numbered: bool = False,
) -> None:
    """Write what is submitted: a CSV, or a zip with an array in the order of `ids`.

    predictions: labels (N,) int or probabilities (N, C), whichever the form is made from. sample: the text of
    sample_submission.csv. unmatched, numbered: see `kit.packaging.rows`; rows without an image get `prior` (C,), else
    the predictions' mean.
    PackagingError where ids or predictions do not fit the sample or the classes.
    """
    form = make_form(platform, class_names, metric, sample)
    _check(predictions, ids, len(class_names), form)
    if platform.predictions_file.endswith(".csv"):
        if sample is not None:
            rows = match_rows(ids, sample[form.id_column].to_numpy(dtype=str), numbered)
            ids, places = rows.taken(unmatched)
            predictions = _filled(predictions, places, _prior(predictions, len(class_names), prior))
        _check_twice(ids)
        write_bytes(out, form.table(ids, predictions).to_csv(index=False).encode())
        return
    buffer = io.BytesIO()
    values = label_values(platform, class_names)
    if form.wants == "labels" and values:
        predictions = np.array(values)[predictions]
    np.save(buffer, predictions.astype(np.int64 if form.wants == "labels" else np.float32), allow_pickle=False)
    write_zip(out, {platform.predictions_file: buffer.getvalue()})


def _check(predictions: np.ndarray, ids: np.ndarray, classes: int, form: Form) -> None:
    if form.wants == "probabilities":
        shape = (len(ids), classes)
        if predictions.shape != shape or predictions.dtype.kind != "f" or not np.isfinite(predictions).all():
            raise PackagingError(
                f"probabilities must be finite numbers {shape}, but got {predictions.dtype} {predictions.shape}. "
                f"Predict again"
            )
        if len(predictions) and (predictions.min() < 0 or np.abs(predictions.sum(axis=1) - 1).max() > SUMS_TO):
            raise PackagingError("probabilities must be 0 or more, and sum to 1 a row, but do not. Predict again")
        return
    if predictions.shape != ids.shape or predictions.dtype.kind not in "iu":
        raise PackagingError(
            f"labels must be integers {ids.shape}, but got {predictions.dtype} {predictions.shape}. Predict again"
        )
    if len(predictions) and not 0 <= predictions.min() <= predictions.max() < classes:
        raise PackagingError(f"labels must be 0 to {classes - 1}, but go up to {predictions.max()}. Predict again")


def _check_twice(ids: np.ndarray) -> None:
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise PackagingError(f"every id must be there once, but {str(unique[counts.argmax()])!r} is there twice")


def _prior(predictions: np.ndarray, classes: int, prior: np.ndarray | None) -> np.ndarray:
    if prior is not None:
        return prior
    if not len(predictions):
        return np.full(classes, 1 / classes)
    if predictions.ndim == 2:
        return predictions.mean(axis=0)
    return np.bincount(predictions, minlength=classes) / len(predictions)


def _filled(predictions: np.ndarray, places: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Predictions by the place of each row's image; the prior, or its likeliest class, where there is none."""
    likeliest = prior[None] if predictions.ndim == 2 else np.array([prior.argmax()])
    nothing = likeliest.astype(predictions.dtype)
    return np.concatenate([predictions, nothing])[places]
