"""`auto`: the simplest kind within one standard error of the best, if it does not lose on the other score.

Equal weights win ties. A lone network is not on offer: averaging fits no number, so it is as simple, and
safer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.ensemble.kinds.registry import FITTED, kind
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import Kind, Nested, difference, evaluate

BAR = "best5"
"""What every other kind is measured against."""


@dataclass(frozen=True)
class Compared:
    """A kind beside the bar: gaps on the selection score and on the other, with paired standard errors."""

    found: Nested
    gap: float
    gap_se: float
    other_gap: float
    other_se: float

    @property
    def loses(self) -> bool:
        """Worse than the bar, by more than one standard error, on the score that was not selected by."""
        return self.other_gap + self.other_se < 0


def candidates(pool: Pool) -> list[Kind]:
    """The bar, and every other kind that makes a different ensemble of this pool."""
    size = len(pool.names)
    names = [BAR, *(f"best{k}" for k in (3, 8) if k < size), "all" if size > 5 else "", "geometric5"]
    fitted = [name for name in FITTED if name != "greedy-metric" or pool.metric != "log_loss"]  # greedy is that already
    return [kind(name) for name in [*filter(None, names), *fitted]]


def compare(pool: Pool, kinds: Sequence[Kind] | None = None) -> list[Compared]:
    """Kinds, nested, beside the bar, which is the first of them; all candidates where none are given."""
    return beside([evaluate(one, pool) for one in (kinds or candidates(pool))], pool)


def beside(found: Sequence[Nested], pool: Pool) -> list[Compared]:
    """Each of `found` measured against the first."""
    other = "clean" if pool.expects == "shifted" else "shifted"
    return [
        Compared(
            one,
            *difference(one.proba, found[0].proba, pool, pool.expects),
            *difference(one.proba, found[0].proba, pool, other),
        )
        for one in found
    ]


def choose(compared: Sequence[Compared], pool: Pool) -> Nested:
    """The simplest kind within one paired standard error of the best, of those that do not lose."""
    fair = [one.found for one in compared if not one.loses]
    best = max(fair, key=lambda one: one.nested.gain(pool.expects))
    close = [one for one in fair if _within(one, best, pool)]
    return min(close, key=lambda one: (one.kind.complexity, len(one.combiner.members), one.kind.name))


def _within(one: Nested, best: Nested, pool: Pool) -> bool:
    gap, error = difference(best.proba, one.proba, pool, pool.expects)
    return gap <= error


def auto(pool: Pool, compared: Sequence[Compared] | None = None) -> Nested:
    """The chosen kind; its nested predictions repeat the choice fold by fold, so that choosing is paid
    for.
    """
    compared = compare(pool) if compared is None else compared
    chosen = choose(compared, pool)
    proba = np.empty_like(chosen.proba)
    for fold in np.unique(pool.folds):
        held = pool.folds == fold
        rest = pool.rows(~held)
        cut = [
            replace(one.found, proba=one.found.proba[~held], nested=rest.score(one.found.proba[~held]))
            for one in compared
        ]
        name = choose(beside(cut, rest), rest).kind.name
        proba[held] = next(one.found.proba[held] for one in compared if one.found.kind.name == name)
    return replace(chosen, proba=proba, nested=pool.score(proba))
