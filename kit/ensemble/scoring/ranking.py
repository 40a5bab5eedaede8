"""Members in the order of the selection score."""

from __future__ import annotations

import numpy as np

from kit.ensemble.pool import Pool
from kit.ensemble.scoring.scores import Score, family_scores
from kit.metrics.registry import get_metric

ROWS_A_WEIGHT = 50
"""Fewest rows for every fitted number: on fewer, fitted combiners look half a point better than they are."""


def ranked(pool: Pool) -> tuple[int, ...]:
    """Places of all members, best first; ties go to the lower log loss, then to the name.

    Where the pool says who trained on which family, by the leave-family-out score; who trained on all comes
    last.
    """
    scores = pool.member_scores()
    values: list[float | None] = [found.gain(pool.expects) for found in scores]
    if pool.trained and pool.expects == "shifted":
        values = leave_family_out(pool)
    return tuple(sorted(range(len(scores)), key=lambda m: (*_key(values[m], scores[m], pool), pool.names[m])))


def _key(value: float | None, found: Score, pool: Pool) -> tuple[float, float]:
    loss = found.shifted_log_loss if pool.expects == "shifted" else None
    return np.inf if value is None else -value, found.log_loss if loss is None else loss


def leave_family_out(pool: Pool) -> list[float | None]:
    """Shifted gain of every member on the families that it did not train on; None where it did on all.

    Families differ in how hard they are, so a member is measured on each against all to whom it is new: the
    mean of those gaps, added to the mean level of such families.
    """
    by_member = [_by_family(pool, proba) for proba in pool.proba[:, :, 1:]]
    level = {}
    for family in by_member[0]:
        new = [scores[family] for scores, known in zip(by_member, pool.trained) if family not in known]
        if new:
            level[family] = float(np.mean(new))
    found: list[float | None] = []
    for scores, known in zip(by_member, pool.trained):
        gaps = [scores[family] - level[family] for family in level if family not in known]
        found.append(float(np.mean(gaps) + np.mean(list(level.values()))) if gaps else None)
    return found


def _by_family(pool: Pool, proba: np.ndarray) -> dict[str, float]:
    """The metric, so that larger is better, by family of proba (N, K, C)."""
    scores = family_scores(pool.metric, pool.labels, proba, pool.cells, pool.cell_names)
    return {family: get_metric(pool.metric).sign * value for family, value in scores.items()}


def affordable(pool: Pool, numbers_a_member: int = 1) -> tuple[int, ...]:
    """The best members, no more than the rows can pay for when each brings so many numbers to fit.

    Counted on the whole pool's rows, so that a nested score is that of an ensemble of the same size.
    """
    rows = pool.whole or len(pool.labels)
    return ranked(pool)[: max(2, rows // (ROWS_A_WEIGHT * numbers_a_member))]
