"""Operators on place. All that an image drew is composed into one sampling grid, so it is interpolated once.

Which images move is drawn on the host, which then knows how many there are; a device would have to be waited for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate

from kit.inference.model import apply_view
from kit.train.device import sent

NAMES = ("rotate", "shear", "zoom", "translate", "elastic")
FILLS = 3
"""Outside of the image: its mirror image, its edge, or a constant tone."""


ROTATE = 180.0
"""Degrees to either side at full strength, where nothing else is given."""


def symmetric(x: Tensor, names: Sequence[str], host: Generator) -> Tensor:
    """One of the symmetries of the square `names` for each image of x (B, 3, S, S); exact, no interpolation.

    host: a generator on the CPU.
    """
    choice = torch.randint(0, len(names), (len(x),), generator=host)
    out = torch.empty_like(x)
    for name, rows in zip(names, rows_of(nn.functional.one_hot(choice, len(names)).T, x.device)):
        if len(rows):
            out[rows] = apply_view(x[rows], name)
    return out


def rows_of(marks: Tensor, device: torch.device) -> Sequence[Tensor]:
    """Row numbers on `device` of what each line of marks (K, B), on the CPU, marks; in one copy."""
    count = marks.count_nonzero(1).tolist()
    return sent(marks.nonzero()[:, 1], device).split(count)


def crops(x: Tensor, least: float, rotate: float, generator: Generator) -> Tensor:
    """Each image of x (B, 3, H, W) through a window of `least` to all of its area, turned by up to `rotate` degrees.

    The window lies inside the image; what a turned one looks at beyond it is the image's mirror image.
    """

    def draw(low: float, high: float) -> Tensor:
        return torch.rand(len(x), generator=generator, device=x.device) * (high - low) + low

    side, aspect, angle = draw(least, 1.0).sqrt(), torch.exp(draw(-0.15, 0.15)), draw(-rotate, rotate).deg2rad()
    wide, high = (side * aspect).clamp(max=1), (side / aspect).clamp(max=1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    window = torch.stack([wide * cos, -high * sin, wide * sin, high * cos], 1).view(-1, 2, 2)
    move = torch.stack([draw(-1, 1) * (1 - wide), draw(-1, 1) * (1 - high)], 1)
    grid = affine_grid(torch.cat([window, move.unsqueeze(2)], 2), list(x.shape), align_corners=False)
    return grid_sample(x, grid, "bilinear", "reflection", align_corners=False)


def warp(x: Tensor, drawn: Tensor, m: float, generator: Generator, rotate: float = ROTATE) -> Tensor:
    """Rotate, shear, zoom, translate and bend each image of x (B, 3, H, W) as `drawn` (B, len(NAMES)) bool says.

    drawn: on the CPU. rotate: degrees to either side at strength 1.
    """
    moved = drawn.any(1).nonzero().flatten()
    if not len(moved):
        return x
    rows, drawn = sent(moved, x.device), sent(drawn[moved], x.device)
    part = x[rows]
    grid = affine_grid(_matrices(drawn, m, generator, rotate), list(part.shape), align_corners=False)
    grid = grid + _bend(part, m, generator) * drawn[:, 4].view(-1, 1, 1, 1)
    out = x.clone()
    out[rows] = _sample(part, grid, generator)
    return out


def _matrices(drawn: Tensor, m: float, generator: Generator, rotate: float) -> Tensor:
    """(B, 2, 3) from output to input coordinates in -1..1."""

    def draw(column: int, low: float, high: float) -> Tensor:
        values = torch.rand(len(drawn), generator=generator, device=drawn.device) * (high - low) + low
        return values * drawn[:, column]

    most = math.radians(rotate) * m
    angle, zoom = draw(0, -most, most), torch.exp(draw(2, -0.55 * m, 0.55 * m))
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
    fill = torch.randint(0, FILLS, (len(x), 1, 1, 1), generator=generator, device=x.device)
    tone = (torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) * 3 - 1).clamp(0, 1)
    near = torch.round(grid / 4).mul_(-4).add_(grid)  # an image and its mirror image come again every 4
    grid = torch.where(fill == 0, near.clamp(-1, 1).mul_(2).sub_(near), grid)
    most = 1 + (fill == 2) * 1e6
    edge = torch.cat([most - 1 / x.shape[3], most - 1 / x.shape[2]], 3)
    grid = grid.clamp(-edge, edge)
    # A constant tone outside: zeros around the image from which that tone was taken.
    base = tone * (fill == 2)
    return grid_sample(x - base, grid, "bilinear", "zeros", align_corners=False) + base
