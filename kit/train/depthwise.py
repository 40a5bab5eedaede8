"""Gradients of depthwise convolutions on a CPU, from the convolutions that it has fast kernels for.

Two of oneDNN's kernels are slow by more than what they compute (32 images, one thread, torch 2.14): in bfloat16 the
gradient of a strided one with respect to its input takes 50 to 150 ms where float32 takes 0.2 to 6, and the gradient
of a 5x5 or 7x7 kernel takes 35 to 60 ms (8 to 17 in float32) where a 3x3 one takes 1. So the first is computed as a
convolution of the gradient, spread over the strides, with the turned kernel; the second in tiles of 3x3 weights.
MobileNetV2 and its kin then train faster in bfloat16 than in float32, as dense networks do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode

TILE = 3
"""Weights of a tile along each side."""

Pair = tuple[int, int]


def quick_depthwise(wanted: bool) -> contextlib.AbstractContextManager[Any]:
    """Within it, `conv2d` of plain depthwise kernels is recorded with the gradients above, if `wanted`."""
    return _Quick() if wanted else contextlib.nullcontext()


class _Quick(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and (settings := _settings(*args)) is not None:
            x, weight = args[:2]
            if torch.is_autocast_enabled("cpu"):
                x, weight = (one.to(torch.get_autocast_dtype("cpu")) for one in (x, weight))
            y = _Depthwise.apply(x, weight, *settings)
            bias = args[2] if len(args) > 2 else None
            return y if bias is None else y + bias.to(y.dtype)[:, None, None]
        return func(*args, **(kwargs or {}))


def _settings(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> tuple[Pair, Pair] | None:
    """Stride and padding of a depthwise convolution that is worth it; None of any other."""
    if groups < 2 or x.ndim != 4 or not groups == x.shape[1] == weight.shape[0] or x.device.type != "cpu":
        return None
    if isinstance(padding, str) or _pair(dilation) != (1, 1):
        return None
    stride, padding, kernel = _pair(stride), _pair(padding), weight.shape[2:]
    narrow = min(kernel) >= TILE and all(p < k for p, k in zip(padding, kernel))
    worth = max(stride) > 1 or max(kernel) > TILE
    return (stride, padding) if narrow and worth else None


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (tuple(value) * 2)[:2]


class _Depthwise(torch.autograd.Function):
    """conv2d of x (N, C, H, W) with weight (C, 1, h, w) in C groups."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return torch.conv2d(x, weight, None, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        wanted_x, wanted_weight = ctx.needs_input_grad[:2]
        return (
            _input_gradient(grad, x, weight, ctx.stride, ctx.padding) if wanted_x else None,
            _weight_gradient(grad, x, weight, ctx.stride, ctx.padding) if wanted_weight else None,
            None,
            None,
        )


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    if max(stride) == 1 or grad.dtype != torch.bfloat16:
        return _native(grad, x, weight, stride, padding, 0)
    kernel = weight.shape[2:]
    height, width = (x.shape[2 + i] + 2 * padding[i] - kernel[i] + 1 for i in (0, 1))
    spread = grad.new_zeros((len(x), height, width, x.shape[1])).permute(0, 3, 1, 2)  # channels_last
    spread[:, :, :: stride[0], :: stride[1]] = grad
    around = tuple(kernel[i] - 1 - padding[i] for i in (0, 1))
    return torch.conv2d(spread, weight.flip(2, 3), None, 1, around, 1, x.shape[1])


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    if max(weight.shape[2:]) == TILE:
        return _native(grad, x, weight, stride, padding, 1)
    padded = pad(x, (padding[1], padding[1], padding[0], padding[0]))
    height, width = ((grad.shape[2 + i] - 1) * stride[i] + TILE for i in (0, 1))
    found = torch.empty_like(weight)
    for top in _corners(weight.shape[2]):
        for left in _corners(weight.shape[3]):
            tile = (slice(None), slice(None), slice(top, top + TILE), slice(left, left + TILE))
            seen = padded[:, :, top : top + height, left : left + width]
            seen = seen.contiguous(memory_format=torch.channels_last)
            found[tile] = _native(grad, seen, weight[tile], stride, (0, 0), 1)
    return found


def _corners(side: int) -> list[int]:
    """Where tiles begin that cover `side` weights."""
    return [*range(0, side - TILE, TILE), side - TILE]


def _native(grad: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, which: int) -> Tensor:
    """torch's gradient: 0 of the input, 1 of the weights."""
    mask = [which == 0, which == 1, False]
    found = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, (1, 1), False, (0, 0), x.shape[1], mask
    )
    return found[which]
