"""kit init."""

from __future__ import annotations

from pathlib import Path

import click

from kit.commands.printing import print_json
from kit.options import json_option, make_console
from kit.start.init import start


@click.command()
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The training data, in any form.")
@click.option("--test", type=click.Path(path_type=Path), help="Unlabelled test images, where the contest has some.")
@click.option("--sample", type=click.Path(path_type=Path, dir_okay=False), help="The contest's sample submission.")
@click.option("--platform", help="Name of a file in configs/platforms; guessed from the sample by default.")
@click.option("--force", is_flag=True, help="Write files anew that are there already.")
@json_option
def init(
    name: str, data: Path, test: Path | None, sample: Path | None, platform: str | None, force: bool, as_json: bool
) -> None:
    """Look at the data and write the contest file configs/contests/NAME.toml.

    The file says what was seen and what was unsure; read it before you train.
    """
    made = start(name, data, test, sample, platform, force=force)
    if as_json:
        print_json(
            {
                "files": [str(path) for path in made.files],
                "contest": made.contest.model_dump(mode="json"),
                "facts": made.facts,
                "doubts": made.doubts,
                "next": made.next_command,
            }
        )
        return
    console = make_console()
    console.print(str(made), markup=False, soft_wrap=True)
    console.print(f"next      {made.next_command}", markup=False, soft_wrap=True)
