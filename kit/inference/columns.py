"""The columns of a file of predictions: which class each is of, and what they hold.

Imports numpy alone, because it travels to platforms where a notebook writes the file. Syntax: Python 3.7. A
spec is a dict {"classes": names of the classes, "names": their spelling as labels, "one": what a single
column holds ("label", "probability" or "ranked"), "many": what columns of classes hold ("one_hot" or
"probabilities"), "k": labels of a ranked row}.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

Spec = Dict[str, Any]


def bare(name: str) -> str:
    """A name without case, spaces, signs and accents."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", name).casefold())


def class_of_columns(columns: Sequence[str], classes: Sequence[str]) -> List[int]:
    """The class of each column, by name, spelled otherwise or by number; -1 for a column of a class that is not there,
    where all that are have one. ValueError for other columns.
    """
    every = list(range(len(classes)))
    for spelled in (str, bare):
        places = {spelled(name): place for place, name in enumerate(classes)}
        found = [places.get(spelled(column), -1) for column in columns]
        if len(places) == len(classes) and sorted(place for place in found if place >= 0) == every:
            return found
    ends = [re.search(r"\d+$", column) for column in columns]
    numbers = [int(end.group()) for end in ends if end]
    for first in (0, 1):
        if len(numbers) == len(columns) and sorted(number - first for number in numbers) == every:
            return [number - first for number in numbers]
    missing = [name for name in classes if name not in columns]
    more = [name for name in columns if name not in classes]
    raise ValueError(
        f"the sample must have a column for each of the {len(classes)} classes, but has {len(columns)}"
        + (f"; no column for {', '.join(missing[:3])}" if missing else "")
        + (f"; no class for {', '.join(more[:3])}" if more else "")
        + ". Name the classes in the contest file as the sample does"
    )


def spelled(values: Sequence[str], classes: Sequence[str]) -> List[str]:
    """Each class as the sample's labels are spelled.

    By name where `values` are names. Numbers are the classes' names where these are numbers too, as the training
    labels are, unless several of them can only be places from 0; else they are places, from 1 where one of them is the
    number of classes.
    """
    words = {word for value in values for word in [value, *value.split(" ")]}
    if words & set(classes):
        return list(classes)
    places = [str(number) for number in range(len(classes))]
    named, shown = _numbers(classes), _numbers(sorted(set(values)))
    if named is not None:
        if shown and set(shown) <= set(named):
            return [str(number) for number in named]
        return places if shown and len(shown) > 1 and set(shown) <= set(range(len(classes))) else list(classes)
    if shown:
        from_one = min(shown) == 1 and max(shown) == len(classes)
        return [str(number) for number in range(1, len(classes) + 1)] if from_one else places
    if not values:
        return places
    known = {bare(word): word for word in sorted(words)}
    return [known.get(bare(name), name) for name in classes]


def numeric(names: Sequence[str]) -> bool:
    """Whether all names are whole numbers, in any spelling, and all different."""
    return _numbers(names) is not None


def _numbers(names: Sequence[str]) -> Optional[List[int]]:
    """Whole numbers in any spelling, 1, 01 or 1.0; None where one is none, or two are alike."""
    found = []
    for name in names:
        if not re.match(r"-?\d+(\.0*)?$", name):
            return None
        found.append(int(name.partition(".")[0]))
    return found if len(set(found)) == len(found) else None


def filled(columns: Sequence[str], predictions: np.ndarray, spec: Spec) -> Dict[str, List[Any]]:
    """What each column holds of predictions: labels (N,) int, or probabilities (N, C), which give labels too."""
    holds, names = spec["one" if len(columns) == 1 else "many"], spec["names"]
    labels = predictions if predictions.ndim == 1 else predictions.argmax(axis=1)
    if holds == "label":
        return {columns[0]: [names[label] for label in labels]}
    if holds == "probability":
        return {columns[0]: predictions[:, 1].astype(np.float64).tolist()}
    if holds == "ranked":
        order = np.argsort(-predictions, axis=1, kind="stable")[:, : spec["k"]]
        return {columns[0]: [" ".join(names[label] for label in row) for row in order]}
    places = class_of_columns(columns, spec["classes"])
    if holds == "one_hot":
        return {name: (labels == label).astype(np.int64).tolist() for name, label in zip(columns, places)}
    # In float64, to the last digit: scoring programs warn of, or refuse, rows whose sum is 1 in float32 alone.
    whole = predictions.astype(np.float64) / predictions.astype(np.float64).sum(axis=1, keepdims=True)
    whole = np.concatenate([whole, np.zeros((len(whole), 1))], axis=1)  # the last, -1, for a class that is not there
    return {name: whole[:, label].tolist() for name, label in zip(columns, places)}
