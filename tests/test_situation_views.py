"""Sets of views by ttach's names."""

from __future__ import annotations

import pytest
import torch
import ttach
from conftest import Toy

from kit.config import AugmentConfig, NetConfig, RecipeConfig
from kit.config.recipe import TrainConfig
from kit.errors import ConfigError
from kit.inference.model import VIEWS, apply_view
from kit.oof_store import load_run
from kit.situation.resolve import is_open, resolve
from kit.situation.views import ALIASES, expanded
from kit.train.member import member_spec
from kit.train.run import train_recipe

IMAGE = torch.rand(2, 3, 8, 8)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_what_ttach_does_in_its_order_each_once(alias: str) -> None:
    theirs = [transform.augment_image(IMAGE) for transform in getattr(ttach.aliases, alias)()]
    views = expanded([alias])
    assert len(views) == len(set(views)) == len(theirs)
    assert all(torch.equal(apply_view(IMAGE, name), seen) for name, seen in zip(views, theirs))


def test_names_keep_their_places_and_come_once() -> None:
    assert expanded(["scale90", "hflip", "hflip_transform"]) == ("scale90", "hflip", "identity")
    assert set(expanded(["d4_transform"])) == set(VIEWS)


def test_an_alias_that_is_no_symmetry_is_refused() -> None:
    with pytest.raises(ConfigError, match="d4_transform.*but got 'five_crop_transform'. Name the views"):
        expanded(["five_crop_transform"])


def test_a_run_stores_the_views_that_an_alias_stands_for(toy: Toy) -> None:
    """Whatever else the recipe leaves open: its stored logits have one slice for each."""
    augment, train = AugmentConfig(preset="none"), TrainConfig(sampling="natural", epochs=1)
    net = NetConfig(name="kit/residual", args={"width": 8, "depth": [1, 1]})
    recipe = RecipeConfig(name="aliased", net=net, size=16, views=("flip_transform",), augment=augment, train=train)
    assert is_open(recipe)
    found = resolve(recipe, toy.contest(), toy.prepared(), toy.workspace)
    assert found.views == ("identity", "vflip", "hflip", "rot180")
    assert found.views == tuple(member_spec(recipe, 3)["views"])
    assert not is_open(found)
    train_recipe(toy.contest(), toy.prepared(), recipe, toy.workspace, lambda line: None)
    run = load_run(toy.workspace.run(toy.contest().name, "aliased"))
    assert run.views == found.views
    assert run.logits.shape[1] == 4


def test_a_recipe_may_name_one() -> None:
    net = NetConfig(name="kit/residual", args={"width": 8, "depth": [1]})
    recipe = RecipeConfig(net=net, size=32, views=("flip_transform",), augment=AugmentConfig(preset="none"))
    views = ["identity", "vflip", "hflip", "rot180"]
    assert member_spec(recipe, 3)["views"] == views
