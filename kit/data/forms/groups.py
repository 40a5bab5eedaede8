"""Columns and file names that look like patients, slides or other things of which several images were taken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np

from kit.data.forms.form import Form
from kit.data.sources.group_names import names_groups, names_splits

LEAST_SHARE = 0.5
"""Share of the rows that must share their value with another, for the values to be groups."""

HEAD = r"^(.+?)([_-]+[A-Za-z]*\d+)?(?:\.[^.]*)?$"
"""What finds a file's name without its last number: patient12 of patient12_003.png."""
FEWEST = 3
"""Groups of each class from which folds can keep them whole."""


def group_key(columns: Mapping[str, np.ndarray], found: Form) -> None:
    """Writes the column (N,) str that names groups into `found`; several, or a fold column, become doubts."""
    repeated = [name for name, values in columns.items() if names_groups(name) and repeats(values)]
    if repeated:
        found.data["group_column"] = repeated[0]
        count = len(np.unique(columns[repeated[0]]))
        found.facts.append(f"{repeated[0]!r} has {count:,} values for {len(found):,} images: each stays in one fold.")
    else:
        found.doubts += [_nested(name, values, found) for name, values in columns.items() if nests(values, found)]
    if len(repeated) > 1:
        found.doubts.append(f"Groups are kept together by {repeated[0]!r}; {', '.join(repeated[1:])} would be others.")
    for name in columns:
        if names_splits(name):
            found.doubts.append(
                f"{name!r} looks like folds of the organisers: to use them, set fold_column = {name!r} in [data] and "
                f'kind = "column" in [folds].'
            )


def nests(values: np.ndarray, found: Form) -> bool:
    """Whether rows of one value (N,) str have one label throughout, and most share theirs: bursts of one thing."""
    unique, places = np.unique(values, return_inverse=True)
    if len(values) != len(found) or not repeats(values) or len(unique) <= 2 * len(found.classes):
        return False
    pairs = np.unique(np.stack([places.reshape(-1), found.labels]), axis=1)
    return pairs.shape[1] == len(unique)


def _nested(name: str, values: np.ndarray, found: Form) -> str:
    count = len(np.unique(values))
    return (
        f"{name!r} has {count:,} values for {len(found):,} images, and images of one value have one label. If they "
        f"show one thing, such as frames of a film, set group_column = {json.dumps(name)} in [data]: else scores are "
        f"too high."
    )


def repeats(values: np.ndarray) -> bool:
    """Whether most rows share their value with another, and yet there are several values."""
    unique, counts = np.unique(values, return_counts=True)
    return len(unique) > 1 and float(counts[counts > 1].sum()) >= LEAST_SHARE * len(values)


def groups_in_names(names: Sequence[str], found: Form) -> None:
    """A doubt where file names begin alike, as `patient12_003.png` does: they may be images of one patient."""
    parts = [re.match(HEAD, re.split(r"[/\\]", name)[-1]) for name in names]
    heads = np.array([part[1] if part else "" for part in parts])
    count = len(np.unique(heads))
    numbered = sum(bool(part and part[2]) for part in parts) >= LEAST_SHARE * len(names)
    if numbered and count > 2 * len(found.classes) and repeats(heads):
        told = f"File names begin alike in {count:,} groups (such as {str(heads[0])!r})."
        doubt_pattern(HEAD, f"{told} If a group is one patient or one scene", found)


def keep_by_pattern(pattern: str, groups: np.ndarray, found: Form, fact: str, doubt: str) -> None:
    """Writes group_pattern into `found`, and `fact`; where some class has too few of the groups (N,) str, a doubt."""
    if min(len(np.unique(groups[found.labels == label])) for label in range(len(found.classes))) >= FEWEST:
        found.data["group_pattern"] = pattern
        found.facts.append(fact)
    else:
        doubt_pattern(pattern, doubt, found)


def doubt_pattern(pattern: str, when: str, found: Form) -> None:
    """A doubt: how to keep groups in one fold, `when` that is needed."""
    found.doubts.append(f"{when}, set group_pattern = {json.dumps(pattern)} in [data]: else scores are too high.")
