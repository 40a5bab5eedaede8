"""The table `clean.csv`: what the kit decides about each row, and what a person decides against it.

Columns: id; keep (the last word); reason (why the kit would drop the row; empty where it would not); group
(rows that show one picture); conflict (the group carries several labels); evidence (figures and ids behind
it); overruled (a person changed keep); decision (the kit's own: keep or drop); label; picture (digest of the
pixels). A person edits `keep`. The row is overruled from then on, as long as the id still shows the same
picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.errors import DataError

COLUMNS = [
    "id",
    "keep",
    "reason",
    "group",
    "conflict",
    "evidence",
    "overruled",
    "decision",
    "label",
    "picture",
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
        """Drop `rows` (or merely suspect them) for `reason`; rows that already have a reason keep theirs."""
        rows = np.asarray(rows, dtype=np.int64)
        texts = np.broadcast_to(np.asarray(evidence, dtype=object), rows.shape)
        fresh = self.reason[rows] == ""
        self.reason[rows[fresh]] = reason
        self.drop[rows[fresh]] = drop
        self.note(rows, texts)

    def note(self, rows: np.ndarray, evidence: np.ndarray | str) -> None:
        """Add evidence to `rows` without a decision."""
        texts = np.broadcast_to(np.asarray(evidence, dtype=object), rows.shape)
        for row, text in zip(rows, texts):
            self.evidence[row] = f"{self.evidence[row]}; {text}" if self.evidence[row] else text


def table(
    ids: np.ndarray, labels: np.ndarray, groups: np.ndarray, pictures: np.ndarray, verdicts: Verdicts
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
        "picture": pictures.astype(object),
    }
    return pd.DataFrame(columns)[COLUMNS]


def read(path: Path) -> pd.DataFrame:
    """`clean.csv` with a person's edits taken in; DataError names the line that cannot be understood."""
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError, OSError) as error:
        raise DataError(f"{path}: not a readable table ({error}). Mend it, or delete it and run: kit clean") from error
    absent = [name for name in COLUMNS if name not in raw.columns]
    if absent:
        raise DataError(
            f"{path}: the column {absent[0]!r} is missing. Put it back, or delete the file and run: kit clean"
        )
    result = raw[COLUMNS].copy()
    for name in ("keep", "conflict", "overruled"):
        result[name] = _booleans(raw[name], path)
    for name in ("group", "label"):
        result[name] = pd.to_numeric(raw[name]).astype(np.int64)
    return with_edits(result)


def _booleans(column: pd.Series, path: Path) -> pd.Series:
    folded = column.str.strip().str.lower()
    known = folded.isin(_TRUE | _FALSE)
    if not known.all():
        line = int(np.flatnonzero(~known)[0])
        raise DataError(
            f"{path}: {column.name} must be True or False, but line {line + 2} has {column.iloc[line]!r}. Mend it."
        )
    return folded.isin(_TRUE)


def with_edits(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `overruled` set wherever `keep` is not the kit's decision; once set it stays."""
    differs = table["keep"].to_numpy() != (table["decision"] == "keep").to_numpy()
    return table.assign(overruled=table["overruled"].to_numpy() | differs)


def carry_over(fresh: pd.DataFrame, previous: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The fresh decisions with what a person overruled in `previous`, and the ids where that no longer
    applies.

    An overruled row follows its id, as long as the id still shows the same picture.
    """
    overruled = previous[previous["overruled"]]
    pictures = dict(zip(fresh["id"], fresh["picture"]))
    valid = [pictures.get(one) == picture for one, picture in zip(overruled["id"], overruled["picture"])]
    decided = dict(zip(overruled["id"][valid], overruled["keep"][valid]))
    mine = fresh["id"].isin(list(decided)).to_numpy()
    keep = fresh["keep"].to_numpy().copy()
    keep[mine] = [decided[one] for one in fresh["id"][mine]]
    lost = overruled["id"][~np.asarray(valid, bool)].tolist()
    return fresh.assign(keep=keep, overruled=mine), lost
