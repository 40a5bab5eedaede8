"""Family mixture: two to four operators of different families in one picture, as contests hide their tests.

A mixture's severity is that of its parts: each part draws its own from one below to one above. So a mixture
of four damages more than one of two at the same severity, and every part alone is a cell of the battery.
"""

from __future__ import annotations

import numpy as np

from kit.shifts.draws import generator
from kit.shifts.operators import members
from kit.shifts.strengths import SEVERITIES

FAMILY = "mixture"
PARTS = {"mixture.two": 2, "mixture.three": 3, "mixture.four": 4}

FAMILY_WEIGHT = {
    "geometry": 3.0,
    "tone": 2.0,
    "colour": 2.0,
    "illumination": 2.0,
    "occlusion": 1.5,
    "blur": 1.0,
    "noise": 1.0,
    "compression": 0.5,
    "resolution": 0.5,
}
"""How often a family takes part: about as often as in the operator lists that contests draw from (five of the
fourteen operators of RandAugment, Cubuk et al. 2019, are geometry, four tone; keras-cv and albumentations are
alike)."""


def parts(operator: str, severity: int, row: str, seed: int) -> tuple[tuple[str, int], ...]:
    """(operator, severity) of every part of mixture `operator` on row `row`, first applied first."""
    rng = generator(seed, row, operator)
    weight = np.array(list(FAMILY_WEIGHT.values()))
    chosen = rng.choice(list(FAMILY_WEIGHT), PARTS[operator], replace=False, p=weight / weight.sum())
    drawn = []
    for family in chosen:
        names = members(str(family))
        name = names[int(rng.integers(len(names)))]
        drawn.append((name, int(np.clip(severity + rng.integers(-1, 2), SEVERITIES[0], SEVERITIES[-1]))))
    return tuple(drawn)
