"""kit blend."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kit import journey
from kit.config import load_contest
from kit.oof import load_runs
from kit.options import contest_option, json_option, make_console, root_option
from kit.workspace import Workspace


@click.command()
@click.argument("name", default="best5")
@contest_option
@root_option
@click.option("--recipes", help="Comma-separated runs to choose from; all complete ones by default.")
@json_option
def blend(name: str, contest: str, root: Path, recipes: str | None, as_json: bool) -> None:
    """Combine runs into the ensemble NAME and write blend.json."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    chosen = recipes.split(",") if recipes else None
    made = journey.blend(config, load_runs(workspace, config.name, chosen), name, workspace, console)
    if as_json:
        print(json.dumps(asdict(made)))
