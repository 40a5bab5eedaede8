"""The embedded practice contest: drawn blood cells, a training set with planted flaws, a shifted hidden test.

Nothing is downloaded and no real image is used. The same seed gives the same contest; training set,
development phase and final phase never share a cell.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from kit.data.practice.brush import SIDE
from kit.data.practice.cells import draw_cells
from kit.data.practice.forms import FORMS, shifted_as
from kit.data.practice.planted import Planted, draw_plan, junk_images
from kit.data.practice.traits import CLASS_NAMES, draw_labels, draw_traits
from kit.errors import DataError

Phase = Literal["development", "final"]
_PHASES = ("development", "final")
_PLAN, _CELLS, _HIDDEN, _SHIFT = range(4)


def training_set(seed: int = 2024) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """What the contest hands out: images (2000, 48, 48, 3) uint8 RGB, labels (2000,) int64, class names."""
    images, labels = _training_set(seed)
    return images.copy(), labels.copy(), CLASS_NAMES


@lru_cache(maxsize=1)
def _training_set(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Drawn once a process: it takes seconds."""
    plan = planted(seed)
    cells = _drawn(plan.cells(), np.random.default_rng([seed, _CELLS]))
    junk = junk_images(SIDE)
    # Numbers -1 and -2 of the plan index the junk images from the end.
    return np.concatenate([cells, junk[::-1]])[plan.image], plan.labels


def planted(seed: int = 2024) -> Planted:
    """Which of the training rows are junk, duplicates or wrongly labelled: the truth for tests."""
    return draw_plan(np.random.default_rng([seed, _PLAN]))


def hidden_test(
    seed: int = 2024,
    n: int = 1_000,
    phase: Phase = "development",
    mixture_seed: int = 2024,
    strength: float = 1.0,
    form: str = "contest",
) -> tuple[np.ndarray, np.ndarray]:
    """The hidden images (n, 48, 48, 3) uint8 RGB and their labels (n,) int64.

    Cells are drawn as in the training set, then shifted by the mixture of `mixture_seed`: another one is
    another organiser's choice of operators over the same cells. `strength` 1.0 is a contest's; 0 leaves the
    cells clean. `form` is one of `kit.data.practice.forms.FORMS`; the cells of all forms are the same.
    DataError for an unknown phase or form, no images or a negative strength.
    """
    if phase not in _PHASES:
        raise DataError(f"phase must be one of {', '.join(_PHASES)}, but is {phase!r}. Choose one of them.")
    if form not in FORMS:
        raise DataError(f"form must be one of {', '.join(FORMS)}, but is {form!r}. Choose one of them.")
    if n < 1 or strength < 0:
        raise DataError(
            f"a hidden test needs n >= 1 and strength >= 0, but n is {n} and strength {strength}. "
            "Fix the values."
        )
    key = [seed, _PHASES.index(phase)]
    cells = np.random.default_rng([*key, _HIDDEN])
    labels = draw_labels(n, cells)
    images = _drawn(labels, cells)
    if strength > 0:
        shift = np.random.default_rng([*key, _SHIFT, mixture_seed])
        images = shifted_as(form, images, strength, mixture_seed, shift)
    return images, labels


def _drawn(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return draw_cells(draw_traits(labels, rng), draw_traits(rng.permutation(labels), rng), rng)
