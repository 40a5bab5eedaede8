"""Ensembles under a platform's limits, and what each limit costs in accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import Kind
from kit.ensemble.scoring.scores import FLOOR
from kit.errors import EnsembleError

FREE = 1e-9
"""What nothing costs, so that it can be divided by."""


@dataclass(frozen=True)
class Cost:
    """What a member takes, all folds and views: measured seconds, and megabytes in the zip."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Budget:
    """Limits on an ensemble; None is none."""

    max_seconds: float | None = None
    max_mb: float | None = None
    max_members: int | None = None

    def holds(self, costs: list[Cost]) -> bool:
        """Whether members of these costs fit together."""
        return (
            (self.max_seconds is None or sum(cost.seconds for cost in costs) <= self.max_seconds)
            and (self.max_mb is None or sum(cost.megabytes for cost in costs) <= self.max_mb)
            and (self.max_members is None or len(costs) <= self.max_members)
        )

    def share(self, cost: Cost) -> float:
        """The share of the tightest limit that a member takes; in seconds where there is no limit."""
        shares = [
            cost.seconds / self.max_seconds if self.max_seconds else 0.0,
            cost.megabytes / self.max_mb if self.max_mb else 0.0,
            1.0 / self.max_members if self.max_members else 0.0,
        ]
        return max(*shares, 0.0 if any(shares) else cost.seconds, FREE)


@dataclass(frozen=True)
class Thrifty:
    """Another kind over the members that a budget affords."""

    inner: Kind
    costs: Mapping[str, Cost]
    budget: Budget

    @property
    def name(self) -> str:
        """The inner kind's."""
        return self.inner.name

    @property
    def complexity(self) -> int:
        """The inner kind's: a budget fits no numbers."""
        return self.inner.complexity

    def fit(self, pool: Pool) -> Combiner:
        """The inner kind on all members where what it takes fits, else on those that a budget buys best."""
        combiner = self.inner.fit(pool)
        if self.budget.holds([self.costs[pool.names[m]] for m in combiner.members]):
            return combiner
        kept = tuple(purchase(pool, self.costs, self.budget))
        return self.inner.fit(pool.members(kept)).on(kept)


def check_costs(pool: Pool, costs: Mapping[str, Cost], budget: Budget) -> None:
    """EnsembleError where a member's cost is unknown, or none fits the budget."""
    unknown = [name for name in pool.names if name not in costs]
    if unknown:
        raise EnsembleError(f"{unknown[0]}: seconds and bytes are not measured. Measure it: kit train {unknown[0]}")
    if not any(budget.holds([costs[name]]) for name in pool.names):
        cheapest = min(pool.names, key=lambda name: budget.share(costs[name]))
        cost = costs[cheapest]
        raise EnsembleError(
            f"the budget must hold at least one member, but the cheapest, {cheapest}, takes {cost.seconds:.1f} s and "
            f"{cost.megabytes:.1f} MB. Raise the limit or train a smaller network"
        )


def purchase(pool: Pool, costs: Mapping[str, Cost], budget: Budget) -> list[int]:
    """Members bought one by one while any fits, by loss saved or saved per cost, whichever ends lower.

    The two greedy rules together are never far from the best affordable set (Khuller et al., 1999).
    """
    paths = [buy(pool, costs, budget, per_cost) for per_cost in (False, True)]
    return min(paths, key=lambda path: path[1])[0]


def buy(
    pool: Pool, costs: Mapping[str, Cost], budget: Budget, per_cost: bool, to_the_end: bool = False
) -> tuple[list[int], float]:
    """Members in the order bought, and their mean's log loss; stops where none helps, or `to_the_end`."""
    proba, labels, _ = pool.fitting()
    picked = np.take_along_axis(proba, labels[None, :, None], axis=2)[:, :, 0]
    chosen: list[int] = []
    total, loss = np.zeros(len(labels)), float(np.log(proba.shape[2]))
    while True:
        fits = _affordable(pool.names, costs, budget, chosen)
        after = [_loss(total + picked[m], len(chosen) + 1) for m in fits]
        price = [budget.share(costs[pool.names[m]]) if per_cost else 1.0 for m in fits]
        gains = [(loss - value) / cost for value, cost in zip(after, price)]
        if not fits or (chosen and max(gains) <= 0 and not to_the_end):
            return chosen, loss
        best = int(np.argmax(gains))
        chosen.append(fits[best])
        total, loss = total + picked[fits[best]], after[best]


def _affordable(names: tuple[str, ...], costs: Mapping[str, Cost], budget: Budget, chosen: list[int]) -> list[int]:
    paid = [costs[names[m]] for m in chosen]
    return [m for m in range(len(names)) if m not in chosen and budget.holds([*paid, costs[names[m]]])]


def _loss(total: np.ndarray, count: int) -> float:
    return float(-np.log(np.maximum(total / count, FLOOR)).mean())
