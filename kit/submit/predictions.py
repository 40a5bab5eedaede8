"""Predictions handed in as a file, for platforms that take labels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.artefact import write_bytes
from kit.config import PlatformConfig
from kit.errors import PackagingError
from kit.submit.archive import write_zip


def label_values(labels: np.ndarray, class_names: tuple[str, ...], platform: PlatformConfig) -> list[Any]:
    """Labels (N,) as the platform spells them: numbers, or names of classes."""
    return [class_names[label] for label in labels] if platform.label_form == "name" else labels.tolist()


def predictions_table(
    ids: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...], platform: PlatformConfig
) -> pd.DataFrame:
    """One row a picture, with exactly the platform's two columns."""
    values = label_values(labels, class_names, platform)
    return pd.DataFrame({platform.id_column: ids, platform.label_column: values})


def fit_sample(table: pd.DataFrame, sample: pd.DataFrame, platform: PlatformConfig) -> pd.DataFrame:
    """The table in the order of sample_submission.csv; PackagingError for other columns or ids."""
    if list(table.columns) != list(sample.columns):
        raise PackagingError(
            f"columns must be {', '.join(sample.columns)}, but are {', '.join(table.columns)}. Mend id_column and "
            f"label_column in the platform file"
        )
    ours, theirs = table[platform.id_column].astype(str), sample[platform.id_column].astype(str)
    if ours.duplicated().any():
        raise PackagingError(f"every id must be there once, but {ours[ours.duplicated()].iloc[0]!r} is there twice")
    missing, foreign = set(theirs) - set(ours), set(ours) - set(theirs)
    if missing or foreign:
        which = (
            f"{len(missing):,} of {len(theirs):,} ids are missing" if missing else f"{len(foreign):,} ids are unknown"
        )
        example = sorted(missing or foreign)[0]
        raise PackagingError(f"ids must be those of the sample, but {which} (such as {example!r}). Predict those files")
    order = pd.Series(range(len(ours)), index=ours).loc[theirs]
    return table.iloc[order.to_numpy()].reset_index(drop=True)


def write_predictions(
    ids: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    platform: PlatformConfig,
    out: Path,
    sample: pd.DataFrame | None = None,
) -> None:
    """Write what is handed in: a CSV, or a zip with an array of labels in the order of `ids`.

    PackagingError where ids or labels do not fit the sample or the classes.
    """
    if labels.shape != ids.shape or labels.dtype.kind not in "iu":
        raise PackagingError(
            f"labels must be integers {ids.shape}, but got {labels.dtype} {labels.shape}. Predict again"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        raise PackagingError(f"labels must be 0 to {len(class_names) - 1}, but go up to {labels.max()}. Predict again")
    if platform.predictions_file.endswith(".csv"):
        table = predictions_table(ids, labels, class_names, platform)
        table = table if sample is None else fit_sample(table, sample, platform)
        write_bytes(out, table.to_csv(index=False).encode())
        return
    buffer = io.BytesIO()
    np.save(buffer, labels.astype(np.int64), allow_pickle=False)
    write_zip(out, {platform.predictions_file: buffer.getvalue()})
