"""What a sample submission asks for: the platform's profile, columns and form of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import PlatformConfig, load_platform
from kit.data.sources.columns import shown
from kit.data.sources.places import SAMPLE
from kit.errors import DataError
from kit.inference.columns import class_of_columns, numeric, spelled
from kit.packaging.form import read_sample

BASE = "kaggle-csv"
A_COLUMN_A_CLASS = (
    'The sample has a column a class: set metric to what the contest judges by, such as metric = "log_loss" or '
    '"roc_auc", for probabilities.'
)


@dataclass(frozen=True)
class Asked:
    """The platform of a sample submission."""

    platform: PlatformConfig
    """Its columns and label form are the sample's."""
    same: bool
    """Whether the kit's own profile says so already."""
    line: str
    doubts: tuple[str, ...]
    metric: str = ""
    """What the contest may judge by, where the sample holds probabilities."""


def sample_beside(data: Path) -> Path | None:
    """The one CSV in the data's folder, or beside it, that is called a sample submission; None where there is none, or
    several.
    """
    for folder in ([data, data.parent] if data.is_dir() else [data.parent] if data.exists() else []):
        found = [path for path in sorted(folder.glob("*.csv")) if SAMPLE.search(path.name)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def what_sample_asks(path: Path, classes: tuple[str, ...]) -> Asked:
    """The columns of sample_submission.csv, held against the classes; DataError for what is no table of ids,
    PackagingError for no CSV.
    """
    table = read_sample(path)
    columns = [str(name) for name in table.columns]
    if len(columns) < 2 or not len(table):
        raise DataError(
            f"{path}: a sample needs an id column, a label column and rows, but has {len(columns)} columns and "
            f"{len(table):,} rows. Give --sample the contest's sample submission, with commas between"
        )
    id_column = _id_column(table, columns)
    columns = [id_column, *(name for name in columns if name != id_column)]
    base, doubts = load_platform(BASE), []
    fractions = _fractions(table[columns[1:]])
    if len(columns) > 2:
        try:
            places = class_of_columns(columns[1:], classes)
            never = [name for name, place in zip(columns[1:], places) if place < 0]
            if never:
                doubts.append(f"No training image shows {shown(never)}, of which the sample has columns: they stay 0.")
        except ValueError as error:
            doubts.append(f"{error}.")
        doubts += [] if fractions else [A_COLUMN_A_CLASS]
    metric = ("log_loss" if len(columns) > 2 else "roc_auc" if len(classes) == 2 else "") if fractions else ""
    if metric:
        doubts.append(
            f"The sample holds fractions, so probabilities are submitted, and metric = {metric!r} is assumed: set it "
            f"to what the contest judges by."
        )
    values = set(table[columns[1]])
    form = "name" if values & set(classes) and not all(name.isdigit() for name in classes) else "index"
    numbers = all(value.replace(".0", "").isdigit() for value in values)
    if len(columns) == 2 and form == "index" and not metric and not numbers:
        doubts.append(f"The sample's labels (such as {table[columns[1]].iloc[0]!r}) are neither classes nor numbers.")
    named = form == "name" or (len(columns) == 2 and not metric and len(values) > 1 and bool(values & set(classes)))
    doubts += _unknown_labels(values, classes) if named else []
    if len(columns) == 2 and form == "index" and numbers and not metric and not numeric(classes):
        first, second = spelled(sorted(values), classes)[:2]
        doubts.append(
            f"The sample's labels are numbers, and those of the training images names: {first} is submitted for "
            f"{classes[0]!r}, {second} for {classes[1]!r}, and so on. Bring `classes` into the contest's order."
        )
    if len(columns) == 2 and len(classes) == 2 and form == "index" and any("." in value for value in values):
        may = "is" if metric else "may be"
        then = "" if metric else 'then set metric = "roc_auc" or "log_loss". '
        doubts.append(
            f"The sample's {columns[1]!r} {may} a probability: {then}it is that of the second class, {classes[1]!r}; "
            f"turn `classes` round if it is the other."
        )
    written = form if form == "name" else base.label_form  # numbers are what a profile writes without being told
    asked = base.model_copy(update={"id_column": columns[0], "label_column": columns[1], "label_form": written})
    line = f"{path.name}: {len(table):,} rows, columns {', '.join(columns[:4])}; labels by {form}."
    return Asked(asked, asked == base, line, tuple(doubts), metric)


def _id_column(table: pd.DataFrame, columns: list[str]) -> str:
    """The first column, or the only one whose values all differ where that of the first do not."""
    unique = [name for name in columns if table[name].is_unique]
    return unique[0] if len(unique) == 1 else columns[0]


def _fractions(values: pd.DataFrame) -> bool:
    """Whether numbers between 0 and 1 stand there: labels are whole."""
    numbers = values.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    return bool(np.isfinite(numbers).all() and ((numbers > 0) & (numbers < 1)).any() and (numbers <= 1).all())


def _unknown_labels(values: set[str], classes: tuple[str, ...]) -> list[str]:
    """A doubt about labels of the sample that no training image has."""
    unknown = sorted(values - set(classes))
    if not unknown:
        return []
    return [
        f"The sample has labels that no training image has ({shown(unknown)}): they are never predicted. If one is a "
        f"class spelled otherwise, spell `classes` as the sample does."
    ]
