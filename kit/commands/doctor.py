"""kit doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kit.commands.printing import print_json
from kit.doctor.examine import examine
from kit.doctor.listing import listing
from kit.options import json_option, make_console, root_option
from kit.workspace import Workspace


@click.command()
@root_option
@click.option("--offline", is_flag=True, help="Ask no host.")
@json_option
def doctor(root: Path, offline: bool, as_json: bool) -> None:
    """Show versions, devices with their speeds, free space, what can be reached, and what is missing for what.

    --json is for bug reports. Tokens and keys are named as set or not set; their values are never shown.
    """
    found = examine(Workspace(root.resolve()), not offline)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    make_console().print(*listing(found), sep="\n")
