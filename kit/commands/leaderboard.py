"""kit leaderboard: imports nothing that trains, so that it is there at once."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kit.config import load_contest
from kit.ensemble.scoring import leaderboard as board
from kit.oof_store import check_shifts, load_runs
from kit.options import contest_option, json_option, make_console, root_option, wide_option
from kit.pipeline.plan import planned
from kit.situation.settled import settled
from kit.workspace import Workspace


@click.command()
@contest_option
@root_option
@wide_option
@json_option
def leaderboard(contest: str, root: Path, as_json: bool) -> None:
    """Out-of-fold scores of all complete runs of a contest, clean and shifted."""
    workspace = Workspace(root.resolve())
    config = settled(planned(load_contest(contest), workspace), workspace)
    runs = load_runs(workspace, config.name)
    check_shifts(runs, config.shift)
    rows = board.rows(runs, config)
    if as_json:
        print(json.dumps(rows))
        return
    make_console().print(board.table(rows, config.expects))
