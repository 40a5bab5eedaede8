"""A metric of the user's own: a function of labels and probabilities in a Python file."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.errors import ConfigError
from kit.metrics.metric import Metric

CALLED = (
    "It is called with labels (N,) and probabilities (N, C), also of parts of the rows, in which a class may be missing"
)
BLOCKS = 20
"""Parts of the images that are left out one after the other to see how far the score moves."""


@dataclass(frozen=True)
class OwnMetric(Metric):
    """`function(labels, probabilities)` -> float; it may take `sample_weight`.

    Nothing is known of how it comes to its score, so its values are those of a jackknife over blocks of images:
    their mean is the score, their spread its standard error.
    """

    function: Callable[..., Any] = lambda labels, proba: 0.0

    def row_values(self, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Values (N, ...), alike for all views of an image."""
        shape = proba.shape[:-1]
        whole = self._call(labels, proba, weights)
        blocks = np.array_split(np.random.default_rng(0).permutation(len(labels)), min(BLOCKS, len(labels)))
        if len(blocks) < 2:
            return np.full(shape, whole)
        kept = [np.setdiff1d(np.arange(len(labels)), block) for block in blocks]
        without = np.array([self._call(labels[k], proba[k], None if weights is None else weights[k]) for k in kept])
        moved = (len(blocks) - 1) * (without.mean() - without)
        values = np.empty(shape)
        for block, change in zip(blocks, moved):
            values[block] = change * len(block) ** 0.5  # one image's share of the block's, as if it varied alone
        values += whole - (values.mean() if weights is None else (weights * values).mean())
        return values

    def score(self, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray | None = None) -> float:
        """The function's own value."""
        return self._call(labels, proba, weights)

    def _call(self, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray | None) -> float:
        repeated, flat = np.repeat(labels, int(np.prod(proba.shape[1:-1]))), proba.reshape(-1, proba.shape[-1])
        more: dict[str, Any] = {}
        if weights is not None and "sample_weight" in inspect.signature(self.function).parameters:
            more = {"sample_weight": weights.reshape(-1)}
        elif weights is not None:  # rows drawn as often as they weigh, evenly spaced
            places = np.cumsum(weights.reshape(-1)) / weights.sum()
            rows = np.searchsorted(places, (np.arange(len(repeated)) + 0.5) / len(repeated))
            repeated, flat = repeated[rows], flat[rows]
        try:
            found = self.function(repeated, flat, **more)
        except Exception as error:  # whatever a user's function raises
            raise ConfigError(f"metric {self.name!r} fails ({type(error).__name__}: {error}). {CALLED}") from error
        return self._checked(found)

    def _checked(self, found: Any) -> float:
        try:
            value = float(found)
        except (TypeError, ValueError):
            value = float("nan")
        if not np.isfinite(value):
            raise ConfigError(
                f"metric {self.name!r} must return a finite number, but returned {found!r}. {CALLED}"
            )
        return value


@functools.cache
def load_own(name: str) -> OwnMetric:
    """The metric "file.py:function"; ConfigError where the file or the function is missing, or its direction."""
    path, _, function_name = name.rpartition(":")
    spec = importlib.util.spec_from_file_location(f"own_metric_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise ConfigError(f"metric {name!r}: there is no file {path!r}. Write it as \"my_metric.py:score\"")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"metric {name!r}: {path} fails ({type(error).__name__}: {error}). Fix the file") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"metric {name!r}: {path} has no function {function_name!r}. Define it, or name another")
    greater = getattr(function, "greater_is_better", None)
    if not isinstance(greater, bool):
        raise ConfigError(
            f"metric {name!r} must say which way is better, but greater_is_better is {greater!r}. Add the line "
            f"`{function_name}.greater_is_better = True` (False for a loss) below the function"
        )
    title, unbounded = function_name.replace("_", " "), (None, None)
    return OwnMetric(
        name, title, _unused, greater, *unbounded, takes="probabilities", by_row=False, function=function
    )


def _unused(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    raise AssertionError("values of the user's own metric come from a jackknife")
