"""Greedy selection with replacement: add, again and again, the member that helps the mean most.

Caruana et al. (2004), "Ensemble selection from libraries of models", with its three guards against
overfitting: sorted initialisation, bags, and the round at which the bag was best. The log loss of a mean only
needs every member's probability of the true class, and a label only changes where the margin is thinner than
one more vote; both make a round a few passes over small arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.ensemble.kinds.combine import Combiner, weighted
from kit.ensemble.kinds.greedy_loss import Objective, objective
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.ranking import affordable


@dataclass(frozen=True)
class Greedy:
    """Bagged greedy selection of the pool's members.

    by_metric: lower the contest's metric instead of the log loss. rounds: votes a bag hands out. Each of
    `bags` sees half of the rows (at most 12,000) and, of large pools, half of the members.
    """

    name: str = "greedy"
    by_metric: bool = False
    rounds: int = 40
    bags: int = 20
    seed: int = 0
    complexity: int = 2

    def fit(self, pool: Pool) -> Combiner:
        """Weights are the shares of votes over all bags."""
        members = affordable(pool)
        proba, labels, _ = pool.members(members).fitting()
        metric = pool.metric if self.by_metric else "log_loss"
        return weighted(members, bagged(proba, labels, metric, self.rounds, self.bags, self.seed))


def bagged(
    proba: np.ndarray,
    labels: np.ndarray,
    metric: str = "log_loss",
    rounds: int = 40,
    bags: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """Weights (M,) summing to 1 for proba (M, R, C) and labels (R,); bags=1 uses all rows and members.

    metric: any name of the registry.
    """
    rng = np.random.default_rng(seed)
    state = objective(metric, proba, labels)
    size, rows = len(proba), len(labels)
    weights = np.zeros(size)
    for _ in range(bags):
        if bags == 1:
            weights += shares(select(state, rounds))
            continue
        chosen = np.sort(rng.permutation(size)[: max(min(size, SMALL_POOL), size // 2)])
        kept = np.sort(rng.permutation(rows)[: max(1, min(rows // 2, MOST_ROWS))])
        weights[chosen] += shares(select(state.part(chosen, kept), rounds))
    return weights / bags


SMALL_POOL = 10
"""Pools up to this size enter every bag whole: half of five members is no ensemble."""

MOST_ROWS = 12_000
"""Rows a bag sees at most; the bags together see more."""

START = 5
"""Most members that sorted initialisation puts in."""

PATIENCE = 12
"""Rounds without a better loss after which a bag stops."""


def shares(votes: np.ndarray) -> np.ndarray:
    """Votes (M,) as shares that sum to 1."""
    return votes / votes.sum()


def select(state: Objective, rounds: int, start: int = START) -> np.ndarray:
    """Votes (M,) int of one bag at the round where its loss was least; ties go to the earlier member."""
    votes, best = sorted_start(state, min(start, rounds))
    best_votes, since = votes.copy(), 0
    while votes.sum() < rounds and since < PATIENCE:
        losses = state.losses()
        pick = int(losses.argmin())
        state.add(pick)
        votes[pick] += 1
        since += 1
        if losses[pick] < best - 1e-9:
            best, best_votes, since = float(losses[pick]), votes.copy(), 0
    return best_votes


def sorted_start(state: Objective, most: int) -> tuple[np.ndarray, float]:
    """The best 1, 2, ... `most` members by their own loss, whichever number blends best: votes (M,), loss."""
    order = np.argsort(state.losses(), kind="stable")[:most]
    found = []
    for member in order:
        found.append(float(state.losses()[member]))
        state.add(int(member))
    votes = np.zeros(state.size, dtype=np.int64)
    votes[order[: int(np.argmin(found)) + 1]] = 1
    state.reset(votes)
    return votes, min(found)
