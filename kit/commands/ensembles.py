"""kit blend."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kit import journey
from kit.commands.printing import print_rows
from kit.config import load_contest
from kit.ensemble.auto import candidates
from kit.ensemble.auto import compare as compare_kinds
from kit.ensemble.pool import make_pool
from kit.ensemble.tables import calibration_rows, diversity_rows, kind_rows
from kit.oof import load_runs
from kit.options import contest_option, json_option, make_console, root_option
from kit.workspace import Workspace


@click.command()
@click.argument("name", default="best5")
@contest_option
@root_option
@click.option("--recipes", help="Comma-separated runs to choose from; all complete ones by default.")
@click.option("--compare", is_flag=True, help="Score every kind of ensemble nested, and show members' diversity.")
@json_option
def blend(name: str, contest: str, root: Path, recipes: str | None, compare: bool, as_json: bool) -> None:
    """Combine runs into the ensemble NAME and write blend.json.

    NAME: best5 (equal weights; any number), all, greedy, weights, stack, auto, ...
    """
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    chosen = journey.split_names(recipes) if recipes else None
    runs = load_runs(workspace, config.name, chosen)
    made = journey.blend(config, runs, name, workspace, console)
    if compare:
        pool = make_pool(runs, config.expects, config.metric)
        print_rows(console, kind_rows(compare_kinds(pool, candidates(pool)), made.kind), "Every kind, nested")
        print_rows(console, diversity_rows(pool), "Diversity of errors")
        print_rows(console, calibration_rows(pool), "Calibration")
    if as_json:
        print(json.dumps(asdict(made)))
