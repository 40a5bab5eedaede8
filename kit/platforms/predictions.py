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
from kit.packaging.form import Form, make_form
from kit.packaging.rows import Unmatched, match_rows

SUMS_TO = 1e-3
"""How far the probabilities of a row may be from summing to 1."""


def write_predictions(
    ids: np.ndarray,
    answers: np.ndarray,
    class_names: tuple[str, ...],
    platform: PlatformConfig,
    out: Path,
    sample: pd.DataFrame | None = None,
    *,
    metric: str = "accuracy",
    unmatched: Unmatched = "refuse",
    prior: np.ndarray | None = None,
) -> None:
    """Write what is submitted: a CSV, or a zip with an array in the order of `ids`.

    answers: labels (N,) int or probabilities (N, C), whichever the form is made from. sample: sample_submission.csv as
    text. unmatched: see `kit.packaging.rows`; rows without an image get `prior` (C,), else the answers' mean.
    PackagingError where ids or answers do not fit the sample or the classes.
    """
    form = make_form(platform, class_names, metric, sample)
    _check(answers, ids, len(class_names), form)
    if platform.predictions_file.endswith(".csv"):
        if sample is not None:
            rows = match_rows(ids, sample[form.id_column].to_numpy(dtype=str))
            ids, places = rows.taken(unmatched)
            answers = _filled(answers, places, _prior(answers, len(class_names), prior))
        _check_twice(ids)
        write_bytes(out, form.table(ids, answers).to_csv(index=False).encode())
        return
    buffer = io.BytesIO()
    np.save(buffer, answers.astype(np.int64 if form.wants == "labels" else np.float32), allow_pickle=False)
    write_zip(out, {platform.predictions_file: buffer.getvalue()})


def _check(answers: np.ndarray, ids: np.ndarray, classes: int, form: Form) -> None:
    if form.wants == "probabilities":
        shape = (len(ids), classes)
        if answers.shape != shape or answers.dtype.kind != "f" or not np.isfinite(answers).all():
            raise PackagingError(
                f"probabilities must be finite numbers {shape}, but got {answers.dtype} {answers.shape}. Predict again"
            )
        if len(answers) and (answers.min() < 0 or np.abs(answers.sum(axis=1) - 1).max() > SUMS_TO):
            raise PackagingError("probabilities must be 0 or more, and sum to 1 a row, but do not. Predict again")
        return
    if answers.shape != ids.shape or answers.dtype.kind not in "iu":
        raise PackagingError(
            f"labels must be integers {ids.shape}, but got {answers.dtype} {answers.shape}. Predict again"
        )
    if len(answers) and not 0 <= answers.min() <= answers.max() < classes:
        raise PackagingError(f"labels must be 0 to {classes - 1}, but go up to {answers.max()}. Predict again")


def _check_twice(ids: np.ndarray) -> None:
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise PackagingError(f"every id must be there once, but {str(unique[counts.argmax()])!r} is there twice")


def _prior(answers: np.ndarray, classes: int, prior: np.ndarray | None) -> np.ndarray:
    if prior is not None:
        return prior
    if not len(answers):
        return np.full(classes, 1 / classes)
    return answers.mean(axis=0) if answers.ndim == 2 else np.bincount(answers, minlength=classes) / len(answers)


def _filled(answers: np.ndarray, places: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Answers by the place of each row's image; the prior, or its likeliest class, where there is none."""
    nothing = prior[None].astype(answers.dtype) if answers.ndim == 2 else np.array([prior.argmax()], answers.dtype)
    return np.concatenate([answers, nothing])[places]
