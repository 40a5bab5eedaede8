"""A file of predictions, against what the platform that takes it would refuse; it is read, nothing in it is run."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kit.array_file import BROKEN, load_arrays
from kit.config import PlatformConfig
from kit.errors import RehearsalError, did_you_mean
from kit.packaging import archive as archives
from kit.packaging.archive import escapes, is_folder
from kit.packaging.form import IN_WORDS, Form, label_values, read_predictions
from kit.rehearsal.checks import Check, failed, judge, passed

REFUSED = "the file is refused"


def check_predictions(
    path: Path, platform: PlatformConfig, form: Form, ids: np.ndarray
) -> tuple[list[Check], np.ndarray | None]:
    """The checks of a file, and its predictions in the order of `ids` where all hold.

    Labels (N,) int64, or probabilities (N, C) where the form is made of those.
    """
    if not path.is_file():
        raise RehearsalError(f"{path}: there is no such file. Write it: kit predict ZIP IMAGES --out {path}")
    size = path.stat().st_size / 1e6
    fits = not platform.max_mb or size <= platform.max_mb
    figure = f"{size:.1f} MB" + (f" (limit {platform.max_mb:g} MB)" if platform.max_mb else "")
    checks = [judge("size", fits, figure, "too big: give numbers fewer digits, or labels alone", REFUSED)]
    if platform.predictions_file.endswith(".csv"):
        found, predictions = _read_csv(path, form, ids)
    else:
        found, predictions = _read_array(path, platform)
        values = label_values(platform, form.class_names)
        if predictions is not None and values and form.wants == "labels":
            predictions = places_of(predictions, values)
    checks += found
    if predictions is None:
        return checks, None
    if form.wants == "probabilities":
        checks += _judge_probabilities(predictions, len(ids), len(form.names), form)
        return checks, predictions if all(check.passed for check in checks) else None
    checks += _judge_labels(predictions, len(ids), len(form.names))
    return checks, predictions.astype(np.int64) if all(check.passed for check in checks) else None


def places_of(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """The places of labels among the `values` that classes have, -1 for others; labels of no whole number as they are.
    """
    if labels.dtype.kind not in "iu":
        return labels
    order = np.argsort(values)
    nearest = order[np.searchsorted(np.array(values)[order], labels).clip(0, len(values) - 1)]
    return np.where(np.array(values)[nearest] == labels, nearest, -1)


def _read_array(path: Path, platform: PlatformConfig) -> tuple[list[Check], np.ndarray | None]:
    """The array that a zip of results holds."""
    name = platform.predictions_file
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not is_folder(entry)]
            data = archive.read(name) if name in names else None
    except archives.BROKEN as error:
        return [failed("zip", "cannot be opened", f"not a zip ({error}). Make it: kit predict", REFUSED)], None
    if data is None or any(map(escapes, names)):
        deeper = [other for other in names if other.endswith(f"/{name}")]
        where = f"It lies at {deeper[0]}: zip the content of the folder." if deeper else did_you_mean(name, names)
        wrong = f"{name} must lie at the root of the zip. {where}"
        return [failed("zip", ", ".join(names[:3]) or "empty", wrong, "Could not find predictions file")], None
    try:
        labels = load_arrays(data)
        if not isinstance(labels, np.ndarray):
            raise ValueError("an npz")
    except BROKEN as error:
        wrong = f"{name} is no plain array ({error}). Save it with numpy.save(..., allow_pickle=False)"
        return [failed("array", "cannot be read", wrong, "the scoring program fails")], None
    return [passed("zip", f"{name} at the root"), passed("array", f"{labels.dtype} {labels.shape}")], labels


def _read_csv(path: Path, form: Form, ids: np.ndarray) -> tuple[list[Check], np.ndarray | None]:
    """Labels or probabilities of a CSV in the order of `ids`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        return [failed("csv", "cannot be read", f"no CSV ({error}). Make it: kit predict", REFUSED)], None
    wanted = list(form.header)
    if list(table.columns) != wanted:
        wrong = f"columns must be exactly {', '.join(wanted)}. Write it without an index: to_csv(index=False)"
        shown = f"unexpected column {next((c for c in table.columns if c not in wanted), wanted[-1])!r}"
        return [failed("columns", ", ".join(map(str, table.columns)), wrong, shown)], None
    checks = [passed("columns", _listed(wanted)), _judge_ids(table[form.id_column], ids)]
    if not checks[-1].passed:
        return checks, None
    predictions, wrong = read_predictions(form, table.set_index(form.id_column).loc[ids].reset_index())
    if form.wants == "probabilities":
        rule = f"each row must hold {IN_WORDS[form.holds]}, as numbers"
        numbers = judge("numbers", predictions is not None, wrong or IN_WORDS[form.holds], rule, REFUSED)
        return [*checks, numbers], predictions
    by_number = form.names[0] == "0"
    rule = f"labels must be {'whole numbers' if by_number else 'names of classes'}, {IN_WORDS[form.holds]}."
    rule += did_you_mean(wrong.partition(", ")[0], list(form.names)) if wrong else ""
    figure = wrong or ("index" if by_number else "name")
    return [*checks, judge("label form", predictions is not None, figure, rule, REFUSED)], predictions


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:6]) + (f", ... {len(columns) - 6:,} more" if len(columns) > 6 else "")


def _judge_probabilities(predictions: np.ndarray, rows: int, classes: int, form: Form) -> list[Check]:
    shape = (rows, classes)
    numbers = predictions.dtype.kind == "f"
    checks = [
        judge("shape", predictions.shape == shape, str(predictions.shape), f"must be {shape}: a probability a class"),
        judge("dtype", numbers, str(predictions.dtype), "probabilities must be floats, as predict_proba returns"),
    ]
    if not all(check.passed for check in checks) or not rows:
        return checks
    low, high = float(predictions.min()), float(predictions.max())
    inside = bool(np.isfinite(predictions).all()) and low >= 0 and high <= 1
    checks.append(judge("range", inside, f"{low:.3g} to {high:.3g}", "probabilities must be 0 to 1, not logits"))
    if not inside:
        return checks
    sums = predictions.sum(axis=1)
    whole = form.holds == "ranked" or bool(np.abs(sums - 1).max() <= 1e-3)
    figure = f"{sums.min():.4f} to {sums.max():.4f}"
    checks.append(judge("sums", whole, figure, "the probabilities of a row must sum to 1", "a low score"))
    likely = len(np.unique(predictions.argmax(axis=1)))
    varied = rows < 3 or bool(np.ptp(predictions, axis=0).max() > 0)
    figure = f"{likely} of {classes} classes likeliest"
    return [*checks, judge("predictions differ", varied, figure, "all rows are alike")]


def _judge_ids(given: pd.Series, ids: np.ndarray) -> Check:
    twice, missing, unknown = given[given.duplicated()], set(ids) - set(given), set(given) - set(ids)
    figure = f"{len(given):,} rows for {len(ids):,} images"
    if len(twice):
        return failed("ids", figure, f"{twice.iloc[0]!r} is there twice. Give each image one row", REFUSED)
    if missing or unknown:
        example = sorted(missing or unknown)[0]
        wrong = f"{len(missing):,} ids are missing and {len(unknown):,} unknown, such as {example!r}. Take the sample's"
        return failed("ids", figure, wrong, "Submission must have the rows of the sample")
    return passed("ids", figure)


def _judge_labels(labels: np.ndarray, rows: int, classes: int) -> list[Check]:
    whole = labels.dtype.kind in "iu"
    checks = [
        judge("shape", labels.shape == (rows,), str(labels.shape), f"must be ({rows},): one label an image"),
        judge("dtype", whole, str(labels.dtype), "labels must be integers. Write labels.astype(int)", "a score of 0"),
    ]
    if all(check.passed for check in checks) and rows:
        low, high = int(labels.min()), int(labels.max())
        wrong = f"labels must be 0 to {classes - 1}. Look at the order of the classes"
        checks.append(judge("labels", low >= 0 and high < classes, f"{low} to {high}", wrong, "a low score"))
        several = len(np.unique(labels)) > 1 or rows < 3
        checks.append(judge("several classes", several, f"{len(np.unique(labels))} of {classes}", "one class only"))
    return checks
