"""Gradients of depthwise convolutions by `kit.train.depthwise`, beside torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kit.train.depthwise import quick_depthwise
from kit.train.precision import Precision

OURS = "_DepthwiseBackward"


def gradients(x: Tensor, weight: Tensor, *settings: object, quick: bool) -> tuple[Tensor, list[Tensor], str]:
    """Output, gradients of input and weights, and the name of what made the output."""
    with quick_depthwise(quick):
        y = torch.conv2d(x, weight, None, *settings)
    shape = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    return y, list(torch.autograd.grad(y, (x, weight), shape)), type(y.grad_fn).__name__


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (7, 7), (4, 4), (3, 5), (11, 3)])
@pytest.mark.parametrize("stride", [1, 2, 3, (1, 2)])
@pytest.mark.parametrize("padding", [0, 1, (1, 2)])
@pytest.mark.parametrize("last", [True, False], ids=["channels_last", "contiguous"])
def test_gradients_are_torchs(kernel, stride, padding, last):
    layout = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(3, 4, 13, 12, dtype=torch.double).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(4, 1, *kernel, dtype=torch.double, requires_grad=True)
    wanted, theirs, _ = gradients(x, weight, stride, padding, 1, 4, quick=False)
    found, ours, made_by = gradients(x, weight, stride, padding, 1, 4, quick=True)
    assert torch.equal(found, wanted)
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    assert (made_by == OURS) == (max(kernel) > 3 or stride != 1)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_bfloat16_gradients_are_those_of_float32_but_for_its_digits(kernel, stride):
    torch.manual_seed(0)
    x, weight = torch.randn(4, 8, 14, 15, requires_grad=True), torch.randn(8, 1, kernel, kernel, requires_grad=True)
    _, exact, _ = gradients(x, weight, stride, kernel // 2, 1, 8, quick=False)
    with Precision(True, True, "").autocast(torch.device("cpu")):
        y = torch.conv2d(x, weight, None, stride, kernel // 2, 1, 8)
    assert y.dtype == torch.bfloat16
    shape = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    for one, other in zip(torch.autograd.grad(y, (x, weight), shape), exact):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.01 * other.norm()


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((8, 4, 3, 3), (2, 1, 1, 2)),  # groups of several channels
        ((16, 1, 3, 3), (2, 1, 1, 8)),  # two kernels a channel
        ((8, 1, 3, 3), (2, 1, 2, 8)),  # dilated
        ((8, 1, 5, 5), (1, "same", 1, 8)),
        ((8, 1, 2, 2), (2, 0, 1, 8)),
        ((8, 1, 3, 3), (2, 3, 1, 8)),  # more padding than kernel
    ],
)
def test_other_convolutions_are_left_to_torch(shape, settings):
    x, weight = torch.randn(2, 8, 12, 12, requires_grad=True), torch.randn(*shape, requires_grad=True)
    _, _, made_by = gradients(x, weight, *settings, quick=True)
    assert made_by == "ConvolutionBackward0"


def test_bias_and_keywords():
    x, layer = torch.randn(2, 8, 12, 12), nn.Conv2d(8, 8, 5, padding=2, groups=8)
    wanted = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
    with quick_depthwise(True):
        found = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
        spoken = torch.conv2d(x, layer.weight, bias=layer.bias, padding=2, groups=8)
    for one, other in zip(found, wanted):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert torch.allclose(spoken, layer(x))


def test_frozen_parts_get_no_gradient():
    x, weight = torch.randn(2, 8, 12, 12), torch.randn(8, 1, 5, 5, requires_grad=True)
    with quick_depthwise(True):
        y = torch.conv2d(x, weight, None, 2, 2, 1, 8)
    y.sum().backward()
    assert x.grad is None
    assert weight.grad is not None
