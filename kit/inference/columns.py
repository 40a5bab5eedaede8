"""The columns of a file of predictions: which class each is of, and what they hold.

Imports numpy alone, because it travels to platforms where a notebook writes the file. Syntax: Python 3.7. A
spec is a dict {"classes": names of the classes, "names": their spelling as labels, "one": what a single
column holds ("label", "probability" or "ranked"), "many": what columns of classes hold ("one_hot" or
"probabilities"), "k": labels of a ranked row}.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence

import numpy as np

Spec = Dict[str, Any]


def bare(name: str) -> str:
    """A name without case, spaces and signs."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def class_of_columns(columns: Sequence[str], classes: Sequence[str]) -> List[int]:
    """The class of each column, by name, spelled otherwise or by number; ValueError for other columns."""
    every = list(range(len(classes)))
    for spelled in (str, bare):
        places = {spelled(name): place for place, name in enumerate(classes)}
        found = [places.get(spelled(column), -1) for column in columns]
        if len(places) == len(classes) and sorted(found) == every:
            return found
    ends = [re.search(r"\d+$", column) for column in columns]
    numbers = [int(end.group()) for end in ends if end]
    for first in (0, 1):
        if sorted(number - first for number in numbers) == every:
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
    """Each class as the sample's labels are spelled: by name where one of `values` holds a name, else by number."""
    words = {word for value in values for word in [value, *value.split(" ")]}
    return list(classes) if words & set(classes) else [str(number) for number in range(len(classes))]


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
    return {name: whole[:, label].tolist() for name, label in zip(columns, places)}
