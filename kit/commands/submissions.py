"""kit package, kit rehearse, kit platforms, kit ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kit.api import load_contest as open_contest
from kit.api import package as make_zip
from kit.api import rehearse as run_rehearsal
from kit.commands.printing import print_json, print_rows
from kit.config import ContestConfig, list_names, load_contest, load_platform
from kit.ensemble.blend import Blend
from kit.ensemble.scoring.belief import updated
from kit.options import contest_option, contest_options, json_option, make_console, make_echo, root_option, wide_option
from kit.packaging.pack import Notebook
from kit.pipeline.stages.expectation import named_prior
from kit.platforms import ledger as book
from kit.platforms.profiles import explain, overview
from kit.rehearsal.rehearse_predictions import hidden_images, rehearse_predictions
from kit.workspace import Workspace


@click.command()
@click.argument("name", default="best5")
@contest_options
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option(
    "--max-mb",
    type=click.FloatRange(min=0, min_open=True),
    help="Go down the size ladder until it fits: int8 where held-out rows bear it, a student that loses "
    "nothing, fewer folds, any student. The platform's limit by default.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="The zip stops adding networks in time to predict within it. The platform's limit by default.",
)
@click.option("--dataset", default="", help="Kaggle notebook: user/slug of the data set that the zip becomes.")
@click.option("--competition", default="", help="Kaggle notebook: slug of the contest.")
@click.option("--adapt", is_flag=True, help="Recipes adapt to the images of a call, where kit adapt found a winner.")
@click.option(
    "--final",
    is_flag=True,
    help="Add a network of the strongest recipe that is trained on all rows, the vault's too, if it fits. The score to "
    "expect stays that of the folds' networks. What the vault's rows cost is measured and printed: two fits, resumed "
    "after a kill.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The zip to write.")
def package(
    name: str,
    contest: str,
    data: Path | None,
    root: Path,
    platform_name: str | None,
    max_mb: float | None,
    max_seconds: float | None,
    dataset: str,
    competition: str,
    adapt: bool,
    final: bool,
    out: Path | None,
) -> None:
    """Pack the blend NAME (see `kit blend`) into a zip."""
    opened = open_contest(contest, data, root)
    platform = load_platform(platform_name or opened.config.platform)
    limits = {"max_mb": max_mb or platform.max_mb, "max_seconds": max_seconds or platform.max_seconds}
    made = Blend.from_json(opened.workspace.oof(opened.name) / "blends" / f"{name}.json")
    make_zip(opened, made, out, platform.model_copy(update=limits), Notebook(dataset, competition), adapt, final=final)


@click.command()
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path))
@contest_options
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option(
    "--level",
    type=click.Choice(["check", "run", "platform"]),
    help="check: what can be told without running ZIP; run: in this Python, what the platform lacks hidden; platform: "
    "in an environment with exactly its packages, made once. By default run where this Python has them, else platform.",
)
@click.option(
    "--sample",
    type=click.Path(path_type=Path, exists=True),
    help="Of a predictions file: the contest's "
    "sample_submission.csv, or an npz with ids, and labels where they are known; [data] sample by default.",
)
@wide_option
def rehearse(
    zip_path: Path,
    contest: str,
    data: Path | None,
    root: Path,
    platform_name: str | None,
    level: str | None,
    sample: Path | None,
) -> None:
    """Run ZIP the way the platform will; exits 1 when a check fails."""
    opened = open_contest(contest, data, root)
    config, console = opened.config, opened.console
    platform = load_platform(platform_name or config.platform)
    if platform.artefact == "predictions":
        images = hidden_images(sample or config.sample_file, platform, config)
        result = rehearse_predictions(
            zip_path, platform, images, metric=config.metric, level=level, echo=make_echo(console)
        )
    else:
        result = run_rehearsal(opened, zip_path, platform, level)
    console.print(result.table())
    sys.exit(0 if result.passed else 1)


@click.command()
@click.argument("name", required=False)
@wide_option
@json_option
def platforms(name: str | None, as_json: bool) -> None:
    """What each platform runs, and its limits; NAME explains one. A new one is a file in configs/platforms."""
    found = [load_platform(one) for one in ([name] if name else list_names("platforms"))]
    if as_json:
        print_json([platform.model_dump(mode="json") for platform in found])
    else:
        make_console().print(explain(found[0]) if name else overview())


@click.group(invoke_without_command=True)
@contest_option
@root_option
@wide_option
@json_option
@click.pass_context
def ledger(context: click.Context, contest: str, root: Path, as_json: bool) -> None:
    """Show every zip with its scores, and which one to send in the final phase."""
    config = load_contest(contest)
    context.obj = Workspace(root.resolve()), config.metric
    if context.invoked_subcommand is None:
        _show_ledger(context.obj[0], config, as_json)


@ledger.command("add-score")
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path, exists=True))
@click.argument("score", type=float)
@click.option("--phase", default="development", show_default=True, help="Phase of the score.")
@click.pass_obj
def add_score(ledger_of: tuple[Workspace, str], zip_path: Path, score: float, phase: str) -> None:
    """Record a SCORE of ZIP (0.8712 for 87.12 %) that was read off the web page."""
    workspace, metric = ledger_of
    book.record_score(workspace, zip_path, phase, score, metric=metric)
    make_console().print(f"{zip_path.name}: {score:.4f} in phase {phase}", markup=False)


def _show_ledger(workspace: Workspace, contest: ContestConfig, as_json: bool) -> None:
    table = book.read(workspace)
    if as_json:
        print(table.to_json(orient="records"))
        return
    console = make_console()
    columns = ["time", "event", "zip", "clean", "shifted", "expected", "phase", "score", "quota_left"]
    rows = [{str(key): value for key, value in row.items()} for row in table[columns].to_dict("records")]
    print_rows(console, rows)
    if scored := book.remote_promises(workspace, contest.name):
        make_echo(console)(updated(named_prior(contest), scored).line())
    if (table["contest"] == contest.name).any():
        advice = book.recommend(workspace, contest.name)
        make_echo(console)(f"final phase: send {advice.zip} ({advice.sha256[:12]}). {advice.reason}")
