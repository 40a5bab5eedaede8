"""Leave one family out: each fold is trained without one family of shifts, and scored under that family alone.

A search by the shifted score may learn the battery by heart. What a hidden test does is not in it: this objective
asks how a recipe fares under a kind of shift that its training has never shown.
"""

from __future__ import annotations

from kit.config import ContestConfig, RecipeConfig
from kit.errors import ConfigError
from kit.shifts.battery import Battery
from kit.shifts.mixture import FAMILY as MIXTURE


def left_out(contest: ContestConfig, recipe: RecipeConfig, fold: int) -> tuple[ContestConfig, RecipeConfig]:
    """The contest and the recipe of one fold: the families of the battery take turns over folds.

    ConfigError where the recipe augments by something that no family can be taken out of.
    """
    families = [family for family in Battery.from_config(contest.shift).families if family != MIXTURE]
    if not families:
        raise ConfigError(f"{contest.name}: left_out_family needs a battery of shifts, but it has none")
    if recipe.augment.policy or recipe.augment.preset == "classic":
        raise ConfigError(f"{recipe.name}: left_out_family needs the preset strong, flips or none and no policy")
    family = families[fold % len(families)]
    shift = contest.shift.model_copy(update={"battery": [family], "mixture_share": 0.0})
    if recipe.augment.preset in ("auto", "strong"):
        without = tuple(dict.fromkeys((*recipe.augment.without, family)))
        augment = recipe.augment.model_copy(update={"without": without, "preset": "strong"})
        recipe = recipe.model_copy(update={"augment": augment})
    return contest.model_copy(update={"shift": shift}), recipe
