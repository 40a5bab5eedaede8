"""kit adapt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from kit.artefact import write_csv
from kit.commands.printing import print_rows
from kit.comparison.adaptation import SOURCE, Outcome, class_shares, decide, trial
from kit.comparison.situations import ONE_CLASS, SITUATIONS
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.errors import ConfigError
from kit.inference.adapt import METHODS
from kit.oof_store import finished_at, load_runs
from kit.options import contest_options, make_console, make_echo, wide_option
from kit.packaging.adaptation import OFF
from kit.pipeline.plan import planned
from kit.shifts.battery import Battery
from kit.workspace import Workspace


@click.command()
@click.argument("recipes", nargs=-1)
@contest_options
@click.option("--batch", "size", default=256, show_default=True, type=click.IntRange(min=2), help="Images a batch.")
@wide_option
def adapt(recipes: tuple[str, ...], contest: str, data: Path | None, root: Path, size: int) -> None:
    """Try adaptation at prediction time on trained RECIPES (all complete ones by default), and decide.

    Every method is tried on held-out rows with one shift a batch, with mixed shifts, in other laboratories and on
    single classes. A zip that is packed with --adapt uses the one that wins in the first two, if there is one.
    """
    workspace, console = Workspace(root.resolve()), make_console()
    config = planned(load_contest(contest), workspace)
    battery, echo = Battery.from_config(config.shift), make_echo(console)
    if not battery.cells:
        raise ConfigError(f"{config.name}: its battery is clean, so nothing tells what adapting would bring")
    prepared = prepare(config, data, workspace, echo)
    for run in load_runs(workspace, config.name, list(recipes) or None):
        outcomes = trial(run, config.name, prepared, battery, workspace, size, echo)
        folder = workspace.run(config.name, run.recipe)
        decision = decide(finished_at(folder), outcomes, class_shares(prepared))
        write_csv(folder / "adaptation.csv", pd.DataFrame(outcomes))
        decision.write(folder)
        print_rows(console, method_rows(outcomes), f"{run.recipe}: accuracy on held-out rows, {size} a batch")
        verdict = "off: no method wins in both" if decision.method == OFF else f"on: {decision.method}"
        echo(f"{run.recipe}: adaptation {verdict}  ({folder / 'adaptation.json'})")


def method_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """A row a method: mean accuracy by situation, and what single classes would come to without the guard."""
    return [_method_row(outcomes, method) for method in (SOURCE, *METHODS)]


def _method_row(outcomes: Sequence[Outcome], method: str) -> dict[str, Any]:
    found = [one for one in outcomes if one.method == method]
    row: dict[str, Any] = {"method": method}
    for situation in SITUATIONS:
        row[situation] = _mean([one.accuracy for one in found if one.situation == situation])
    row["one class, no guard"] = _mean([one.unguarded for one in found if one.situation == ONE_CLASS])
    return row


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
