"""Operators on place. All that an image drew is composed into one sampling grid, so it is interpolated once."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

NAMES = ("rotate", "shear", "zoom", "translate", "elastic")
FILLS = 3
"""Outside of the image: its mirror image, its edge, or a constant tone."""


def quarter_turns(x: Tensor, generator: Generator) -> Tensor:
    """One of the eight symmetries of the square for each image of x (B, 3, S, S); exact, no interpolation."""
    choice = torch.randint(0, 8, (len(x),), generator=generator, device=x.device)
    out = torch.empty_like(x)
    for symmetry in range(8):
        rows = (choice == symmetry).nonzero().flatten()
        if len(rows):
            turned = torch.rot90(x[rows], symmetry % 4, (2, 3))
            out[rows] = turned.flip(3) if symmetry >= 4 else turned
    return out


def warp(x: Tensor, drawn: Tensor, m: float, generator: Generator) -> Tensor:
    """Rotate, shear, zoom, translate and bend each image of x (B, 3, H, W) as `drawn` (B, len(NAMES)) bool says."""
    rows = drawn.any(1).nonzero().flatten()
    if not len(rows):
        return x
    drawn, part = drawn[rows], x[rows]
    grid = affine_grid(_matrices(drawn, m, generator), list(part.shape), align_corners=False)
    grid = grid + _bend(part, m, generator) * drawn[:, 4].view(-1, 1, 1, 1)
    out = x.clone()
    out[rows] = _sample(part, grid, generator)
    return out


def _matrices(drawn: Tensor, m: float, generator: Generator) -> Tensor:
    """(B, 2, 3) from output to input coordinates in -1..1."""

    def draw(column: int, low: float, high: float) -> Tensor:
        values = torch.rand(len(drawn), generator=generator, device=drawn.device) * (high - low) + low
        return values * drawn[:, column]

    angle, zoom = draw(0, -math.pi * m, math.pi * m), torch.exp(draw(2, -0.55 * m, 0.55 * m))
    shear_x, shear_y = draw(1, -0.45 * m, 0.45 * m), draw(1, -0.45 * m, 0.45 * m)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    ones = torch.ones_like(cos)
    shear = torch.stack([ones, shear_x, shear_y, ones], 1).view(-1, 2, 2)
    move = torch.stack([draw(3, -0.5 * m, 0.5 * m), draw(3, -0.5 * m, 0.5 * m)], 1)
    return torch.cat([rotation @ shear * zoom.view(-1, 1, 1), move.unsqueeze(2)], 2)


def _bend(x: Tensor, m: float, generator: Generator) -> Tensor:
    """(B, H, W, 2) smooth displacement (Simard et al. 2003)."""
    coarse = (torch.rand(len(x), 2, 5, 5, generator=generator, device=x.device) * 2 - 1) * 0.22 * m
    return interpolate(coarse, size=x.shape[-2:], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)


def _sample(x: Tensor, grid: Tensor, generator: Generator) -> Tensor:
    fill = torch.randint(0, FILLS, (len(x),), generator=generator, device=x.device)
    tone = (torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) * 3 - 1).clamp(0, 1)
    out = torch.empty_like(x)
    for kind, mode in enumerate(("reflection", "border", "zeros")):
        rows = (fill == kind).nonzero().flatten()
        if len(rows):
            # A constant tone outside: zeros around the image from which that tone was taken.
            base = tone[rows] if mode == "zeros" else torch.zeros(1, 1, 1, 1, device=x.device)
            out[rows] = grid_sample(x[rows] - base, grid[rows], "bilinear", mode, align_corners=False) + base
    return out
