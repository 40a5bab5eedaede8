"""What cleaning came to, in words: counts, what is suspected but kept, classes that lose much, doubtful groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.cleaning.bounds import ACCEPTED, CLASS_SHARE, KEPT
from kit.errors import DataError

SUSPICIONS = ("junk", "conflict", "outlier", "cluster", "blank", "dark", "bright", "shape")
"""Reasons that are bounded: rows that have one and are kept are suspected."""
LARGE, PAIRS = 0.01, 3
"""Share of the rows above which a group is doubtful, and the rows that any group may have."""


def summary(table: pd.DataFrame) -> str:
    """How many rows are dropped and why, kept and in conflict."""
    dropped = table[~table["keep"]]
    reasons = dropped["reason"].replace("", "by hand").value_counts()
    named = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    overruled = int(table["overruled"].sum())
    parts = [f"{len(dropped):,} dropped{f' ({named})' if named else ''}, {int(table['keep'].sum()):,} kept"]
    parts += [f"{int(table['conflict'].sum()):,} in conflict"]
    parts += [f"{suspected:,} suspected but kept"] if (suspected := int(_suspected(table).sum())) else []
    parts += [f"{overruled:,} overruled by hand"] if overruled else []
    return ", ".join(parts)


def accepted_before(table: pd.DataFrame) -> set[str]:
    """The reasons that a person accepted."""
    rows = (table["decision"] == "drop") & table["evidence"].str.contains(ACCEPTED, regex=False)
    return set(table.loc[rows, "reason"])


def remarks(table: pd.DataFrame, class_names: tuple[str, ...], command: str) -> list[str]:
    """What a person should look at, a line each; `command` is `kit clean` for these data."""
    return [*_listed(table, command), *_losses(table, class_names), *_doubtful(table)]


def need_every_class(table: pd.DataFrame, class_names: tuple[str, ...], file: Path) -> None:
    """DataError that names a declared class without a kept row."""
    labels = table["label"].to_numpy()
    kept = np.bincount(labels[table["keep"].to_numpy(dtype=bool)], minlength=len(class_names))
    given = np.bincount(labels, minlength=len(class_names))
    for label in np.flatnonzero(kept == 0):
        name = class_names[label]
        if given[label] == 0:
            raise DataError(
                f"every class must have images, but {name!r} has none in the data. "
                f"Take it out of classes in the contest file, or add images."
            )
        reasons = table.loc[labels == label, "reason"].replace("", "by hand").value_counts()
        named = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        raise DataError(
            f"every class must keep a row, but all {given[label]:,} of {name!r} are dropped ({named}). "
            f"Set their keep to True in {file}, or take the class out of the contest file."
        )


def _suspected(table: pd.DataFrame) -> pd.Series:
    return table["keep"] & table["reason"].isin(SUSPICIONS) & ~table["overruled"]


def _listed(table: pd.DataFrame, command: str) -> Iterator[str]:
    suspects = table[_suspected(table)]
    for reason, rows in suspects.groupby("reason", sort=False):
        why = rows["evidence"].str.extract(f"{KEPT}([^;]*)", expand=False).dropna()
        yield (
            f"{reason}: {len(rows):,} rows are suspected but kept ({', '.join(rows['id'].head(5))}"
            f"{', ...' if len(rows) > 5 else ''}){f', since {why.iloc[0]}' if len(why) else ''}. "
            f"Look at clean.png; to drop them: {command} --accept {reason}"
        )


def _losses(table: pd.DataFrame, class_names: tuple[str, ...]) -> Iterator[str]:
    for label, name in enumerate(class_names):
        rows = table[table["label"] == label]
        lost = int((~rows["keep"]).sum())
        if lost > CLASS_SHARE * len(rows):
            reasons = rows.loc[~rows["keep"], "reason"].replace("", "by hand").value_counts()
            named = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
            yield f"class {name!r} loses {lost:,} of {len(rows):,} rows ({named})"


def _doubtful(table: pd.DataFrame) -> Iterator[str]:
    kept = table[table["keep"]]
    sizes = kept["group"].value_counts()
    for group, size in sizes[sizes > max(LARGE * len(table), PAIRS)].items():
        first = kept.loc[kept["group"] == group, "id"].iloc[0]
        yield (
            f"group {group} is doubtful: {size:,} rows ({size / len(table):.1%}) like {first} are held to show one "
            f"image and stay in one fold. Look at clean.png; [clean] near_duplicates = false makes no such groups"
        )
