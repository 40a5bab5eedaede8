"""The form of a file of predictions: its columns, what they hold, and how labels are spelled.

The contest's sample_submission.csv decides where there is one; else the platform's profile does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from kit.config import PlatformConfig
from kit.errors import PackagingError
from kit.inference.columns import Spec, class_of_columns, filled, numeric, spelled
from kit.metrics.registry import get_metric
from kit.storage import reading

Holds = Literal["label", "one_hot", "probability", "probabilities", "ranked"]

IN_WORDS: dict[str, str] = {
    "label": "one label an image",
    "one_hot": "a column a class, 1 for the label",
    "probability": "the probability of the second class",
    "probabilities": "a column a class with its probability",
    "ranked": "the likeliest labels of each image, separated by spaces",
}


@dataclass(frozen=True)
class Form:
    """What a file of predictions holds.

    header: all columns in order. class_names: the contest's; names: their spelling as labels. classes: the class of
    each column beside the ids, where there is one a class, -1 for one that no training image has. k: labels an image of
    a ranked form.
    """

    header: tuple[str, ...]
    id_column: str
    holds: Holds
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    classes: tuple[int, ...] = ()
    k: int = 1

    @property
    def columns(self) -> list[str]:
        """Those beside the ids, in order."""
        return [name for name in self.header if name != self.id_column]

    @property
    def wants(self) -> Literal["labels", "probabilities"]:
        """What it is made from."""
        return "labels" if self.holds in ("label", "one_hot") else "probabilities"

    @property
    def spec(self) -> Spec:
        """What `kit.inference.columns` takes."""
        many = "one_hot" if self.wants == "labels" else "probabilities"
        one = self.holds if len(self.columns) == 1 else "label"
        return {"classes": list(self.class_names), "names": list(self.names), "one": one, "many": many, "k": self.k}

    def table(self, ids: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
        """The file's rows: ids (N,), and predictions, labels (N,) int or probabilities (N, C)."""
        table = pd.DataFrame({self.id_column: ids.astype(str)} | filled(self.columns, predictions, self.spec))
        return table[list(self.header)]


def read_sample(path: Path) -> pd.DataFrame:
    """A CSV with every value as text: `00012`, `NA` and `null` stay what they are. PackagingError for no CSV."""
    try:
        with reading(path):
            return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        wrong = f"{path}: not a readable CSV ({error}). Give the contest's sample_submission.csv"
        raise PackagingError(wrong) from error


def make_form(
    platform: PlatformConfig, classes: Sequence[str], metric: str = "accuracy", sample: pd.DataFrame | None = None
) -> Form:
    """The form that a platform's file has under a contest's metric; PackagingError for a sample of another kind."""
    wanted = submits(platform, metric)
    if sample is None:
        return _by_profile(platform, classes, wanted)
    id_column, columns = _id_column(platform, sample)
    header = tuple(map(str, sample.columns))
    if len(columns) == 1:
        names = _names(platform, classes, sample[columns[0]])
        holds = _of_one_column(wanted, classes, metric, columns[0])
        return Form(header, id_column, holds, tuple(classes), names, k=_k(metric))
    try:
        places = tuple(class_of_columns(columns, classes))
    except ValueError as error:
        raise PackagingError(str(error)) from error
    holds = "one_hot" if wanted == "labels" else "probabilities"
    return Form(header, id_column, holds, tuple(classes), _names(platform, classes, None), places)


def submits(platform: PlatformConfig, metric: str) -> str:
    """Labels or probabilities: what the profile says, else what the metric takes."""
    return get_metric(metric).takes if platform.submits == "auto" else platform.submits


def _by_profile(platform: PlatformConfig, classes: Sequence[str], wanted: str) -> Form:
    names = _names(platform, classes, None)
    id_column, every = platform.id_column, tuple(range(len(classes)))
    if wanted == "labels" and platform.label_form != "one_hot":
        return Form((id_column, platform.label_column), id_column, "label", tuple(classes), names)
    if wanted == "probabilities" and len(classes) == 2:
        return Form((id_column, platform.label_column), id_column, "probability", tuple(classes), names)
    holds: Holds = "one_hot" if wanted == "labels" else "probabilities"
    return Form((id_column, *classes), id_column, holds, tuple(classes), names, every)


def _id_column(platform: PlatformConfig, sample: pd.DataFrame) -> tuple[str, list[str]]:
    """The sample's id column, the profile's or else its first, and the others."""
    columns = list(map(str, sample.columns))
    if len(columns) < 2:
        raise PackagingError(
            f"a sample needs a column of ids and one more, but has {', '.join(columns) or 'none'}. Give the contest's "
            f"sample_submission.csv"
        )
    id_column = platform.id_column if platform.id_column in columns else columns[0]
    return id_column, [name for name in columns if name != id_column]


def _names(platform: PlatformConfig, classes: Sequence[str], values: pd.Series | None) -> tuple[str, ...]:
    """Each class as a label: its name or its number, as the profile says or else as the sample's labels are."""
    if platform.label_form in ("auto", "one_hot"):
        return tuple(spelled([] if values is None else values.tolist(), classes))
    return tuple(classes) if platform.label_form == "name" else tuple(map(str, range(len(classes))))


def label_values(platform: PlatformConfig, classes: Sequence[str]) -> tuple[int, ...] | None:
    """The labels that a class or an array submits, where they are other numbers than the places of the classes.

    Training labels 1 to 8 make classes "1" to "8", and are compared with a truth of 1 to 8.
    """
    if platform.label_form == "index" or not numeric(classes):
        return None
    values = tuple(int(float(name)) for name in classes)
    return None if values == tuple(range(len(classes))) else values


def _k(metric: str) -> int:
    found = re.fullmatch(r"(?:map@|top)(\d+)(?:_accuracy)?", metric)
    return int(found[1]) if found else 1


def _of_one_column(wanted: str, classes: Sequence[str], metric: str, column: str) -> Holds:
    if wanted == "labels":
        return "label"
    if len(classes) == 2:
        return "probability"
    if _k(metric) > 1:
        return "ranked"
    raise PackagingError(
        f"the sample has one column, {column!r}, but {metric} takes the probabilities of {len(classes)} classes, a "
        f'column each. Set submits = "labels" in the platform file where labels are wanted'
    )


def read_predictions(form: Form, table: pd.DataFrame) -> tuple[np.ndarray | None, str]:
    """Predictions of a file's rows, labels (N,) int64 or probabilities (N, C) float64, or None and what is wrong."""
    if form.holds in ("label", "ranked"):
        return _read_labels(form, table[form.columns[0]])
    values: Any = table[form.columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row, column = (int(place) for place in np.argwhere(~np.isfinite(values))[0])
        return None, f"{table[form.columns[column]].iloc[row]!r} is no number"
    if form.holds == "probability":
        return np.concatenate([1 - values, values], axis=1), ""
    ordered = values[:, [form.classes.index(place) for place in range(len(form.class_names))]]
    if form.holds == "probabilities":
        return ordered, ""
    if not (np.isin(ordered, (0, 1)).all() and (ordered.sum(axis=1) == 1).all()):
        return None, "one column of a row must be 1, the others 0"
    return ordered.argmax(axis=1), ""


def _read_labels(form: Form, values: pd.Series) -> tuple[np.ndarray | None, str]:
    known = {name: place for place, name in enumerate(form.names)}
    words = [value.split(" ") if form.holds == "ranked" else [value] for value in values]
    foreign = sorted({word for some in words for word in some if word not in known})
    if foreign:
        return None, ", ".join(foreign[:3])
    if form.holds == "label":
        return np.array([known[some[0]] for some in words], dtype=np.int64), ""
    predictions = np.zeros((len(words), len(form.names)))
    for row, some in enumerate(words):
        for place, word in enumerate(some[: form.k]):
            predictions[row, known[word]] = max(predictions[row, known[word]], 1 / (place + 1))
    return predictions / np.maximum(predictions.sum(axis=1, keepdims=True), 1e-12), ""
