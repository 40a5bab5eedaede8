"""When a trial is pruned: after a fold against the best trial on the same rows, within it by epochs.

Optuna keeps one row of intermediate values a trial. Here steps below EPOCHS are blocks of rows, BLOCKS a fold: the
instances of the paired test, so that one fold can already tell. Steps from EPOCHS on are epochs of the first fold.
"""

from __future__ import annotations

import copy
import math

from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, WilcoxonPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from kit.sweep.config import SweepConfig

BLOCKS = 16
EPOCHS = 1_000_000
NOISE = "noise"
"""Attribute of a study: standard deviation of a score on one fold over seeds."""
LEAD = 1.645
"""Standard deviations by which the best must lead: 5 % of equally good trials do by chance."""


def make_pruner(sweep: SweepConfig, base_epochs: float) -> BasePruner:
    """The sweep's pruner; none where several objectives are weighed, as Optuna reports no steps of such."""
    if len(sweep.objective) > 1:
        return NopPruner()
    folds = WilcoxonPruner(p_threshold=sweep.pruning.p) if sweep.pruning.folds == "wilcoxon" else NopPruner()
    most = math.ceil(_most_epochs(sweep, base_epochs))
    halving = HyperbandPruner(min_resource=1, max_resource=most, reduction_factor=3)
    return TwoLevelPruner(folds, halving if sweep.pruning.epochs == "hyperband" else NopPruner())


def _most_epochs(sweep: SweepConfig, base_epochs: float) -> float:
    """Of the longest trial that the space allows."""
    axis = sweep.space.get("train.epochs")
    return max(axis.ends) if axis is not None else sweep.fidelity.epochs or base_epochs


class TwoLevelPruner(BasePruner):
    """`epochs` decides before the first fold is scored, `folds` afterwards; each sees its own steps alone."""

    def __init__(self, folds: BasePruner, epochs: BasePruner) -> None:
        self.folds, self.epochs = folds, epochs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        blocks = {step: value for step, value in trial.intermediate_values.items() if step < EPOCHS}
        if blocks:
            beyond = _beyond_noise(study, trial, blocks)
            return beyond and self.folds.prune(study, _with_steps(trial, blocks))
        epochs = {step - EPOCHS: value for step, value in trial.intermediate_values.items()}
        return bool(epochs) and self.epochs.prune(study, _with_steps(trial, epochs))


def _with_steps(trial: FrozenTrial, steps: dict[int, float]) -> FrozenTrial:
    made = copy.copy(trial)
    made.intermediate_values = steps
    return made


def _beyond_noise(study: Study, trial: FrozenTrial, blocks: dict[int, float]) -> bool:
    """Whether the best trial leads on the same blocks by more than seeds alone make of two trials.

    The paired test over blocks knows how rows vary, but one fit's seed moves all of its blocks together.
    """
    best = best_trial(study)
    both = [step for step in blocks if best is not None and step in best.intermediate_values]
    if best is None or not both:
        return False
    gap = sum(best.intermediate_values[step] - blocks[step] for step in both) / len(both)
    folds = len({step // BLOCKS for step in both})
    return gap > LEAD * float(study.user_attrs.get(NOISE, 0.0)) * (2 / folds) ** 0.5


def best_trial(study: Study) -> FrozenTrial | None:
    """The best finished trial of a study with one objective; None where there is none."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return None
    try:
        return study.best_trial
    except ValueError:  # no trial keeps to the limits
        return None


