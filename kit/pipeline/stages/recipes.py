"""Before all stages: which recipes a run trains."""

from __future__ import annotations

from rich.console import Console

from kit.config import ContestConfig, RecipeConfig
from kit.echo import Echo
from kit.ensemble.kinds.registry import kind
from kit.errors import NetError
from kit.nets.weights.needs import check_weights
from kit.options import make_echo
from kit.pipeline.budget import find_recipe
from kit.situation.recipes import default_recipes
from kit.train.device import pick_device
from kit.train.names import check_names


def chosen_recipes(
    contest: ContestConfig, names: str | None, echo: Echo, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes named, comma-separated, or else the contest's set for this machine, or that of its situation.

    Of the set, recipes whose weights file is not here are left out, and `echo` is told; a named one is an error.
    """
    if names:
        return [find_recipe(name) for name in split_names(names)]
    on_gpu = pick_device().type == "cuda"
    chosen = contest.recipes.gpu if on_gpu and contest.recipes.gpu else contest.recipes.cpu or contest.recipes.gpu
    chosen = chosen or default_recipes(contest.image_size, contest.expects, "gpu" if on_gpu else "cpu", minutes)
    return [recipe for recipe in map(find_recipe, chosen) if _has_weights(recipe, echo)]


def _has_weights(recipe: RecipeConfig, echo: Echo) -> bool:
    try:
        check_weights(recipe.net)
    except NetError as error:
        echo(f"LEFT OUT: {recipe.name}, as its weights are not here. {error}")
        return False
    return True


def split_names(names: str) -> list[str]:
    """The names of a comma-separated list, each once."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def choose(
    contest: ContestConfig, recipes: str | None, ensemble: str, console: Console, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes to train; a KitError for a name that there is not, before a stage meets it hours later."""
    if ensemble != "auto":
        kind(ensemble)
    chosen = chosen_recipes(contest, recipes, make_echo(console), minutes)
    for recipe in chosen:
        check_names(contest, recipe)
    return chosen
