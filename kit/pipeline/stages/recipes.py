"""Before all stages: which recipes a run trains."""

from __future__ import annotations

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


def chosen_recipes(
    contest: ContestConfig, names: str | None, workspace: Workspace, echo: Echo, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes named, comma-separated, or else the contest's set for this machine, or that of its situation.

    Of the set, recipes whose weights file is not here are left out, and `echo` is told; a named one is an error. One
    with a complete run needs none.
    """
    if names:
        return [find_recipe(name) for name in split_names(names)]
    chosen = _contest_recipes(contest, minutes)
    return [one for one in map(find_recipe, chosen) if _has_run(contest, one, workspace) or _has_weights(one, echo)]


def _contest_recipes(contest: ContestConfig, minutes: float | None) -> tuple[str, ...]:
    """The contest's set for this machine, or that of its situation."""
    if contest.recipes.cpu and contest.recipes.cpu == contest.recipes.gpu:
        return contest.recipes.cpu
    from kit.train.device import pick_device  # torch

    on_gpu = pick_device().type == "cuda"
    chosen = contest.recipes.gpu if on_gpu and contest.recipes.gpu else contest.recipes.cpu or contest.recipes.gpu
    if chosen:
        return chosen
    from kit.situation.recipes import default_recipes

    return default_recipes(contest.image_size, contest.expects, "gpu" if on_gpu else "cpu", minutes)


def _has_run(contest: ContestConfig, recipe: RecipeConfig, workspace: Workspace) -> bool:
    return exists(workspace.run(contest.name, recipe.name) / RUN)


def _has_weights(recipe: RecipeConfig, echo: Echo) -> bool:
    if not recipe.net.pretrained:
        return True
    from kit.nets.weights.needs import check_weights

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
