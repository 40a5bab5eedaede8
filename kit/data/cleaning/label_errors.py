"""Rows whose label several recipes' out-of-fold predictions contradict: confident learning, for a person to
judge.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (2021), by
cleanlab. Nothing is dropped by itself: `drop` and `down_weight` write a person's request into the table of
`clean.csv`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_ensemble_scores, get_label_quality_scores

from kit.errors import DataError


def rank(
    ids: np.ndarray, labels: np.ndarray, probabilities: Mapping[str, np.ndarray], class_names: Sequence[str]
) -> pd.DataFrame:
    """Every row, the most doubtful label first.

    ids: (N,) str; labels: (N,) int64; probabilities: by recipe (N, C) out-of-fold, rows in the order of ids.
    Columns: id, label and suggested (class names; the suggestion is the mean's first choice), quality (0..1,
    low is doubtful: cleanlab's ensemble score), votes (recipes that call it an error), issue (at least half
    of them do).
    """
    _check(ids, labels, probabilities, len(class_names))
    every = list(probabilities.values())
    votes = np.sum([_contradicted(labels, one) for one in every], axis=0)
    if len(every) > 1:
        quality = get_label_quality_ensemble_scores(labels, every, verbose=False)
    else:
        quality = get_label_quality_scores(labels, every[0])
    names = np.asarray(class_names, dtype=object)
    suggested = np.mean(every, axis=0).argmax(axis=1)
    table = pd.DataFrame(
        {
            "id": ids.astype(object),
            "label": names[labels],
            "suggested": names[suggested],
            "quality": np.round(quality, 4),
            "votes": votes,
            "issue": (2 * votes >= len(every)) & (suggested != labels),
        }
    )
    return table.sort_values(["issue", "quality"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _contradicted(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) bool: another class is as likely as that class is, on average, where it is the label."""
    return find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)


def _check(ids: np.ndarray, labels: np.ndarray, probabilities: Mapping[str, np.ndarray], classes: int) -> None:
    if not probabilities:
        raise DataError("label errors need at least one finished run. Train one first: kit train RECIPE")
    for recipe, one in probabilities.items():
        if one.shape != (len(ids), classes):
            raise DataError(
                f"{recipe}: probabilities must have shape {(len(ids), classes)}, but got {one.shape}. "
                f"The run is of other data; train it again: kit train {recipe}"
            )
    assert len(ids) == len(labels)


def drop(table: pd.DataFrame, ranking: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """The table of `clean.csv` with the rows `ids` dropped at a person's request, the ranking as evidence."""
    return _requested(table, ranking, ids, keep=False, weight=1.0)


def down_weight(table: pd.DataFrame, ranking: pd.DataFrame, ids: Sequence[str], weight: float) -> pd.DataFrame:
    """The table of `clean.csv` with the rows `ids` kept at a `weight` over 0 in the training loss."""
    return _requested(table, ranking, ids, keep=True, weight=weight)


def _requested(
    table: pd.DataFrame, ranking: pd.DataFrame, ids: Sequence[str], keep: bool, weight: float
) -> pd.DataFrame:
    strange = set(ids) - set(table["id"])
    if strange:
        raise DataError(f"clean.csv: has no row {sorted(strange)[0]!r}. Give ids as they stand in the ranking.")
    doubted = {row["id"]: _doubt(row) for row in ranking.to_dict("records")}
    chosen = table["id"].isin(list(ids)).to_numpy()
    texts = [
        "; ".join(filter(None, (old, doubted.get(one, "label doubted by hand")))) if mine else old
        for one, old, mine in zip(table["id"], table["evidence"], chosen)
    ]
    return table.assign(
        evidence=texts,
        keep=np.where(chosen, keep, table["keep"]),
        weight=np.where(chosen, weight, table["weight"]),
        overruled=table["overruled"].to_numpy() | chosen,
    )


def _doubt(row: Mapping[Any, Any]) -> str:
    return f"label error: {row['votes']} recipes doubt {row['label']} and predict {row['suggested']}"
