"""Which views earn their passes: chosen greedily, scored nested, and "none of them" is a choice.

Logits are stored by view, so nothing here runs a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kit.ensemble.pool import Pool, check_runs
from kit.ensemble.scoring.calibration import fit_temperature
from kit.ensemble.scoring.nested import difference
from kit.ensemble.scoring.scores import Score, log_losses
from kit.inference.model import merge_views

if TYPE_CHECKING:
    from kit.oof_store import OofRun

MERGES = ("mean", "logit", "trimmed")


@dataclass(frozen=True)
class ViewTrial:
    """The first `passes` views of the greedy order under one merge, nested.

    gap, gap_se: selection score less that of the single best view, and its paired standard error.
    """

    passes: int
    merge: str
    views: tuple[str, ...]
    nested: Score
    gap: float
    gap_se: float
    proba: np.ndarray


@dataclass(frozen=True)
class ViewChoice:
    """The cheapest trial within one standard error of the best; with one pass, the others brought no gain."""

    recipe: str
    chosen: ViewTrial
    trials: tuple[ViewTrial, ...]

    @property
    def gains(self) -> bool:
        """Whether more than one pass an image is worth it."""
        return self.chosen.passes > 1


def choose_views(run: OofRun, expects: str = "shifted", metric: str = "accuracy") -> ViewChoice:
    """The views and the merge for a run, out of those whose logits it holds."""
    check_runs([run])
    pool, logits = _views_as_pool(run, expects, metric)
    folds = np.unique(run.folds)
    orders = {int(fold): view_order(pool.rows(run.folds != fold)) for fold in folds}
    final = view_order(pool)
    trials: list[ViewTrial] = []
    for merge in MERGES:
        for passes in range(1, len(final) + 1):
            if passes <= {"mean": 0, "logit": 1, "trimmed": 2}[merge]:
                continue  # the same as the plain mean
            proba = _held_out(logits, run.folds, orders, passes, merge)
            base = trials[0].proba if trials else proba
            gap, error = difference(proba, base, pool, pool.expects)
            views = tuple(run.views[view] for view in final[:passes])
            trials.append(ViewTrial(passes, merge, views, pool.score(proba), gap, error, proba))
    return ViewChoice(run.recipe, _cheapest(trials, pool), tuple(trials))


def best_views(
    runs: Sequence[OofRun], expects: str = "shifted", metric: str = "accuracy"
) -> tuple[list[OofRun], dict[str, str], list[ViewChoice]]:
    """Every run through its own best views, their merges by recipe (as `make_pool` takes them), and the
    choices.

    The choice itself is nested; a blend's nested score does not repeat it, which among so few views hardly
    shows.
    """
    choices = [choose_views(run, expects, metric) for run in runs]
    seen = [use_views(run, choice.chosen.views) for run, choice in zip(runs, choices)]
    return seen, {choice.recipe: choice.chosen.merge for choice in choices}, choices


def use_views(run: OofRun, views: tuple[str, ...]) -> OofRun:
    """The run seen through some of its views."""
    places = [run.views.index(view) for view in views]
    vault = None if run.vault is None else run.vault.seen(places)
    return replace(run, views=views, logits=run.logits[:, places], shifted=run.shifted[:, :, places], vault=vault)


def view_order(pool: Pool) -> list[int]:
    """Views (members of the pool) in greedy order: each lowers the log loss of the mean most."""
    proba, labels, _ = pool.fitting()
    chosen: list[int] = []
    total = np.zeros(proba.shape[1:])
    while len(chosen) < len(proba):
        left = [view for view in range(len(proba)) if view not in chosen]
        losses = [log_losses((total + proba[view]) / (len(chosen) + 1), labels).mean() for view in left]
        chosen.append(left[int(np.argmin(losses))])
        total += proba[chosen[-1]]
    return chosen


def _views_as_pool(run: OofRun, expects: str, metric: str) -> tuple[Pool, np.ndarray]:
    """A pool with a member a view, and logits (N, 1 + K, V, C) at the temperature of the first view."""
    logits = np.concatenate([run.logits[:, None], run.shifted], axis=1)
    logits = logits / np.float32(fit_temperature(run.logits[:, :1], run.labels))
    expects = expects if run.cells.shape[1] else "clean"
    proba = np.stack([merge_views(logits[:, :, view, None], 1.0) for view in range(logits.shape[2])])
    names = tuple(run.views)
    pool = Pool(names, proba, run.labels, run.folds, run.cells, run.cell_names, (), expects, metric)
    return pool, logits


def _held_out(
    logits: np.ndarray, folds: np.ndarray, orders: dict[int, list[int]], passes: int, merge: str
) -> np.ndarray:
    out = np.empty((*logits.shape[:2], logits.shape[3]))
    for fold, order in orders.items():
        held = folds == fold
        out[held] = merge_views(logits[held][:, :, order[:passes]], 1.0, merge)
    return out


def _cheapest(trials: list[ViewTrial], pool: Pool) -> ViewTrial:
    best = max(trials, key=lambda trial: trial.nested.gain(pool.expects))
    for trial in sorted(trials, key=lambda trial: (trial.passes, MERGES.index(trial.merge))):
        gap, error = difference(best.proba, trial.proba, pool, pool.expects)
        if gap <= error:
            return trial
    return best
