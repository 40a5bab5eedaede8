"""How a sweep stands, from its study alone: another shell, or another machine, sees the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Group, RenderableType
from rich.text import Text

from kit.sweep.config import SweepConfig
from kit.sweep.confirm import winners
from kit.sweep.noise import Base, read_base
from kit.sweep.owners import is_gone
from kit.sweep.pruning import EPOCHS
from kit.sweep.search import shown
from kit.table import Column, Grid

LAST = 3


@dataclass(frozen=True)
class Status:
    """Counts and the trials that matter now."""

    counts: dict[str, int]
    best: list[FrozenTrial]
    running: list[FrozenTrial]
    failed: list[FrozenTrial]
    """The last few."""
    base: Base | None
    minutes_left: float | None
    """Until the trials of the budget are done at the pace so far, or its hours are over; None before one is done."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "counts": self.counts,
            "best": [{"trial": one.number, "values": one.values, "params": one.params} for one in self.best],
            "running": [{"trial": one.number, "folds": folds_done(one), "params": one.params} for one in self.running],
            "failed": [{"trial": one.number, "reason": one.user_attrs.get("reason", "")} for one in self.failed],
            "minutes_left": self.minutes_left,
        }


def status(study: Study, sweep: SweepConfig, seconds_left: float) -> Status:
    """The study's standing; `seconds_left` of its hours."""
    trials = study.get_trials(deepcopy=False)
    by_state = Counter(trial.state.name.lower() for trial in trials)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING and not _orphan(trial)]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return Status(
        dict(by_state),
        winners(study, sweep, 5),
        running,
        failed[-LAST:],
        read_base(study),
        _minutes_left(trials, sweep, len(running), seconds_left),
    )


def _orphan(trial: FrozenTrial) -> bool:
    mark = trial.user_attrs.get("owner")
    return mark is not None and is_gone(mark) is True


def _minutes_left(trials: list[FrozenTrial], sweep: SweepConfig, running: int, seconds_left: float) -> float | None:
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    took = [trial.duration.total_seconds() for trial in ended if trial.duration is not None]
    if not took:
        return None
    waiting = max(0, sweep.budget.trials - len(ended))
    seconds = waiting * sum(took) / len(took) / max(1, running)
    return max(0.0, min(seconds, seconds_left)) / 60


def folds_done(trial: FrozenTrial) -> int:
    """Folds of a trial that are scored."""
    return sum(key.startswith("fold") and key[4:].isdecimal() for key in trial.user_attrs)


def render(found: Status, sweep: SweepConfig) -> RenderableType:
    """The standing for a terminal."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found.counts.items())) or "no trials yet"
    left = "" if found.minutes_left is None else f"; about {found.minutes_left:.0f} minutes left"
    parts: list[RenderableType] = [f"{sweep.name}: {counts}{left}"]
    if found.base is not None:
        listed = ", ".join(f"{name} {found.base.scores[name]:.4f}" for name in sweep.objective)
        parts.append(f"base {sweep.base}: {listed}, ± {found.base.noise:.4f} by seed alone")
    if found.best:
        parts.append(_table(found, sweep))
    for trial in found.running:
        epochs = [step for step in trial.intermediate_values if step >= EPOCHS]
        epoch = f", epoch {max(epochs) - EPOCHS}" if epochs and not folds_done(trial) else ""
        parts.append(f"running: trial {trial.number}, {folds_done(trial)} folds done{epoch}  {shown(trial.params)}")
    parts += [f"failed: trial {trial.number}, {trial.user_attrs.get('reason', '')}" for trial in found.failed]
    return Group(*parts)


def _table(found: Status, sweep: SweepConfig) -> Grid:
    columns = [Column("trial"), *(Column(name) for name in sweep.objective), Column("parameters", number=False)]
    rows: list[list[str | Text]] = [
        [str(trial.number), *(f"{value:.4f}" for value in trial.values), shown(trial.params)] for trial in found.best
    ]
    return Grid(columns, rows, "the Pareto front" if len(sweep.objective) > 1 else "best so far")
