"""Changes of an image of which the probe asks whether they keep its label."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from kit.inference.model import apply_view
from kit.situation.symmetries import TESTED

Change = Callable[[Tensor, Generator], Tensor]
"""x (N, 3, S, S) float32 in 0..1 -> the same shape and range; x unchanged."""

LUMA = (0.299, 0.587, 0.114)
WINDOW, TURN, LIGHT = 0.8, 15.0, 0.3
"""Side of the window, degrees, and share of brightness and contrast by which an image is changed."""


def _view(name: str) -> Change:
    return lambda x, generator: apply_view(x, name)


def _through(x: Tensor, angle: Tensor, side: Tensor, move: Tensor) -> Tensor:
    """Each image turned by angle (N,) radians, through a window of side (N,), moved by move (N, 2) half-sides."""
    cos, sin = torch.cos(angle) * side, torch.sin(angle) * side
    matrix = torch.cat([torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2), move.unsqueeze(2)], 2)
    grid = affine_grid(matrix, list(x.shape), align_corners=False)
    return grid_sample(x, grid, "bilinear", "border", align_corners=False)


def _signs(x: Tensor, columns: int, generator: Generator) -> Tensor:
    return torch.randint(0, 2, (len(x), columns), generator=generator).float() * 2 - 1


def _cropped(x: Tensor, generator: Generator) -> Tensor:
    still = torch.zeros(len(x))
    return _through(x, still, still + WINDOW, _signs(x, 2, generator) * (1 - WINDOW))


def _turned(x: Tensor, generator: Generator) -> Tensor:
    angle = _signs(x, 1, generator)[:, 0] * math.radians(TURN)
    return _through(x, angle, torch.ones(len(x)), torch.zeros(len(x), 2))


def _grey(x: Tensor, generator: Generator) -> Tensor:
    return (x * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(x).contiguous()


def _lit(x: Tensor, generator: Generator) -> Tensor:
    sign = _signs(x, 2, generator)[:, :, None, None]
    lit = x * (1 + LIGHT * sign[:, :1])
    mean = lit.mean((1, 2, 3), keepdim=True)
    return (mean + (lit - mean) * (1 + LIGHT * sign[:, 1:])).clamp(0, 1)


MILD: dict[str, Change] = {"crop": _cropped, "turn": _turned, "light": _lit, "grey": _grey}
CHANGES = {name: _view(name) for name in TESTED} | MILD
