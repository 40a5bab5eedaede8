"""Every recipe that is handed out loads, and its network can be built for the size it states."""

import pytest

from kit.config import list_names, load_recipe
from kit.nets import registry
from kit.train.policy import compose
from kit.train.presets import policy_steps

NAMES = list_names("recipes")
STUDIES = ("study0", "study1", "study2", "study3", "study4")


@pytest.mark.parametrize("name", NAMES)
def test_recipe_is_whole(name):
    recipe = load_recipe(name)
    registry.with_size(recipe.net.name, recipe.net.args, recipe.size)
    compose(policy_steps(recipe.augment.policy))


def test_every_study_has_recipes():
    for study in STUDIES:
        assert any(name.startswith(study) for name in NAMES), study
