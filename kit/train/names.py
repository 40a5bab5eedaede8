"""Names in a contest and a recipe, checked before the hours that a fit takes."""

from __future__ import annotations

from kit.config import ContestConfig, RecipeConfig
from kit.nets.coverage import check_sees
from kit.nets.weights.needs import completed
from kit.shifts.battery import Battery
from kit.train.member import member_spec
from kit.train.presets import policy_steps
from kit.train.resizing import check_growth


def check_names(contest: ContestConfig, recipe: RecipeConfig) -> None:
    """ConfigError or NetError for a view, shift, network or transform that there is not: hours later is too late.

    NetError, too, for a network that would see a part of the image.
    """
    Battery.from_config(contest.shift)
    spec = member_spec(recipe, len(contest.classes))
    check_sees(spec["net"]["name"], completed(recipe.net).args, recipe.size)
    check_growth(recipe)
    if steps := policy_steps(recipe.augment.policy):
        from kit.train.policy import compose  # albumentations takes a second to import

        compose(steps)
