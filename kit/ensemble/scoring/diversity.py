"""How differently members fail: what an ensemble can gain at most (Kuncheva & Whitaker, 2003)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.ensemble.pool import Pool


@dataclass(frozen=True)
class Diversity:
    """Over pairs of members, on the rows that selection looks at.

    correlation, double_fault: (M, M). correlation is that of the errors (phi; 0 where a member makes none),
    double_fault the share of rows that both get wrong. oracle: share of rows that at least one gets right.
    """

    names: tuple[str, ...]
    correlation: np.ndarray
    double_fault: np.ndarray
    oracle: float

    def row(self, member: int) -> tuple[float, float]:
        """Mean error correlation and double fault of a member with the others; zeros where it is alone."""
        others = [m for m in range(len(self.names)) if m != member]
        if not others:
            return 0.0, 0.0
        return float(self.correlation[member, others].mean()), float(self.double_fault[member, others].mean())


def diversity(pool: Pool) -> Diversity:
    """Diversity of all of a pool's members."""
    first = 0 if pool.expects == "clean" or pool.proba.shape[2] == 1 else 1
    seen = pool.proba[:, :, first : None if first else 1]
    wrong = (seen.argmax(axis=-1) != pool.labels[None, :, None]).reshape(len(seen), -1).astype(np.float64)
    both = wrong @ wrong.T / wrong.shape[1]
    rate = wrong.mean(axis=1)
    spread = np.sqrt(rate * (1 - rate))
    scale = np.outer(spread, spread)
    correlation = np.divide(both - np.outer(rate, rate), scale, out=np.zeros_like(both), where=scale > 0)
    return Diversity(pool.names, correlation, both, float(1 - wrong.all(axis=0).mean()))
