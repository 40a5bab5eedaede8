"""kit weights."""

from __future__ import annotations

from pathlib import Path

import click

from kit.commands.printing import print_json, print_rows
from kit.config import load_contest
from kit.echo import Echo
from kit.errors import NetError
from kit.nets.weights.fetch import Need, fetch, needs
from kit.options import contest_option, json_option, make_console, make_echo, wide_option
from kit.pipeline.named import find_recipe
from kit.pipeline.stages.recipes import recipe_names


@click.command()
@click.argument("recipes", nargs=-1)
@contest_option
@wide_option
@click.option("--fetch", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Gather them all there.")
@json_option
def weights(recipes: tuple[str, ...], contest: str, folder: Path | None, as_json: bool) -> None:
    """The pretrained weights that RECIPES (all of the contest's by default) start from, and where each lies.

    --fetch DIR gathers them for a machine without network: set KIT_WEIGHTS to that folder there.
    """
    console = make_console(stderr=as_json)
    config = load_contest(contest)
    names = recipes or tuple(dict.fromkeys((*recipe_names(config, "cpu"), *recipe_names(config, "gpu"))))
    found = needs([find_recipe(name) for name in names])
    rows = [_row(need) for need in found]
    if as_json:
        print_json(rows)
    elif rows:
        print_rows(console, rows)
    else:
        make_echo(console)(f"{', '.join(names)}: trained from scratch; no weights are needed")
    if folder is not None:
        _fetch_all(found, folder, make_echo(console))
    elif missing := [need for need in found if need.problem]:
        make_echo(console)(missing[0].problem)


def _row(need: Need) -> dict[str, object]:
    return {
        "weights": need.weights,
        "found": need.where,
        "file": "-" if need.path is None else need.path.name,
        "recipes": list(need.recipes),
    }


def _fetch_all(found: list[Need], folder: Path, echo: Echo) -> None:
    """All that can be had; NetError at the end for the others."""
    failed = []
    for need in found:
        try:
            path = fetch(need, folder)
        except NetError as error:
            failed.append(str(error))
            continue
        echo(f"{need.weights}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if failed:
        raise NetError("\n".join(failed))
    echo(f"On the other machine: set KIT_WEIGHTS to where {folder} lies there")
