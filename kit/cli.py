"""The script `kit`: every stage of the pipeline as a command. Commands are imported when they are called."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from kit.errors import KitError, did_you_mean
from kit.options import debug_option, launched, quiet_option, run_guarded, with_common


class Entry(NamedTuple):
    """One command: its module in kit.commands, a line of help, and an example."""

    module: str
    line: str
    example: str


STAGES = {
    "Start": {
        "init": Entry("start", "Look at the data and write the contest's file.",
                      "kit init mine --data train/ --sample sample_submission.csv"),
        "doctor": Entry("doctor", "What this machine has and reaches, and what is missing for which feature.",
                        "kit doctor --json"),
    },
    "Data": {
        "clean": Entry("data", "Decide which rows to keep; writes clean.csv.", "kit clean --contest mine"),
        "folds": Entry("data", "Decide who is held out when; writes folds.csv.", "kit folds --contest mine"),
        "data": Entry("data", "Counts, sizes, intensities, what was dropped, and how far the test images differ.",
                      "kit data --contest mine --test test/"),
        "labels": Entry("labels", "Rows whose label the recipes contradict; drop or down-weight them on request.",
                        "kit labels --contest mine --top 50"),
    },
    "Training": {
        "nets": Entry("networks", "List networks with parameters, input size and source.", "kit nets convnext"),
        "augment": Entry("networks", "Draw what a recipe's network sees, as an image.",
                         "kit augment residual_64 --contest mine"),
        "weights": Entry("weights", "Which pretrained weights recipes need, and where each lies; gather them.",
                         "kit weights --contest mine --fetch carried"),
        "train": Entry("training", "Train and score what is missing of one or more recipes.",
                       "kit train residual_64 --contest mine"),
        "sweep": Entry("sweeping", "Search recipes for hours; test the winners on what the search did not see.",
                       "kit sweep augmentation --contest mine --hours 8"),
    },
    "Comparison": {
        "leaderboard": Entry("leaderboard", "Out-of-fold scores of all complete runs.",
                             "kit leaderboard --contest mine"),
        "compare": Entry("compare", "Recipes and techniques held against each other, in tables and a figure.",
                         "kit compare --contest mine --recipes residual_64,lite0_96"),
        "adapt": Entry("adapt", "Try adaptation at prediction time on trained recipes, and decide.",
                       "kit adapt residual_64 --contest mine"),
    },
    "Ensembles": {
        "blend": Entry("ensembles", "Combine runs into an ensemble with a nested score.",
                       "kit blend auto --contest mine --compare"),
        "distill": Entry("ensembles", "Train one recipe on what a blend predicts.",
                         "kit distill best5 residual_64 --contest mine"),
    },
    "Submission": {
        "platforms": Entry("submissions", "What each platform runs, and its limits.", "kit platforms an2dl2024"),
        "package": Entry("submissions", "Pack a blend into a zip.",
                         "kit package best5 --contest mine --out best5.zip"),
        "rehearse": Entry("submissions", "Run a zip the way the platform will.",
                          "kit rehearse best5.zip --contest mine --level platform"),
        "upload": Entry("submitting", "Submit a rehearsed zip, and wait for its score.",
                        "kit upload best5.zip --phase 1234 --dry-run"),
        "predict": Entry("predicting", "Label images with a zip, in the form that a platform takes.",
                         "kit predict a.zip test/ --platform kaggle-csv --out a.csv"),
        "bundle": Entry("submitting", "Write a contest as Codabench takes it from its organisers.",
                        "kit bundle --contest practice --out bundle.zip"),
        "ledger": Entry("submissions", "Every zip with its local and remote scores; which one to send last.",
                        "kit ledger add-score best5.zip 0.91"),
        "explain": Entry("explain", "Show where networks looked, in named images or the surest mistakes.",
                         "kit explain 00012 00345 --contest mine"),
        "report": Entry("report", "Write one page with everything known about a contest and its zip.",
                        "kit report --contest mine"),
    },
    "Help": {
        "reference": Entry("reference", "Print every key of every config file.", "kit reference"),
        "completion": Entry("completion", "Print the script that completes kit's commands in your shell.",
                            'eval "$(kit completion bash)"'),
    },
}  # fmt: skip
"""Stage -> command -> what `kit --help` shows of it."""
GONE = {"soup": "runs trained apart averaged to something worse than the best of them. Blend them: kit blend"}
"""Commands of earlier versions, why they went and what to use."""
COMMANDS = {name: entry for commands in STAGES.values() for name, entry in commands.items()}


class LazyGroup(click.Group):
    """A group whose commands cost nothing until they are called, and which knows near misses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"kit.commands.{entry.module}"), cmd_name)
        command.epilog = command.epilog or f"\b\nExample:\n  {entry.example}"
        return with_common(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in GONE:
            raise click.UsageError(f"kit {args[0]} is no longer there: {GONE[args[0]]}")
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}.{did_you_mean(args[0], COMMANDS)} See kit --help.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for stage, commands in STAGES.items():
            with formatter.section(stage):
                for name, entry in commands.items():
                    formatter.write_dl([(name.ljust(width), entry.line)])
                    # not wrapped: a command that is broken at a hyphen cannot be copied
                    formatter.write(f"{'':>{formatter.current_indent + width + 2}}$ {entry.example}\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and lines without importing a command, so that a key press costs no seconds."""
        own = click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=entry.line) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ] + own


@click.group(
    cls=LazyGroup,
    epilog="\b\nExit codes:\n  0    done\n  1    done, but a check of a zip failed, or an upload got no score\n"
    "  2    the input breaks a rule; the message says which\n  3    a fault of the kit\n  130  interrupted by Ctrl-C\n"
    "  143  ended by SIGTERM or SIGHUP",
)
@click.version_option(package_name="submission-kit")
@quiet_option
@debug_option
@click.pass_context
def group(ctx: click.Context) -> None:
    """A submission kit for image-classification contests that judge on a hidden test.

    `python make_submission.py` runs all stages; each is a command here. A new contest starts with
    `kit init NAME --data PATH`.
    """
    if launched() and ctx.invoked_subcommand != "train":
        raise KitError(f"torchrun is for kit train alone. Without it: kit {ctx.invoked_subcommand}")


def main() -> None:
    """Entry point of the installed script."""
    run_guarded(group)
