"""The script `kit`: every stage of the journey as a command. Commands are imported when they are called."""

from __future__ import annotations

import importlib

import click

from kit.errors import KitError, did_you_mean
from kit.options import launched, run_guarded

COMMANDS = {
    "clean": ("data", "Decide which rows to keep; writes clean.csv."),
    "folds": ("data", "Decide who is held out when; writes folds.csv."),
    "data": ("data", "Counts, sizes, intensities, what was dropped, and how far the test images differ."),
    "nets": ("networks", "List networks with parameters, input size and source."),
    "augment": ("networks", "Draw what a recipe's network sees, as an image."),
    "train": ("training", "Train and score what is missing of one or more recipes."),
    "labels": ("labels", "Rows whose label the recipes contradict; drop or down-weight them on request."),
    "sweep": ("sweeping", "Search recipes overnight; test the winners on what the search did not see."),
    "leaderboard": ("training", "Out-of-fold scores of all complete runs."),
    "compare": ("compare", "Recipes and techniques held against each other, in tables and a figure."),
    "adapt": ("adapt", "Try adaptation at prediction time on trained recipes, and decide."),
    "blend": ("ensembles", "Combine runs into an ensemble with a nested score."),
    "soup": ("ensembles", "Average the weights of runs of one network; kept where that helps."),
    "distill": ("ensembles", "Train one recipe on what a blend answers."),
    "package": ("submissions", "Pack a blend into a zip."),
    "rehearse": ("submissions", "Run a zip the way the platform will."),
    "platforms": ("submissions", "What each platform runs, and its limits."),
    "upload": ("handing_in", "Hand a rehearsed zip in, and wait for its score."),
    "predict": ("handing_in", "Label images with a zip, in the form that a platform takes."),
    "bundle": ("handing_in", "Write a contest as Codabench takes it from its organisers."),
    "ledger": ("submissions", "Every zip with its local and remote scores; which one to send last."),
    "report": ("report", "Write one page with everything known about a contest and its zip."),
}
"""Command -> (module of kit.commands, one line of help)."""


class LazyGroup(click.Group):
    """A group whose commands cost nothing until they are called, and which knows near misses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"kit.commands.{module}"), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}.{did_you_mean(args[0], COMMANDS)} See kit --help.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(package_name="submission-kit")
@click.pass_context
def group(ctx: click.Context) -> None:
    """A submission kit for image-classification contests that judge on a hidden test.

    `python make_submission.py` walks all stages; each is a command here.
    """
    if launched() and ctx.invoked_subcommand != "train":
        raise KitError(f"torchrun is for kit train alone. Without it: kit {ctx.invoked_subcommand}")


def main() -> None:
    """Entry point of the installed script."""
    run_guarded(group)
