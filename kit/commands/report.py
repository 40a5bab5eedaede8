"""kit report."""

from __future__ import annotations

from pathlib import Path

import click

from kit.config import load_contest
from kit.options import contest_option, make_console, root_option
from kit.report.page import write_report
from kit.situation.settled import settled
from kit.workspace import Workspace


@click.command()
@click.argument("zip_path", metavar="[ZIP]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@contest_option
@root_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page; submissions/<zip>.html else.")
def report(zip_path: Path | None, contest: str, root: Path, out: Path | None) -> None:
    """Write one HTML page about ZIP, or about the newest blend and its zip: scores, figures, mistakes, checks."""
    workspace = Workspace(root.resolve())
    path = write_report(settled(load_contest(contest), workspace), workspace, zip_path, out)
    make_console().print(f"report    {path}", soft_wrap=True)
