"""The table `clean.csv`: what the kit decides about each row, and what a person decides against it.

Columns: id; keep (the last word); reason (what is held against the row, empty for nothing; a row that is
merely suspected is kept); group (rows that show one image); conflict (the group carries several labels);
evidence (figures and ids behind it); overruled (a person changed keep or weight); decision (the kit's own:
keep or drop); label; image (digest of the pixels); weight (of the row in the training loss, 1 unless a
person changes it). A person edits `keep`. The row is overruled from then on, as long as the id still shows
the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.errors import DataError
from kit.storage import reading

COLUMNS = [
    *("id", "keep", "reason", "group", "conflict", "evidence"),
    *("overruled", "decision", "label", "image", "weight"),
]
_TRUE = frozenset(("true", "1", "yes", "y", "keep"))
_FALSE = frozenset(("false", "0", "no", "n", "drop"))


@dataclass
class Verdicts:
    """The kit's decisions while they are being made; every array has one entry a row."""

    drop: np.ndarray
    """(N,) bool."""
    reason: np.ndarray
    """(N,) object, str; empty for a row nothing is held against."""
    conflict: np.ndarray
    """(N,) bool."""
    evidence: np.ndarray
    """(N,) object, str."""

    @classmethod
    def none(cls, count: int) -> Verdicts:
        """Nothing held against any of `count` rows."""
        text = np.full(count, "", dtype=object)
        return cls(np.zeros(count, bool), text, np.zeros(count, bool), text.copy())

    def against(self, rows: np.ndarray, reason: str, evidence: np.ndarray | str, drop: bool = True) -> None:
        """Drop `rows` (or merely suspect them) for `reason`; an earlier reason stays, unless this one alone drops."""
        rows = np.asarray(rows, dtype=np.int64)
        texts = np.broadcast_to(np.asarray(evidence, dtype=object), rows.shape)
        fresh = (self.reason[rows] == "") | (drop & ~self.drop[rows])
        self.reason[rows[fresh]] = reason
        self.drop[rows[fresh]] = drop
        self.note(rows, texts)

    def note(self, rows: np.ndarray, evidence: np.ndarray | str) -> None:
        """Add evidence to `rows` without a decision."""
        texts = np.broadcast_to(np.asarray(evidence, dtype=object), rows.shape)
        for row, text in zip(rows, texts):
            self.evidence[row] = f"{self.evidence[row]}; {text}" if self.evidence[row] else text


def table(
    ids: np.ndarray, labels: np.ndarray, groups: np.ndarray, images: np.ndarray, verdicts: Verdicts
) -> pd.DataFrame:
    """The decisions as a table with `COLUMNS`, nothing overruled."""
    columns = {
        "id": ids.astype(object),
        "keep": ~verdicts.drop,
        "reason": verdicts.reason,
        "group": groups,
        "conflict": verdicts.conflict,
        "evidence": verdicts.evidence,
        "overruled": np.zeros(len(ids), bool),
        "decision": np.where(verdicts.drop, "drop", "keep").astype(object),
        "label": labels,
        "image": images.astype(object),
        "weight": np.ones(len(ids)),
    }
    return pd.DataFrame(columns)[COLUMNS]


def read(path: Path) -> pd.DataFrame:
    """`clean.csv` with a person's edits taken in; DataError names the line that cannot be understood."""
    try:
        with reading(path):
            raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError, OSError) as error:
        raise DataError(f"{path}: not a readable table ({error}). Fix it, or delete it and run: kit clean") from error
    absent = [name for name in COLUMNS if name not in raw.columns]
    if absent:
        raise DataError(
            f"{path}: the column {absent[0]!r} is missing. Put it back, or delete the file and run: kit clean"
        )
    result = raw[COLUMNS].copy()
    for name in ("keep", "conflict", "overruled"):
        result[name] = _booleans(raw[name], path)
    for name in ("group", "label"):
        result[name] = _numbers(raw[name], path).astype(np.int64)
    result["weight"] = _numbers(raw["weight"], path, positive=True)
    return with_edits(result)


def _numbers(column: pd.Series, path: Path, positive: bool = False) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(~np.isfinite(numbers) | (numbers < 0) | (positive & (numbers == 0)))
    if len(bad):
        rule = "a number above 0 (to leave a row out, set its keep to False)" if positive else "a number from 0"
        raise DataError(
            f"{path}: {column.name} must be {rule}, but line {bad[0] + 2} has {column.iloc[bad[0]]!r}. Fix it."
        )
    return numbers


def _booleans(column: pd.Series, path: Path) -> pd.Series:
    folded = column.str.strip().str.lower()
    known = folded.isin(_TRUE | _FALSE)
    if not known.all():
        line = int(np.flatnonzero(~known)[0])
        raise DataError(
            f"{path}: {column.name} must be True or False, but line {line + 2} has {column.iloc[line]!r}. Fix it."
        )
    return folded.isin(_TRUE)


def with_edits(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `overruled` set wherever `keep` or `weight` is not the kit's; once set it stays."""
    differs = table["keep"].to_numpy() != (table["decision"] == "keep").to_numpy()
    return table.assign(overruled=table["overruled"].to_numpy() | differs | (table["weight"].to_numpy() != 1))


def carry_over(fresh: pd.DataFrame, previous: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The fresh decisions with what a person overruled in `previous`, and the ids where that no longer
    applies.

    An overruled row follows its id, as long as the id still shows the same image.
    """
    overruled = previous[previous["overruled"]].set_index("id")
    images = dict(zip(fresh["id"], fresh["image"]))
    valid = np.array([images.get(one) == image for one, image in overruled["image"].items()], dtype=bool)
    standing, result = overruled[valid], fresh.copy()
    mine = result["id"].isin(standing.index).to_numpy()
    for name in ("keep", "weight", "evidence"):
        result.loc[mine, name] = standing.loc[result.loc[mine, "id"], name].to_numpy()
    return result.assign(overruled=mine), overruled.index[~valid].tolist()
