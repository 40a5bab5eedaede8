"""The accuracy-cost front: what the next member brings, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.ensemble.blend import Blend
from kit.ensemble.budget import Budget, Cost, buy, check_costs
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import difference
from kit.ensemble.scoring.scores import Score
from kit.errors import EnsembleError


@dataclass(frozen=True)
class Point:
    """The plain mean of the first members in the order of loss saved per cost, nested.

    efficient: no cheaper point scores as much.
    """

    members: tuple[str, ...]
    seconds: float
    megabytes: float
    nested: Score
    efficient: bool
    proba: np.ndarray


def front(pool: Pool, costs: Mapping[str, Cost]) -> list[Point]:
    """A point a number of members, cheapest first; the order is found again without each fold's rows."""
    check_costs(pool, costs, Budget())
    order = _order(pool, costs)
    nested = _nested_means(pool, costs)
    points: list[Point] = []
    best = -np.inf
    for count in range(1, len(order) + 1):
        names = tuple(pool.names[m] for m in order[:count])
        found = pool.score(nested[count - 1])
        value = found.gain(pool.expects)
        points.append(_point(names, costs, found, value > best, nested[count - 1]))
        best = max(best, value)
    return points


def _order(pool: Pool, costs: Mapping[str, Cost]) -> list[int]:
    return buy(pool, costs, Budget(), per_cost=True, to_the_end=True)[0]


def _nested_means(pool: Pool, costs: Mapping[str, Cost]) -> np.ndarray:
    """Held-out means (M, N, 1 + K, C) of the first 1, 2, ... M members of each fold's own order."""
    out = np.empty(pool.proba.shape)
    counts = np.arange(1, len(out) + 1)[:, None, None, None]
    for fold in np.unique(pool.folds):
        held = pool.folds == fold
        order = _order(pool.rows(~held), costs)
        out[:, held] = np.cumsum(pool.proba[order][:, held], axis=0, dtype=np.float64) / counts
    return out


def pick(points: Sequence[Point], pool: Pool, costs: Mapping[str, Cost], budget: Budget) -> Point:
    """The cheapest point within one paired standard error of the best that the budget holds."""
    fits = [point for point in points if budget.holds([costs[name] for name in point.members])]
    if not fits:
        least = points[0]
        raise EnsembleError(
            f"the budget must hold {least.members[0]}, which takes {least.seconds:.1f} s and {least.megabytes:.1f} "
            f"MB. Raise the limit"
        )
    best = max(fits, key=lambda point: point.nested.gain(pool.expects))
    for point in fits:
        gap, error = difference(best.proba, point.proba, pool, pool.expects)
        if gap <= error:
            return point
    return best


def blend_point(made: Blend, costs: Mapping[str, Cost]) -> Point:
    """A fitted blend beside the front, with its nested scores."""
    names = tuple(member.recipe for member in made.members)
    return _point(names, costs, made.nested, False, np.empty(0))


def _point(
    names: tuple[str, ...], costs: Mapping[str, Cost], nested: Score, efficient: bool, proba: np.ndarray
) -> Point:
    """Members with what all of them take."""
    taken = [costs[name] for name in names]
    seconds, megabytes = sum(cost.seconds for cost in taken), sum(cost.megabytes for cost in taken)
    return Point(names, seconds, megabytes, nested, efficient, proba)


def draw(points: Sequence[Point], expects: str, path: Path) -> None:
    """The front as a figure (format by suffix): nested score with one standard error over seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    shifted = expects == "shifted" and points[0].nested.shifted is not None
    errors = [(p.nested.shifted_se if shifted else p.nested.clean_se) or 0.0 for p in points]
    seconds, scores = [p.seconds for p in points], [p.nested.selection(expects) for p in points]
    axes.errorbar(seconds, scores, yerr=errors, fmt="o", color="0.7", capsize=2)
    best = [p for p in points if p.efficient]
    axes.plot([p.seconds for p in best], [p.nested.selection(expects) for p in best], "o-", color="C0")
    for point in best:
        label = f"{len(point.members)}"
        axes.annotate(label, (point.seconds, point.nested.selection(expects)), (4, -10), textcoords="offset points")
    axes.set(xlabel="seconds to predict", ylabel=f"nested {expects} score", title="Members in the plain mean")
    figure.savefig(path)
