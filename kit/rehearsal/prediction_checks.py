"""A file of predictions, against what the platform that takes it would refuse; it is read, nothing in it is run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import PlatformConfig
from kit.errors import RehearsalError, did_you_mean
from kit.packaging.archive import escapes
from kit.rehearsal.checks import Check, failed, judge, passed

REFUSED = "the file is refused"


def check_predictions(
    path: Path, platform: PlatformConfig, class_names: Sequence[str], ids: np.ndarray
) -> tuple[list[Check], np.ndarray | None]:
    """The checks of a file, and its labels (N,) int64 in the order of `ids` where all hold."""
    if not path.is_file():
        raise RehearsalError(f"{path}: there is no such file. Write it: kit predict ZIP IMAGES --out {path}")
    size = path.stat().st_size / 1e6
    fits = not platform.max_mb or size <= platform.max_mb
    figure = f"{size:.1f} MB" + (f" (limit {platform.max_mb:g} MB)" if platform.max_mb else "")
    checks = [judge("size", fits, figure, "too big: labels alone are wanted, no probabilities", REFUSED)]
    if platform.predictions_file.endswith(".csv"):
        found, labels = _read_csv(path, platform, class_names, ids)
    else:
        found, labels = _read_array(path, platform)
    checks += found
    if labels is None:
        return checks, None
    checks += _judge_labels(labels, len(ids), len(class_names))
    return checks, labels.astype(np.int64) if all(check.passed for check in checks) else None


def _read_array(path: Path, platform: PlatformConfig) -> tuple[list[Check], np.ndarray | None]:
    """The array that a zip of results holds."""
    name = platform.predictions_file
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            data = archive.read(name) if name in names else None
    except (OSError, zipfile.BadZipFile) as error:
        return [failed("zip", "cannot be opened", f"not a zip ({error}). Make it: kit predict", REFUSED)], None
    if data is None or any(map(escapes, names)):
        deeper = [other for other in names if other.endswith(f"/{name}")]
        where = f"It lies at {deeper[0]}: zip the content of the folder." if deeper else did_you_mean(name, names)
        wrong = f"{name} must lie at the root of the zip. {where}"
        return [failed("zip", ", ".join(names[:3]) or "empty", wrong, "Could not find predictions file")], None
    try:
        labels = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as error:
        wrong = f"{name} is no plain array ({error}). Save it with numpy.save(..., allow_pickle=False)"
        return [failed("array", "cannot be read", wrong, "the scoring program fails")], None
    return [passed("zip", f"{name} at the root"), passed("array", f"{labels.dtype} {labels.shape}")], labels


def _read_csv(
    path: Path, platform: PlatformConfig, class_names: Sequence[str], ids: np.ndarray
) -> tuple[list[Check], np.ndarray | None]:
    """Labels of a CSV in the order of `ids`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        return [failed("csv", "cannot be read", f"no CSV ({error}). Make it: kit predict", REFUSED)], None
    wanted = [platform.id_column, platform.label_column]
    if list(table.columns) != wanted:
        wrong = f"columns must be exactly {', '.join(wanted)}. Write it without an index: to_csv(index=False)"
        shown = f"unexpected column {next((c for c in table.columns if c not in wanted), wanted[-1])!r}"
        return [failed("columns", ", ".join(map(str, table.columns)), wrong, shown)], None
    checks = [passed("columns", ", ".join(wanted)), _judge_ids(table[platform.id_column], ids)]
    if not checks[-1].passed:
        return checks, None
    values = table.set_index(platform.id_column)[platform.label_column].loc[ids].to_numpy()
    known = {name: place for place, name in enumerate(class_names)}
    if platform.label_form == "index":
        known = {str(place): place for place in range(len(class_names))}
    foreign = sorted({value for value in values if value not in known})
    wrong = f"labels must be {'names of classes' if platform.label_form == 'name' else 'whole numbers'}." + (
        did_you_mean(foreign[0], list(known)) if foreign else ""
    )
    checks.append(judge("label form", not foreign, ", ".join(foreign[:3]) or platform.label_form, wrong, REFUSED))
    return checks, None if foreign else np.array([known[value] for value in values], dtype=np.int64)


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
