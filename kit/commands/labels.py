"""kit labels."""

from __future__ import annotations

from pathlib import Path

import click

from kit.commands.printing import print_json, print_rows
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.ensemble.label_doubts import act, rank_labels
from kit.options import contest_options, json_option, make_console, make_echo, wide_option
from kit.pipeline.plan import planned
from kit.workspace import Workspace


@click.command()
@contest_options
@click.option("--recipe", "recipes", multiple=True, help="Ask only this run; may be given more than once.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to print.")
@click.option("--drop", is_flag=True, help="Drop the doubted rows from training and scoring.")
@click.option("--weight", type=click.FloatRange(0, 1, min_open=True), help="Keep them, at this weight in the loss.")
@click.option("--id", "ids", multiple=True, help="Act on this row alone; may be given more than once.")
@click.option("--yes", is_flag=True, help="Act on the doubted rows also where they are many.")
@wide_option
@json_option
def labels(
    contest: str,
    data: Path | None,
    root: Path,
    recipes: tuple[str, ...],
    top: int,
    drop: bool,
    weight: float | None,
    ids: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Rank the rows by how much out-of-fold predictions contradict their labels (confident learning)."""
    if drop and weight is not None:
        raise click.UsageError("--drop and --weight exclude each other.")
    if ids and not drop and weight is None:
        raise click.UsageError("--id says which rows --drop or --weight is for; give one of them.")
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    echo = make_echo(console)
    ranking = rank_labels(config, data, workspace, recipes, echo)
    rows = [{str(key): value for key, value in row.items()} for row in ranking.head(top).to_dict("records")]
    if as_json:
        print_json(rows)
    else:
        print_rows(console, rows, "Most doubtful labels")
    if drop or weight is not None:
        count = act(config, workspace, ranking, ids, weight, yes)
        echo(f"{count:,} rows {'dropped' if drop else f'at weight {weight}'} by hand")
        prepare(planned(config, workspace), data, workspace, echo)
