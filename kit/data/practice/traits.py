"""What tells the drawn blood cells apart: one number a trait, with a mean a class and a spread about it.

The classes are a continuum, as they are under the microscope: some cells are drawn part of the way towards a
class that theirs is mistaken for, so that even a perfect reader is wrong now and then.
"""

from __future__ import annotations

import numpy as np

CLASS_NAMES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
CLASS_SHARES = np.array([0.085, 0.175, 0.095, 0.165, 0.085, 0.09, 0.18, 0.125])
"""How often each class occurs: the imbalance of a routine laboratory's archive."""

# Trait: means in the order of CLASS_NAMES, then the standard deviation within a class. Lengths are shares of
# half the image's side; colours are 0..255.
_TABLE: dict[str, tuple[float, ...]] = {
    "size": (0.64, 0.72, 0.54, 0.70, 0.51, 0.86, 0.68, 0.28, 0.050),
    "aspect": (1.08, 1.06, 1.08, 1.12, 1.08, 1.18, 1.08, 1.12, 0.060),
    "ragged": (0.045, 0.02, 0.035, 0.035, 0.06, 0.09, 0.03, 0.14, 0.012),
    "nucleus": (0.70, 0.52, 0.52, 0.62, 0.87, 0.68, 0.52, 0.55, 0.045),
    "bend": (0.70, 2.40, 0.05, 1.00, 0.30, 1.90, 3.40, 0.10, 0.320),
    "lobes": (1.50, 2.20, 1.00, 1.10, 1.00, 1.30, 3.30, 1.00, 0.350),
    "pinch": (0.20, 0.72, 0.00, 0.15, 0.02, 0.15, 0.62, 0.00, 0.070),
    "offset": (0.10, 0.10, 0.17, 0.20, 0.12, 0.14, 0.10, 0.05, 0.060),
    "nucleus_red": (82, 78, 58, 108, 70, 108, 74, 140, 7.0),
    "nucleus_green": (44, 46, 36, 58, 40, 64, 44, 92, 5.0),
    "nucleus_blue": (126, 126, 104, 140, 110, 138, 122, 152, 5.0),
    "nucleus_cover": (0.80, 1.00, 1.00, 0.96, 1.00, 0.96, 1.00, 0.55, 0.030),
    "chromatin": (0.30, 0.28, 0.24, 0.34, 0.16, 0.40, 0.26, 0.30, 0.050),
    "plasma_red": (162, 208, 142, 192, 136, 154, 226, 174, 8.0),
    "plasma_green": (112, 138, 138, 156, 124, 144, 188, 140, 7.0),
    "plasma_blue": (160, 150, 168, 188, 190, 190, 190, 172, 6.0),
    "grain": (0.72, 0.62, 0.06, 0.42, 0.05, 0.16, 0.26, 0.62, 0.070),
    "grain_size": (0.80, 0.55, 0.20, 0.40, 0.20, 0.20, 0.15, 0.50, 0.080),
    "grain_red": (70, 190, 130, 130, 120, 140, 186, 120, 7.0),
    "grain_green": (34, 84, 110, 78, 90, 110, 122, 66, 7.0),
    "grain_blue": (112, 92, 165, 150, 150, 165, 160, 138, 7.0),
    "grain_over": (0.75, 0.10, 0.00, 0.22, 0.00, 0.06, 0.05, 0.80, 0.040),
    "vacuoles": (0.20, 0.10, 0.05, 0.15, 0.10, 2.40, 0.10, 0.00, 0.300),
}

# Class: the classes it is mistaken for.
_NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "basophil": ("ig", "lymphocyte", "eosinophil"),
    "eosinophil": ("neutrophil", "basophil"),
    "erythroblast": ("lymphocyte", "ig"),
    "ig": ("monocyte", "neutrophil", "lymphocyte"),
    "lymphocyte": ("erythroblast", "monocyte", "ig"),
    "monocyte": ("ig", "lymphocyte"),
    "neutrophil": ("ig", "eosinophil"),
    "platelet": ("platelet",),
}
_BETWEEN = 0.22
"""Scale of how far cells lie on the way to a neighbour: half a normal curve; at one half nobody can tell."""

Traits = dict[str, float]


def draw_labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,) int64 in random order; the counts follow CLASS_SHARES exactly, up to rounding."""
    edges = np.round(np.cumsum(CLASS_SHARES / CLASS_SHARES.sum()) * n).astype(np.int64)
    labels = np.searchsorted(edges, np.arange(n), side="right")
    return rng.permutation(labels)


def draw_traits(labels: np.ndarray, rng: np.random.Generator) -> list[Traits]:
    """One `Traits` a label: the class mean, drawn towards a neighbour's, with the spread within."""
    table = np.array(list(_TABLE.values()))
    means, spreads = table[:, :-1].T, table[:, -1]
    towards = np.array([_neighbour(CLASS_NAMES[label], rng) for label in labels], dtype=np.int64)
    way = np.minimum(np.abs(rng.normal(0, _BETWEEN, len(labels))), 0.75)[:, None]
    values = means[labels] * (1 - way) + means[towards] * way
    values += rng.normal(0, 1, values.shape).clip(-2.5, 2.5) * spreads
    return [dict(zip(_TABLE, row, strict=True)) for row in np.maximum(values, 0).tolist()]


def _neighbour(name: str, rng: np.random.Generator) -> int:
    return CLASS_NAMES.index(str(rng.choice(_NEIGHBOURS[name])))
