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
from kit.packaging.archive import write_zip


def label_values(labels: np.ndarray, class_names: tuple[str, ...], platform: PlatformConfig) -> list[Any]:
    """Labels (N,) as the platform spells them: numbers, or names of classes."""
    return [class_names[label] for label in labels] if platform.label_form == "name" else labels.tolist()


def predictions_table(
    ids: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...], platform: PlatformConfig
) -> pd.DataFrame:
    """One row an image, with exactly the platform's two columns."""
    values = label_values(labels, class_names, platform)
    return pd.DataFrame({platform.id_column: ids, platform.label_column: values})


def as_in_sample(ids: np.ndarray, sample: pd.DataFrame, platform: PlatformConfig) -> np.ndarray:
    """The ids (N,) as sample_submission.csv spells them: as they are, or file names without their endings.

    PackagingError where they are not those of the sample, each once.
    """
    if platform.id_column not in sample.columns:
        raise PackagingError(
            f"the sample has no column {platform.id_column!r}, but {', '.join(sample.columns)}. Fix id_column in the "
            f"platform file"
        )
    ours, theirs = pd.Series(ids).astype(str), set(sample[platform.id_column].astype(str))
    bare = ours.str.replace(r"\.[A-Za-z0-9]+$", "", regex=True)
    if set(ours) != theirs and set(bare) == theirs:
        ours = bare
    if ours.duplicated().any():
        raise PackagingError(f"every id must be there once, but {ours[ours.duplicated()].iloc[0]!r} is there twice")
    missing, foreign = theirs - set(ours), set(ours) - theirs
    if missing or foreign:
        which = (
            f"{len(missing):,} of {len(theirs):,} ids are missing" if missing else f"{len(foreign):,} ids are unknown"
        )
        example = sorted(missing or foreign)[0]
        raise PackagingError(f"ids must be those of the sample, but {which} (such as {example!r}). Predict those files")
    return ours.to_numpy(dtype=str)


def fit_sample(table: pd.DataFrame, sample: pd.DataFrame, platform: PlatformConfig) -> pd.DataFrame:
    """The table in the order of sample_submission.csv; PackagingError for other columns or ids."""
    if list(table.columns) != list(sample.columns):
        raise PackagingError(
            f"columns must be {', '.join(sample.columns)}, but are {', '.join(table.columns)}. Fix id_column and "
            f"label_column in the platform file"
        )
    table = table.assign(**{platform.id_column: as_in_sample(table[platform.id_column].to_numpy(), sample, platform)})
    places = pd.Series(range(len(table)), index=table[platform.id_column])
    return table.iloc[places.loc[sample[platform.id_column].astype(str)].to_numpy()].reset_index(drop=True)


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
