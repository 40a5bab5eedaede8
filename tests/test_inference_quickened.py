"""BatchNorms multiplied into convolutions for prediction: `kit.inference.model.quickened`."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from kit.inference.model import quickened


def trained(net: nn.Module) -> nn.Module:
    """`net` in inference mode, with statistics and scales unlike those that it is made with."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return net.eval().requires_grad_(False)


def norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def same_logits(net: nn.Module) -> nn.Module:
    """`net` quickened; asserts that it predicts the same."""
    x = torch.randn(4, 3, 64, 64)
    before = copy.deepcopy(net)(x)
    quick = quickened(net, 64)
    torch.testing.assert_close(quick(x), before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))
    assert not any(p.requires_grad for p in quick.parameters())
    return quick


@pytest.mark.parametrize("name", ["mobilenetv2_050", "tf_efficientnet_lite0", "resnet18", "regnetx_002"])
def test_every_norm_behind_a_convolution_is_merged(name):
    args = {"pad_type": "same"} if name == "mobilenetv2_050" else {}
    assert norms(same_logits(trained(timm.create_model(name, num_classes=5, **args)))) == 0


class Used(nn.Module):
    """A convolution with what a test makes of its output."""

    def __init__(self, forward, **settings: object) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3, **settings)
        self.uses = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.uses(self, x).mean((2, 3))


def test_a_norm_without_scale():
    assert norms(same_logits(trained(Used(lambda net, x: net.norm(net.conv(x)), affine=False)))) == 0


@pytest.mark.parametrize(
    "uses",
    [
        lambda net, x: net.norm(y := net.conv(x)) + y,  # the convolution's output goes elsewhere too
        lambda net, x: net.norm(net.conv(net.norm(net.conv(x)))),  # both twice
        lambda net, x: net.norm(net.conv(x).relu()),
        lambda net, x: net.conv(net.norm(x)),
    ],
    ids=["shared", "twice", "activated", "before"],
)
def test_other_norms_stay(uses):
    assert norms(same_logits(trained(Used(uses)))) == 1


def test_convolutions_that_do_more_with_their_weights_stay():
    assert norms(same_logits(trained(Standardised()))) == 1


class Standardised(nn.Module):
    """timm's convolution with standardised weights, and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = timm.layers.StdConv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).mean((2, 3))
