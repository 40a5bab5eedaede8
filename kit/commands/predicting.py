"""kit predict."""

from __future__ import annotations

from pathlib import Path

import click

from kit.config import load_contest, load_platform
from kit.options import contest_option, make_console, make_echo, root_option, unmatched_option
from kit.packaging.rows import Unmatched
from kit.platforms.predict import predicted
from kit.workspace import Workspace


@click.command()
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("test_images", metavar="IMAGES", type=click.Path(path_type=Path, exists=True))
@contest_option
@click.option("--runs-on", help="The platform that ZIP was packed for; what its manifest says by default.")
@click.option("--platform", "platform_name", required=True, help="The platform that takes the predictions.")
@click.option("--sample", type=click.Path(path_type=Path, exists=True),
              help="The contest's sample_submission.csv: it decides columns, ids and order; [data] sample by default.")
@unmatched_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@root_option
def predict(
    zip_path: Path,
    test_images: Path,
    contest: str,
    runs_on: str | None,
    platform_name: str,
    sample: Path | None,
    unmatched: Unmatched,
    out: Path,
    root: Path,
) -> None:
    """Predict IMAGES (whatever [data] test takes: a folder, zip, table or arrays) with a packed ZIP.

    They are decoded as the training images were, a batch at a time. Damaged ones are decoded as far as they go; of
    the rest the class prior is predicted. Each is listed in OUT.images.txt.
    """
    config, platform = load_contest(contest), load_platform(platform_name)
    workspace, echo = Workspace(root.resolve()), make_echo(make_console())
    source = load_platform(runs_on) if runs_on else None
    example = sample or config.sample_file
    predicted(
        config, workspace, zip_path, test_images, platform, out,
        runs_on=source, sample=example, unmatched=unmatched, echo=echo,
    )  # fmt: skip
