"""What networks lose by eight bits, and how much they may."""

from __future__ import annotations

from dataclasses import dataclass

from kit.metrics.registry import get_metric

MAY_LOSE = 0.003
"""How much worse the contest's metric may become on held-out rows."""


@dataclass(frozen=True)
class Loss:
    """What eight bits did to a recipe's held-out predictions."""

    rows: int
    agree: float
    lost: float
    """How much worse the contest's metric is after, on these rows."""
    metric: str = "accuracy"

    @property
    def holds(self) -> bool:
        """Whether it may be shipped."""
        return self.lost <= MAY_LOSE

    def __str__(self) -> str:
        name = get_metric(self.metric).title
        change = f"{self.lost:.4f} worse" if self.lost > 0 else f"{-self.lost:.4f} better"
        verdict = "taken" if self.holds else f"refused: more than {MAY_LOSE:g} lost"
        return f"{self.agree:.2%} of {self.rows:,} held-out labels agree, {name} {change}, {verdict}"
