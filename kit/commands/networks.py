"""kit nets, kit augment."""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image
from torch import Generator, Tensor

from kit.commands.printing import print_json, print_rows
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.nets.listing import net_rows
from kit.options import contest_options, json_option, make_console, make_echo, wide_option
from kit.pipeline.named import find_recipe
from kit.situation.resolve import resolve
from kit.train.augment.policy import augment as apply_preset
from kit.train.grid import augmentation_grid
from kit.train.images import resized
from kit.train.policy import Policy
from kit.train.presets import policy_steps
from kit.workspace import Workspace


@click.command()
@click.argument("pattern", default="")
@click.option("--size", type=click.IntRange(min=1), help="Show which share of an image of that size each sees.")
@wide_option
@json_option
def nets(pattern: str, size: int | None, as_json: bool) -> None:
    """List networks whose name holds PATTERN; every other name of timm and torchvision works too."""
    rows = net_rows(pattern, size)
    if as_json:
        print_json(rows)
        return
    print_rows(make_console(), rows)


@click.command()
@click.argument("recipe")
@contest_options
@click.option("--draws", default=8, show_default=True, help="Images a class.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The PNG to write.")
def augment(
    recipe: str, contest: str, data: Path | None, root: Path, draws: int, seed: int, out: Path | None
) -> None:
    """Draw what the network sees: an image of every class, then draws of the RECIPE's augmentation."""
    config, workspace, console = load_contest(contest), Workspace(root.resolve()), make_console()
    found = find_recipe(recipe)
    prepared = prepare(config, data, workspace, make_echo(console))
    found = resolve(found, config, prepared, workspace)
    images = resized(prepared.images, found.size).permute(0, 2, 3, 1).numpy()

    policy = Policy(policy_steps(found.augment.policy)) if found.augment.policy else None

    def draw(x: Tensor, generator: Generator) -> Tensor:
        x = x if policy is None else policy(x, generator)
        return (apply_preset(x.float() / 255, found.augment, generator) * 255).round().byte()

    page = augmentation_grid(images, prepared.labels, len(prepared.class_names), draw, draws, seed)
    path = out or workspace.oof(config.name) / f"augment-{found.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(path)
    make_echo(console)(f"{path}: {draws} draws of {len(prepared.class_names)} classes")
