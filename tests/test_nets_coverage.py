"""Networks that see a part of the image are found by their gradient, and refused."""

from __future__ import annotations

import pytest
import torch

from kit.config import NetConfig, RecipeConfig, list_names, load_recipe
from kit.errors import NetError
from kit.nets.coverage import LEAST, check_sees, seen_share, share_of
from kit.nets.listing import net_row
from kit.nets.quick_weights import QuickWeights
from kit.nets.registry import build, describe, with_size
from kit.train.names import check_names


@pytest.mark.parametrize(
    ("name", "size", "share"),
    [
        ("timm/vit_tiny_patch16_224", 28, (16 / 28) ** 2),
        ("timm/vit_tiny_patch16_224", 32, 1.0),
        ("timm/mobilenetv2_035", 28, 1.0),
        ("timm/resnet18", 28, 1.0),
        ("kit/residual", 20, 1.0),
    ],
)
def test_the_share_is_that_of_the_whole_patches(name: str, size: int, share: float) -> None:
    assert seen_share(name, {}, size) == pytest.approx(share)


@pytest.mark.parametrize("name", ["timm/pit_ti_224", "timm/mobilenetv2_035", "timm/swin_tiny_patch4_window7_224"])
def test_quick_weights_change_no_share(name: str) -> None:
    """Weights from a pool, and those that the network draws itself."""
    torch.manual_seed(0)
    own = share_of(build(name, 2, with_size(name, {}, 30)), 30)
    assert seen_share(name, {}, 30) == pytest.approx(own)


def test_quick_weights_have_the_spread_that_was_asked_for() -> None:
    torch.manual_seed(0)
    drawn = [torch.empty(1000, 1200) for _ in range(4)]
    with QuickWeights():
        torch.nn.init.normal_(drawn[0], 1.0, 0.5)
        torch.nn.init.trunc_normal_(drawn[1], std=0.02)
        torch.nn.init.kaiming_uniform_(drawn[2], a=5**0.5)
        drawn[3].uniform_(-1, 3)
    for one, mean, low, high in zip(drawn, (1, 0, 0, 1), (0.49, 0.015, 0.0163, 1.14), (0.51, 0.021, 0.0170, 1.17)):
        assert one.mean() == pytest.approx(mean, abs=0.01)
        assert low < one.std() < high
        assert len(one.unique(dim=0)) == 1000, "no two rows are alike"


def test_a_recipe_of_such_a_size_is_refused_before_training(toy) -> None:
    recipe = RecipeConfig(name="part", net=NetConfig(name="timm/vit_tiny_patch16_224"), size=28)
    with pytest.raises(NetError, match=r"sees 33% of an image of 28 px.*Set size = 32"):
        check_names(toy.contest(), recipe)
    check_names(toy.contest(), recipe.model_copy(update={"size": 32}))


@pytest.mark.parametrize(
    ("name", "size", "larger"),
    [
        ("timm/gcvit_xxtiny", 28, 32), ("timm/maxvit_tiny_rw_224", 28, 32), ("timm/xcit_nano_12_p8_224", 28, 32),
        ("timm/crossvit_tiny_240", 32, 240),
    ],
)  # fmt: skip
def test_windows_and_patches_that_do_not_fit_refuse_the_size_and_name_the_next(
    name: str, size: int, larger: int
) -> None:
    with pytest.raises(NetError, match=rf"images.*\b{size}\b.* Set size = {larger} .*images are resized to it"):
        seen_share(name, {}, size)


@pytest.mark.parametrize("size", [28, 64])
def test_logits_that_come_out_of_a_rectifier_are_not_taken_for_blindness(size: int) -> None:
    assert seen_share("torchvision/squeezenet1_1", {}, size) > 0.9


def test_the_listing_shows_the_share() -> None:
    assert net_row("timm/vit_tiny_patch16_224", {}, 28)["seen at 28"] == "33%"
    assert "seen at 28" not in net_row("kit/residual", {})


@pytest.mark.slow  # every network of the recipes at its own size
def test_every_recipe_sees_its_images() -> None:
    for name in list_names("recipes"):
        recipe = load_recipe(name)
        if recipe.size != describe(recipe.net.name, recipe.net.args).input_size:
            check_sees(recipe.net.name, recipe.net.args, recipe.size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("timm/deit_tiny_patch16_224", 28),
        ("timm/beit_base_patch16_224", 28),
        ("timm/pit_ti_224", 28),
        ("timm/vit_small_patch14_dinov2", 64),
        ("timm/swin_tiny_patch4_window7_224", 30),
    ],
)
def test_networks_known_to_cut_are_found(name: str, size: int) -> None:
    assert seen_share(name, {}, size) < LEAST
