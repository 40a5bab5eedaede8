"""Members in the order of the selection score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scores import Score

if TYPE_CHECKING:
    from kit.oof import OofRun

ROWS_A_WEIGHT = 50
"""Fewest rows for every fitted number: on fewer, fitted combiners look half a point better than they are."""


def ranked(pool: Pool) -> tuple[int, ...]:
    """Places of all members, best first; ties go to the lower log loss, then to the name."""
    scores = pool.member_scores()
    return tuple(sorted(range(len(scores)), key=lambda m: (*_key(scores[m], pool.expects), pool.names[m])))


def _key(found: Score, expects: str) -> tuple[float, float]:
    loss = found.shifted_log_loss if expects == "shifted" and found.shifted_log_loss is not None else found.log_loss
    return -found.selection(expects), loss


def select_members(runs: Sequence[OofRun], k: int, expects: str = "shifted", metric: str = "accuracy") -> list[OofRun]:
    """The k best runs by the selection score, best first; all where there are fewer."""
    pool = make_pool(runs, expects, metric, temperature=False)
    return [runs[m] for m in ranked(pool)[:k]]


def affordable(pool: Pool, numbers_a_member: int = 1) -> tuple[int, ...]:
    """The best members, no more than the rows can pay for when each brings so many numbers to fit.

    Counted on the whole pool's rows, so that a nested score is that of an ensemble of the same size.
    """
    rows = pool.whole or len(pool.labels)
    return ranked(pool)[: max(2, rows // (ROWS_A_WEIGHT * numbers_a_member))]
