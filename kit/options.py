"""Command-line options that several commands share, and how errors leave the program."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from kit.config import list_names
from kit.echo import FLAG, Echo, asked_for, hide_warnings
from kit.errors import KitError
from kit.secrets import masked
from kit.storage import failure, remedy

Command = TypeVar("Command", bound=Callable[..., Any])

contest_option = click.option(
    "--contest",
    default="practice",
    show_default=True,
    shell_complete=lambda context, option, begun: [one for one in list_names("contests") if one.startswith(begun)],
    help="Name of a file in configs/contests, or its path.",
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
unmatched_option = click.option(
    "--unmatched",
    type=click.Choice(["refuse", "sample", "images"]),
    default="refuse",
    show_default=True,
    help="Rows of the sample without an image, or images without a row: refuse; write the sample's rows, those without "
    "an image with the shares of the classes; or write the images' rows.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")


WIDTH = 140
"""Columns where output goes to a file or a pipe, so that tables keep their figures."""


def _flag(name: str, help_line: str) -> Callable[[Command], Command]:
    """An option without a parameter: `kit.echo.asked_for` reads it wherever output is made."""

    def remember(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value:
            context.meta[FLAG + name] = True

    return click.option(f"--{name}", is_flag=True, expose_value=False, is_eager=True, callback=remember, help=help_line)


wide_option = _flag("wide", "Show every column of the tables, however narrow the terminal.")
quiet_option = _flag("quiet", "Print results and errors alone: no progress, no bars.")
debug_option = _flag("debug", "Show the stack trace of an error, and warnings.")


def with_common(command: click.Command) -> click.Command:
    """The command with --quiet and --debug, and its subcommands likewise."""
    have = {option.name for option in command.params}
    for name, option in (("quiet", quiet_option), ("debug", debug_option)):
        if name not in have:
            option(command)
    if isinstance(command, click.Group):
        for part in command.commands.values():
            with_common(part)
    return command


class Screen(Console):
    """A console that knows --wide and --quiet."""

    def __init__(self, wide: bool = False, quiet_rules: bool = False, **more: Any) -> None:
        self.wide, self.quiet_rules = wide, quiet_rules
        super().__init__(**more)

    def print(self, *objects: Any, **more: Any) -> None:
        """Like rich's; with --wide, lines may be longer than the terminal is wide."""
        super().print(*objects, **({"crop": False} if self.wide else {}) | more)

    def rule(self, *arguments: Any, **more: Any) -> None:
        """A heading between stages; none with --quiet."""
        if not self.quiet_rules:
            super().rule(*arguments, **more)


def make_console(stderr: bool = False) -> Console:
    """Where a command prints; to standard error when JSON goes to standard output."""
    flags: dict[str, Any] = {"wide": asked_for("wide"), "quiet_rules": asked_for("quiet")}
    console = Screen(stderr=stderr, highlight=False, soft_wrap=False, **flags)
    return console if console.is_terminal else Screen(stderr=stderr, highlight=False, width=WIDTH, **flags)


def make_echo(console: Console) -> Echo:
    """Prints lines as they are: brackets are no markup, and a path is never broken. Nothing with --quiet."""
    if asked_for("quiet"):
        return lambda line: None
    return lambda line: console.print(masked(line), markup=False, soft_wrap=True)


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
    """Runs a command, and leaves the program with the exit code that says how it went.

    0: done. 1: done, but a check failed (a rehearsal, an upload without a score). 2: the input breaks a rule; one
    message says which, and what to do. 3: a fault of the kit; the stack trace goes to a file. 130: Ctrl-C.
    143: SIGTERM, or SIGHUP where nothing ignores it. A second signal ends the program at once.
    With --debug the stack trace of an error is shown.
    """
    debug = "--debug" in sys.argv[1:]
    if not debug:
        hide_warnings()
    try:
        with ended_in_order():
            command.main(standalone_mode=False)
    except KitError as error:
        _trace(debug)
        said = _escaped(failure(error) or error)
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]error:[/red] {said}")
        sys.exit(USER_ERROR)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort, Ended) as stopped:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("\nInterrupted. What is finished is kept: run the same command to go on.", file=sys.stderr)
        sys.exit(TERMINATED if isinstance(stopped, Ended) else INTERRUPTED)
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _trace(debug)
        if isinstance(error, OSError) and (error.errno in NO_ROOM or SHORT.match(str(error))):
            where = f"{error.filename}: " if error.filename else ""
            what = error.strerror or os.strerror(errno.ENOSPC)
            print(f"error: {where}{what}. {remedy(error.errno)}, then run the same command again",
                  file=sys.stderr)  # fmt: skip
            sys.exit(USER_ERROR)
        if (failed := failure(error)) is not None:
            print(masked(f"error: {failed}"), file=sys.stderr)
            sys.exit(USER_ERROR)
        where = "" if debug else f" The stack trace is in {_keep_trace()}; --debug shows it."
        said = masked(f"{type(error).__name__}: {error}")
        print(f"fault of the kit: {said}.{where} Please report it.", file=sys.stderr)
        sys.exit(FAULT)


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Of an OSError that no stage expected: the disk is full, or not to be written to."""
SHORT = re.compile(r"\d+ requested and \d+ written")
"""What numpy says, without a number, of an array that does not fit on the disk."""
USER_ERROR, FAULT, INTERRUPTED, TERMINATED = 2, 3, 130, 143


class Ended(SystemExit):
    """The system, or a cluster's scheduler, asked this process to end."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """A signal that ends the process is an exception, as Ctrl-C is: workers and temporary folders go with it."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Ended(TERMINATED)

    heeded = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) == signal.SIG_DFL]
    for one in heeded:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in heeded:
            signal.signal(one, signal.SIG_DFL)


def _trace(debug: bool) -> None:
    if debug:
        print(masked(traceback.format_exc()), file=sys.stderr, end="")


def _keep_trace() -> Path:
    """The stack trace in a file of its own: after hours of work it must not be lost."""
    with tempfile.NamedTemporaryFile("w", prefix="kit-fault-", suffix=".txt", delete=False) as file:
        file.write(masked(traceback.format_exc()))
    return Path(file.name)


def _escaped(error: KitError | str) -> str:
    from rich.markup import escape

    return escape(masked(str(error)))
