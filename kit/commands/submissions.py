"""kit package, kit rehearse, kit platforms, kit ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kit import journey
from kit.commands.printing import print_json, print_rows
from kit.config import list_names, load_contest, load_platform
from kit.data.prepared import prepare
from kit.ensemble.blend import Blend
from kit.options import contest_option, contest_options, json_option, make_console, make_echo, root_option
from kit.plan import planned
from kit.submit import ledger as book
from kit.submit.rehearse import check
from kit.submit.rehearse import rehearse as make_rehearsal
from kit.workspace import Workspace


@click.command()
@click.argument("name", default="best5")
@contest_options
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The zip to write.")
def package(
    name: str, contest: str, data: Path | None, root: Path, platform_name: str | None, out: Path | None
) -> None:
    """Pack the blend NAME (see `kit blend`) into a zip."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console()
    platform = load_platform(platform_name or config.platform)
    made = Blend.from_json(workspace.oof(config.name) / "blends" / f"{name}.json")
    journey.pack(config, made, platform, workspace, out, console)


@click.command()
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path))
@contest_options
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option(
    "--level", type=click.Choice(["check", "run"]), default="run", show_default=True,
    help="check: what can be told without running the zip.",
)
def rehearse(
    zip_path: Path, contest: str, data: Path | None, root: Path, platform_name: str | None, level: str
) -> None:
    """Run ZIP the way the platform will; exits 1 when a check fails."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console()
    platform = load_platform(platform_name or config.platform)
    if level == "check":
        result = check(zip_path, platform)
    else:
        prepared = prepare(planned(config, workspace), data, workspace, make_echo(console))
        result = make_rehearsal(zip_path, platform, contest=config, prepared=prepared, workspace=workspace)
    console.print(result.table())
    sys.exit(0 if result.passed else 1)


@click.command()
@json_option
def platforms(as_json: bool) -> None:
    """What each platform runs, and its limits; a new one is a file in configs/platforms."""
    found = [load_platform(name) for name in list_names("platforms")]
    if as_json:
        print_json([platform.model_dump(mode="json") for platform in found])
        return
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "hands_in": one.artefact,
            "runtimes": one.runtimes if one.artefact == "code" else (),
            "python": one.python,
            "MB": one.max_mb,
            "seconds": one.max_seconds,
            "packages": one.packages,
        }
        for one in found
    ]
    print_rows(make_console(), rows)


@click.command()
@click.argument("zip_path", metavar="[ZIP]", required=False, type=click.Path(path_type=Path, exists=True))
@contest_option
@root_option
@click.option("--add-score", "score", type=float, help="Record a score of ZIP that was read off the web page.")
@click.option("--phase", default="development", show_default=True, help="Phase of the recorded score.")
@json_option
def ledger(zip_path: Path | None, contest: str, root: Path, score: float | None, phase: str, as_json: bool) -> None:
    """Show every zip with its scores, and which one to send in the final phase; or record a score of ZIP."""
    workspace, console = Workspace(root.resolve()), make_console(as_json)
    if (score is None) != (zip_path is None):
        raise click.UsageError("ZIP and --add-score go together: kit ledger best5.zip --add-score 0.87")
    if zip_path is not None and score is not None:
        book.record_score(workspace, zip_path, phase, score)
    table = book.read(workspace)
    if as_json:
        print(table.to_json(orient="records"))
        return
    columns = ["time", "event", "zip", "clean", "shifted", "expected", "phase", "score"]
    rows = [{str(key): value for key, value in row.items()} for row in table[columns].to_dict("records")]
    print_rows(console, rows)
    config = load_contest(contest)
    if (table["contest"] == config.name).any():
        advice = book.recommend(workspace, config.name)
        make_echo(console)(f"final phase: send {advice.zip} ({advice.sha256[:12]}). {advice.reason}")
