"""What a submission predicted: results by call, and the arrays that it returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.array_file import BROKEN, load_arrays
from kit.rehearsal.checks import Check, Surroundings, explain, failed, judge
from kit.rehearsal.leftovers import read_json
from kit.rehearsal.prediction_checks import places_of

LABELS_AGREE = 0.999
"""Share of labels that must be the same; rounding turns the few that lie between two classes."""

ADAPTED_AGREE = 0.9
"""The same where networks adapt to the images of a call: other company then changes some labels, as it should."""


@dataclass(frozen=True)
class Predictions:
    """What the driver wrote into `folder`."""

    results: Mapping[str, Mapping[str, Any]]
    folder: Path
    around: Surroundings
    agree: float = LABELS_AGREE
    """LABELS_AGREE or ADAPTED_AGREE."""
    probabilities: bool = False
    """Whether the class returns probabilities."""
    values: tuple[int, ...] | None = None
    """The labels of the classes, where they are other numbers than their places."""

    def array(self, name: str) -> np.ndarray | None:
        """The places of the classes that a call predicted, of probabilities the likeliest; None without a result."""
        found = self.raw(name)
        if found is None or not (self.probabilities or self.values):
            return found
        if not self.probabilities:
            return places_of(found, self.values or ())
        return found.argmax(axis=1) if found.ndim == 2 and found.shape[1] else found

    def raw(self, name: str) -> np.ndarray | None:
        """The result of a call as it was returned, or None where there is none."""
        try:
            found = load_arrays(self.folder / f"{name}.npy")
        except BROKEN:
            return None
        return found if isinstance(found, np.ndarray) else None

    def labels(self, name: str) -> np.ndarray:
        """The result of a call that is known to have one."""
        found = self.array(name)
        assert found is not None, name
        return found

    def error(self, name: str) -> tuple[str, str] | None:
        """Name and meaning of the error that a call ended in."""
        result = self.results.get(name, {"error": "Died", "message": "the process ended before"})
        return explain(result, self.around) if "error" in result else None

    def same(self, name: str, title: str, wanted: np.ndarray, wrong: str) -> Check:
        """Whether a call's labels are `wanted` (n,), but for the few that `agree` allows."""
        problem = self.error(name)
        if problem:
            return failed(title, problem[0], f"{problem[1]} ({wrong})")
        labels = self.array(name)
        if labels is None or labels.shape != wanted.shape:
            return failed(title, f"shape {None if labels is None else labels.shape}", wrong)
        alike = int((labels == wanted).sum())
        figure = f"{alike:,} of {len(wanted):,} labels agree"
        return judge(title, alike >= self.agree * len(wanted), figure, wrong, "a score by chance")


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The driver's results.json; empty where there is none, or the submission spoilt it."""
    results = read_json(folder / "results.json")
    if not isinstance(results, dict):
        return {}
    return {name: value for name, value in results.items() if isinstance(value, dict)}
