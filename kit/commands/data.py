"""kit clean, kit data, kit folds."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from kit.commands.printing import print_rows, records
from kit.config import load_contest
from kit.data.cleaning.outcome import SUSPICIONS
from kit.data.folds import PART_NAMES
from kit.data.prepared import prepare
from kit.options import contest_options, json_option, make_console, make_echo, wide_option
from kit.pipeline.plan import planned
from kit.workspace import Workspace


@click.command()
@contest_options
@click.option(
    "--accept",
    multiple=True,
    metavar="REASON",
    type=click.Choice(SUSPICIONS),
    help=f"Drop all that is suspected for this reason, however much it is: {', '.join(SUSPICIONS)}. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Accept every reason.")
@wide_option
@json_option
def clean(
    contest: str, data: Path | None, root: Path, accept: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Decide which rows to keep, and say why. Edit `keep` in clean.csv to overrule a decision."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    prepare(planned(config, workspace), data, workspace, make_echo(console), SUSPICIONS if yes else accept)
    table = pd.read_csv(workspace.oof(config.name) / "clean.csv", keep_default_na=False)
    counts = table.groupby(["keep", "reason"]).size().reset_index(name="rows")
    if as_json:
        print(json.dumps(counts.to_dict("records")))
        return
    counts.loc[~counts["keep"] & (counts["reason"] == ""), "reason"] = "by hand"
    print_rows(console, records(counts.replace({"keep": {True: "yes", False: "no"}})), "clean.csv")


@click.command()
@contest_options
@click.option("--test", type=click.Path(path_type=Path), help="Unlabelled test images; the contest's by default.")
@json_option
def data(contest: str, data: Path | None, root: Path, test: Path | None, as_json: bool) -> None:
    """Report on the training data, and on how far the test images differ where the contest has some."""
    from kit.data.report import data_report  # it brings classifiers, which the other commands do without

    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    echo = make_echo(console)
    report = data_report(config, data, workspace, test, echo)
    if as_json:
        print(json.dumps(report.as_dict()))
        return
    for line in report.lines():
        echo(line)


@click.command()
@contest_options
@wide_option
@json_option
def folds(contest: str, data: Path | None, root: Path, as_json: bool) -> None:
    """Decide who is held out when: rows of each class in each fold."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console(as_json)
    prepared = prepare(planned(config, workspace), data, workspace, make_echo(console))
    names = pd.Series([prepared.class_names[label] for label in prepared.labels], name="class")
    counts = pd.crosstab(names, pd.Series(prepared.folds, name="fold")).rename(columns=PART_NAMES).reset_index()
    counts.columns = [str(column) for column in counts.columns]
    if as_json:
        print(json.dumps({"digest": prepared.fold_digest, "rows": counts.to_dict("records")}))
        return
    print_rows(console, records(counts), f"folds.csv, digest {prepared.fold_digest[:12]}")
