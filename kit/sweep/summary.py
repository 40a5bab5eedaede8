"""What a sweep ends with: what was found, whether it holds, how much of it was selection, what went wrong."""

from __future__ import annotations

import base64
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from kit.sweep.config import SweepConfig
from kit.sweep.confirm import read_confirmed, winners
from kit.sweep.importance import importance_line, importances
from kit.sweep.noise import read_base
from kit.sweep.search import recipe_name, shown, signature
from kit.sweep.stored import StoredSummary
from kit.sweep.study import DIGESTS

ENOUGH = 4
"""Finished trials from which figures show something."""


def summary(study: Study, sweep: SweepConfig) -> str:
    """The text of the summary."""
    trials = study.get_trials(deepcopy=False)
    parts = [_counts(trials, sweep), *_base(study, sweep), *_best(study, sweep), *_tested(study, sweep)]
    parts += [*_importances(study, sweep), *_reasons(trials, TrialState.PRUNED, "pruned")]
    parts += [*_reasons(trials, TrialState.FAIL, "failed")]
    return "\n".join(parts) + "\n"


def _counts(trials: list[FrozenTrial], sweep: SweepConfig) -> str:
    counts = Counter(trial.state.name.lower() for trial in trials)
    return f"{sweep.name}: " + (", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no trials")


def _base(study: Study, sweep: SweepConfig) -> Iterator[str]:
    base = read_base(study)
    if base is not None:
        listed = ", ".join(f"{name} {base.scores[name]:.4f}" for name in sweep.objective)
        yield f"base {sweep.base}: {listed}; by its seed alone a trial's {sweep.score} moves by {base.noise:.4f}"


def _best(study: Study, sweep: SweepConfig) -> Iterator[str]:
    for trial in winners(study, sweep, 5):
        values = ", ".join(f"{name} {value:.4f}" for name, value in zip(sweep.objective, trial.values))
        recipe = recipe_name(sweep, trial.number, trial.user_attrs)
        yield f"  trial {trial.number}: {values}  {recipe}: {shown(trial.params)}"


def _tested(study: Study, sweep: SweepConfig) -> Iterator[str]:
    for one in read_confirmed(study):
        verdict = "it holds" if one.holds else "not more than the noise: the base recipe stays"
        yield (
            f"trial {one.trial} on fresh seeds and folds: {sweep.score} {one.fresh:.4f} against {one.base_fresh:.4f}, "
            f"gain {one.gain:+.4f} ± {one.se:.4f} over {len(one.gaps)} pairs: {verdict}. "
            f"In the search it led by {one.searched_gain:+.4f}: {one.selection:+.4f} of that was selection"
        )
    if any(one.holds for one in read_confirmed(study)):
        yield f"next: kit sweep {sweep.name} --promote 1"


def _importances(study: Study, sweep: SweepConfig) -> Iterator[str]:
    place = sweep.objective.index(sweep.score)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if complete:
        yield "importance: " + importance_line(importances(complete, lambda trial: trial.values[place]))


def _reasons(trials: list[FrozenTrial], state: TrialState, what: str) -> Iterator[str]:
    reasons = [str(trial.user_attrs.get("reason", "unknown")) for trial in trials if trial.state == state]
    for kind, count in Counter(signature(reason) for reason in reasons).most_common():
        example = next(reason for reason in reasons if signature(reason) == kind)
        yield f"{what}, {count} times: {example}"


# ----------------------------------------------------------------------------------------------------- figures
def write_summary(study: Study, sweep: SweepConfig, folder: Path) -> tuple[str, Path]:
    """Writes the summary with its figures into the sweep's folder; its text, and the path of its page."""
    data = study.user_attrs.get(DIGESTS, {}).get("data", "")
    found = StoredSummary(sweep.name, summary(study, sweep), list(figures(study, sweep)), data)
    return found.text, found.write(folder)


def figures(study: Study, sweep: SweepConfig) -> Iterator[tuple[str, str]]:
    """(title, PNG in base64) of history, importances, slices and, of several objectives, the Pareto front."""
    import matplotlib

    matplotlib.use("Agg")
    from optuna.visualization import matplotlib as draw

    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < ENOUGH:
        return
    place = sweep.objective.index(sweep.score)
    target: dict[str, Any] = {"target": lambda trial: trial.values[place], "target_name": sweep.score}
    wanted: list[tuple[str, Callable[[], object]]] = [
        ("History", lambda: draw.plot_optimization_history(study, **target)),
        ("Slices", lambda: draw.plot_slice(study, **target)),
    ]
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not isinstance(importances(complete, lambda trial: trial.values[place]), str):
        negated: dict[str, Any] = {"target": lambda trial: -trial.values[place]}
        wanted.insert(1, ("Importances", lambda: draw.plot_param_importances(study, **negated)))
    if len(sweep.objective) in (2, 3):
        wanted.append(("Pareto front", lambda: draw.plot_pareto_front(study, target_names=list(sweep.objective))))
    for title, make in wanted:
        if data := _drawn(make):
            yield title, data


def _drawn(make: Callable[[], object]) -> str:
    """A figure as PNG in base64; empty where the trials do not give it."""
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            make()
            buffer = io.BytesIO()
            pyplot.gcf().savefig(buffer, format="png", bbox_inches="tight", dpi=100)
            return base64.b64encode(buffer.getvalue()).decode()
        except (ValueError, RuntimeError):
            return ""
        finally:
            pyplot.close("all")
