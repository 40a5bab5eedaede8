from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kit.config import list_names, load_recipe
from kit.nets.registry import build_on_meta
from kit.train.matched import match_norms

PUBLISHED = "study"
"""Begins the names of recipes that do as published work did."""
AS_IT_COMES = ("trunk_residual_96",)
"""Its file says why."""
PRETRAINED = [name for name in list_names("recipes") if load_recipe(name).net.pretrained]


def trained_net() -> nn.Module:
    """A network whose BatchNorm has statistics, scales and shifts of its own."""
    torch.manual_seed(0)
    net = timm.create_model("mobilenetv2_050", num_classes=5)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias)
    return net.eval()


def batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [0.3 * torch.randn(size, 3, 64, 64, generator=generator) + 0.7 for size in (48, 16)]


def test_what_the_network_computes_stays_and_its_statistics_are_those_of_the_images() -> None:
    net, images = trained_net(), torch.cat(batches())
    with torch.no_grad():
        before = net(images)
        match_norms(net, batches())
        after = net(images)
        assert not net.training
        seen = net.conv_stem(images)
        in_training = net.train()(images)  # moves a tenth of the statistics, towards themselves
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(net.bn1.running_mean, seen.mean((0, 2, 3)), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(in_training, before, rtol=2e-2, atol=2e-2)


def test_without_matching_the_first_training_pass_is_another_function() -> None:
    net, images = trained_net(), torch.cat(batches())
    with torch.no_grad():
        assert (net(images) - net.train()(images)).abs().max() > 1


def test_layers_without_scale_or_statistics_are_left_alone() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.BatchNorm2d(3, track_running_stats=False), nn.ReLU())
    match_norms(net, batches())
    assert torch.equal(net[0].running_mean, torch.zeros(3))
    assert net.training


def test_an_unused_layer_keeps_its_statistics() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    net = Half()
    match_norms(net, batches())
    assert torch.equal(net.unused.running_mean, torch.zeros(3))
    assert net.used.running_mean.mean() > 0.5


@pytest.mark.parametrize("name", [name for name in PRETRAINED if not name.startswith(PUBLISHED)])
def test_recipes_of_pretrained_networks_match_batchnorm(name: str) -> None:
    """Else a fit in bfloat16 begins with gradients that are not float32's."""
    recipe = load_recipe(name)
    has_norms = any(isinstance(one, _BatchNorm) for one in build_on_meta(recipe.net.name, recipe.net.args).modules())
    assert (recipe.finetune.bn == "matched") == (has_norms and name not in AS_IT_COMES)
