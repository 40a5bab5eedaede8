"""Every recipe that is handed out loads, and its network can be built for the size it states."""

import pytest

from kit.config import list_names, load_recipe
from kit.nets import registry
from kit.train.policy import compose, policy_steps

NAMES = list_names("recipes")
STUDIES = ("study0", "study1", "study2", "study3", "study4")


@pytest.mark.parametrize("name", NAMES)
def test_recipe_is_whole(name):
    recipe = load_recipe(name)
    given = registry.describe(recipe.net.name, recipe.net.args).size_arg
    args = ({given: recipe.size} if given else {}) | recipe.net.args
    registry.build_on_meta(recipe.net.name, args)
    compose(policy_steps(recipe.augment.policy))


def test_every_study_has_recipes():
    for study in STUDIES:
        assert any(name.startswith(study) for name in NAMES), study
