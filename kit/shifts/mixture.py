"""Family mixture: two to four operators of different families in one image, as contests hide their tests.

A part's strength is a share of its operator's whole range, as augmentation libraries (and so most contests) draw
it: up to the mixture's own strength, and at least half of it. One operator alone is a cell of its own.
"""

from __future__ import annotations

import numpy as np

from kit.shifts.draws import Image
from kit.shifts.operators import OPERATORS, Operator, members
from kit.shifts.strengths import RANGES

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

_SHARES = np.array(list(FAMILY_WEIGHT.values())) / sum(FAMILY_WEIGHT.values())


def drawn_parts(count: int, rng: np.random.Generator) -> list[tuple[str, float]]:
    """`count` operators of different families, first applied first, each with its share of the strength."""
    families = rng.choice(len(_SHARES), count, replace=False, p=_SHARES)
    pools = [members(list(FAMILY_WEIGHT)[family]) for family in families]
    return [(pool[int(rng.integers(len(pool)))], rng.uniform(0.5, 1.0)) for pool in pools]


def _mixture(count: int) -> Operator:
    def mixed(image: Image, strength: float, rng: np.random.Generator) -> Image:
        for name, share in drawn_parts(count, rng):
            none, limit = RANGES[name]
            own = np.random.Generator(np.random.Philox(key=int(rng.integers(2**63))))
            image = OPERATORS[name](image, none + (limit - none) * share * strength, own)
        return image

    return mixed


MIXTURES = {name: _mixture(count) for name, count in PARTS.items()}
"""Mixtures as operators; their strength is the largest share of its range that a part can reach."""
