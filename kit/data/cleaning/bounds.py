"""How much a rule may drop by itself: above that it only lists what it suspects, and a person decides.

What the pixels prove is counted in images: 1,600 identical copies of one image are one image lost. Suspicions are
counted in rows: 40 rows that are all black alike are 40 labels lost.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from kit.data.cleaning.decisions import Verdicts

CLASS_SHARE = 0.05
"""Largest share of a class's images that is dropped; of what is only suspected, `max_share` where that is less."""
FEW = 2
"""Images of a class that suspicions may drop all the same, within that share."""
ACCEPTED = "accepted by --accept"
"""Evidence of rows that go because a person said so."""
KEPT = "kept, since "


@dataclass(frozen=True)
class Charge:
    """What one rule holds against rows."""

    reason: str
    rows: np.ndarray
    """(M,) int64."""
    evidence: np.ndarray
    """(M,) object, str."""
    asks: bool = False
    """Whether the rule never drops by itself."""
    proved: bool = False
    """Whether the pixels prove it: such rules are bounded each by itself, all suspicions together."""


class Bounds:
    """Applies charges, each as a whole or not at all."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        names: tuple[str, ...],
        max_share: float,
        accepted: Collection[str],
    ) -> None:
        """images (N,) int64 are equal for rows that show the same one; `accepted` are reasons that may drop all."""
        self.images, self.labels, self.names = images, labels, names
        self.max_share, self.accepted = max_share, accepted
        self.gone = np.zeros(len(images), bool)

    def apply(self, charge: Charge, verdicts: Verdicts) -> None:
        """Drop the rows of `charge`, or keep all of them with the reason why in their evidence."""
        fresh = ~verdicts.drop[charge.rows]
        rows, evidence = charge.rows[fresh], charge.evidence[fresh]
        if not len(rows):
            return
        over = "its rows are for a person to judge" if charge.asks else self._over(rows, charge.proved)
        if charge.reason in self.accepted:
            evidence, drop = np.array([f"{text}; {ACCEPTED}" for text in evidence], dtype=object), True
        elif over:
            evidence, drop = np.array([f"{text}; {KEPT}{over}" for text in evidence], dtype=object), False
        else:
            drop = True
            self.gone[rows] |= not charge.proved
        verdicts.against(rows, charge.reason, evidence, drop=drop)

    def _over(self, rows: np.ndarray, alone: bool) -> str:
        """Which bound would be broken; empty where none is. Unless `alone`, what suspicions dropped counts as well."""
        gone = np.zeros_like(self.gone) if alone else self.gone.copy()
        gone[rows] = True
        counted = self.images if alone else np.arange(len(self.gone))
        lost, given = len(np.unique(counted[gone])), len(np.unique(counted))
        if lost > self.max_share * given:
            return f"{lost:,} of {given:,} images would go (over [clean] max_share = {self.max_share:g})"
        of_class, by_class = (self._of_classes(counted, mask) for mask in (np.ones_like(gone), gone))
        allowed = CLASS_SHARE * of_class
        if not alone:
            allowed = np.minimum(allowed, np.maximum(self.max_share * of_class, FEW))
        worst = int(np.argmax((by_class - allowed) / np.maximum(of_class, 1)))
        if by_class[worst] > allowed[worst]:
            return (
                f"{by_class[worst]:,} of {of_class[worst]:,} images of class {self.names[worst]!r} would go "
                f"(over {allowed[worst] / of_class[worst]:.0%})"
            )
        return ""

    def _of_classes(self, counted: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(C,) int64: how many of what is `counted` (N,) each class has among the rows of a mask (N,)."""
        pairs = np.unique(np.stack([self.labels[rows], counted[rows]]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.names))
