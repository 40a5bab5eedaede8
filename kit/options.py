"""Command-line options that several commands share, and how errors leave the program."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from kit.echo import Echo
from kit.errors import KitError

Command = TypeVar("Command", bound=Callable[..., Any])

contest_option = click.option(
    "--contest", default="practice", show_default=True, help="Name of a file in configs/contests, or its path."
)
data_option = click.option("--data", type=click.Path(path_type=Path), help="Training data; overrides the contest's.")
root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("."),
    show_default="current folder",
    help="Where oof/ and submissions/ lie.",
)
workers_option = click.option(
    "--workers",
    metavar="N|auto",
    callback=lambda ctx, option, value: _workers(value),
    help="Fits at once, each in a process of its own; auto measures what is fastest here. "
    "As many as fit on the GPUs by default, one on a CPU.",
)
cluster_option = click.option(
    "--cluster", metavar="auto|ray://HOST:10001", help="Train on a Ray cluster; needs the extra `cluster`."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")


WIDTH = 140
"""Columns where output goes to a file or a pipe, so that tables keep their figures."""


def make_console(stderr: bool = False) -> Console:
    """Where a command prints; to standard error when JSON goes to standard output."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)


def make_echo(console: Console) -> Echo:
    """Prints lines as they are: brackets are no markup, and a path is never broken."""
    return lambda line: console.print(line, markup=False, soft_wrap=True)


def contest_options(command: Command) -> Command:
    """--contest, --data and --root."""
    return contest_option(data_option(root_option(command)))


def _workers(value: str | None) -> str | None:
    if value is None or value == "auto" or (value.isdecimal() and int(value) > 0):
        return value
    raise click.BadParameter(f"must be auto or a number from 1, but got {value!r}")


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def run_guarded(command: click.Command) -> None:
    """Runs a command; a KitError becomes one message and exit 2, Ctrl-C a word of comfort and exit 130."""
    warnings.filterwarnings("ignore")
    try:
        command.main(standalone_mode=False)
    except KitError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]error:[/red] {_escaped(error)}")
        sys.exit(2)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("\nInterrupted. What is finished is kept: run the same command to go on.", file=sys.stderr)
        sys.exit(130)


def _escaped(error: KitError) -> str:
    from rich.markup import escape

    return escape(str(error))
