"""kit explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kit.config import load_contest
from kit.errors import ExplainError
from kit.explain.explain import Explained
from kit.explain.explain import explain as looks_of
from kit.explain.look import MOST_MEMBERS, strongest
from kit.explain.sheet import write_sheet
from kit.options import contest_option, json_option, make_console, make_echo, root_option
from kit.report.album import surest_mistakes
from kit.report.material import gather
from kit.situation.settled import settled
from kit.workspace import Workspace

FIRST = 8
"""Mistakes that are explained where no image is named."""


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@contest_option
@root_option
@click.option("--members", type=click.IntRange(min=1), default=MOST_MEMBERS, show_default=True,
              help="Networks that are shown, the heaviest of the blend first.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="The image to write; submissions/CONTEST-explained.png by default.")
@json_option
def explain(ids: tuple[str, ...], contest: str, root: Path, members: int, out: Path | None,
            as_json: bool) -> None:  # fmt: skip
    """Show where networks looked in the images ID, or in the blend's most confident mistakes.

    Each network predicts images that it was not trained on. Grad-CAM needs the extra `explain`; plain vision
    transformers are read by their attention.
    """
    workspace, console = Workspace(root.resolve()), make_console(as_json)
    config = settled(load_contest(contest), workspace)
    material = gather(config, workspace)
    if material.board is None or material.images is None:
        raise ExplainError(
            f"{config.name}: trained recipes and decoded images are needed. Run: kit train RECIPE --contest {contest}"
        )
    chosen = list(dict.fromkeys(ids)) or surest_mistakes(material)[:FIRST]
    if not chosen:
        raise ExplainError(f"{config.name}: no mistake to explain. Name images: kit explain ID")
    runs = strongest(material.blend, material.board.runs, members)
    found = looks_of(chosen, runs, workspace.oof(config.name), material.images)
    target = out or workspace.submissions / f"{config.name}-explained.png"
    write_sheet(found, config.classes, target)
    echo = make_echo(console)
    for one in found:
        looks = ", ".join(f"{look.recipe} {config.classes[look.predicted]} {look.confidence:.0%}" for look in one.looks)
        echo(f"{one.id}: labelled {config.classes[one.label]}; {looks}")
    echo(f"drawn in {target}")
    if as_json:
        print(json.dumps([_values(one, config.classes) for one in found]))


def _values(one: Explained, classes: tuple[str, ...]) -> dict[str, Any]:
    looks = [
        {"recipe": look.recipe, "predicted": classes[look.predicted], "confidence": look.confidence}
        for look in one.looks
    ]
    return {"id": one.id, "label": classes[one.label], "looks": looks}
