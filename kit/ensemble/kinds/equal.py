"""Equal weights: the bar that every fitted kind has to beat."""

from __future__ import annotations

from dataclasses import dataclass

from kit.ensemble.kinds.combine import Combiner, equal
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.ranking import ranked


@dataclass(frozen=True)
class Equal:
    """The `count` best (None: all), equally weighted: "mean" or "geometric"."""

    name: str
    merge: str = "mean"
    count: int | None = None
    complexity: int = 0

    def fit(self, pool: Pool) -> Combiner:
        """Ranks the members; nothing else is fitted."""
        return equal(self.merge, ranked(pool)[: self.count])
