"""kit package, kit rehearse."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kit import journey
from kit.config import load_contest, load_platform
from kit.data.prepared import prepare
from kit.ensemble.blend import Blend
from kit.options import contest_options, make_console
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
def rehearse(
    zip_path: Path, contest: str, data: Path | None, root: Path, platform_name: str | None
) -> None:
    """Run ZIP the way the platform will; exits 1 when a check fails."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console()
    platform = load_platform(platform_name or config.platform)
    prepared = prepare(config, data, workspace, console.print)
    result = make_rehearsal(zip_path, platform, contest=config, prepared=prepared, workspace=workspace)
    console.print(result.table())
    sys.exit(0 if result.passed else 1)
