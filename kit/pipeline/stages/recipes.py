"""Before all stages: which recipes a run trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from kit.config import ContestConfig, RecipeConfig
from kit.echo import Echo
from kit.ensemble.kinds.registry import kind
from kit.errors import NetError
from kit.oof_store import RUN
from kit.options import make_echo
from kit.pipeline.named import find_recipe
from kit.storage import exists
from kit.workspace import Workspace

if TYPE_CHECKING:
    from kit.situation.recipes import Device


def chosen_recipes(
    contest: ContestConfig, names: str | None, workspace: Workspace, echo: Echo, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes named, comma-separated, or else the contest's set for this machine, or that of its situation.

    Of the set, recipes whose weights file is not here are left out, and `echo` is told; a named one is an error. One
    with a complete run needs none. NetError where none is left.
    """
    if names:
        return [find_recipe(name) for name in split_names(names)]
    found = list(map(find_recipe, _names_for_this_machine(contest, minutes)))
    missing = {one.name: error for one in found if (error := _weights_missing(contest, one, workspace))}
    if not missing:
        return found
    first = next(iter(missing.values()))
    if len(missing) == len(found):
        raise NetError(
            f"the weights of none of the contest's recipes ({', '.join(missing)}) are here. {first}. Or name recipes "
            "that need none: --recipes residual_64"
        )
    echo(f"LEFT OUT: {', '.join(missing)}, as the weights are not here. {first}")
    return [one for one in found if one.name not in missing]


def recipe_names(contest: ContestConfig, device: Device, minutes: float | None = None) -> tuple[str, ...]:
    """The contest's set for a "cpu" or a "gpu", or else that of its situation.

    A GPU trains what was listed for a CPU where nothing else is; never the other way round.
    """
    sets = contest.recipes
    if listed := (sets.gpu or sets.cpu) if device == "gpu" else sets.cpu:
        return listed
    from kit.situation.recipes import default_recipes

    return default_recipes(contest.image_size, contest.expects, device, minutes)


def _names_for_this_machine(contest: ContestConfig, minutes: float | None) -> tuple[str, ...]:
    if contest.recipes.cpu and contest.recipes.cpu == contest.recipes.gpu:
        return contest.recipes.cpu
    from kit.train.device import pick_device  # torch

    return recipe_names(contest, "gpu" if pick_device().type == "cuda" else "cpu", minutes)


def _has_run(contest: ContestConfig, recipe: RecipeConfig, workspace: Workspace) -> bool:
    return exists(workspace.run(contest.name, recipe.name) / RUN)


def _weights_missing(contest: ContestConfig, recipe: RecipeConfig, workspace: Workspace) -> NetError | None:
    """Why the recipe cannot be trained here; None where it can, or is."""
    if not recipe.net.pretrained or _has_run(contest, recipe, workspace):
        return None
    from kit.nets.weights.needs import check_weights

    try:
        check_weights(recipe.net)
    except NetError as error:
        return error
    return None


def split_names(names: str) -> list[str]:
    """The names of a comma-separated list, each once."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def choose(
    contest: ContestConfig,
    recipes: str | None,
    ensemble: str,
    workspace: Workspace,
    console: Console,
    minutes: float | None = None,
) -> list[RecipeConfig]:
    """The recipes to train; a KitError for a name that there is not, before a stage meets it hours later.

    The names in a recipe with a complete run were checked when it was trained.
    """
    if ensemble != "auto":
        kind(ensemble)
    chosen = chosen_recipes(contest, recipes, workspace, make_echo(console), minutes)
    if new := [recipe for recipe in chosen if not _has_run(contest, recipe, workspace)]:
        from kit.train.names import check_names  # torch and timm

        for recipe in new:
            check_names(contest, recipe)
    return chosen
