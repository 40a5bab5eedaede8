"""Features that need no trained network: where edges run, and where colours lie."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from kit.situation.changes import LUMA

SIDE = 32
"""Height and width at which images are looked at."""
BINS, CELL = 8, 4
COLOUR_WEIGHT = 0.5


def describe(x: Tensor) -> np.ndarray:
    """(N, D) float32 for x (N, 3, SIDE, SIDE) float32 in 0..1: histograms of oriented edges, and a thumbnail."""
    edges = _edges((x * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True))
    colour = avg_pool2d(x, 2 * CELL).flatten(1)
    return torch.cat([edges, COLOUR_WEIGHT * colour], 1).numpy()


def _edges(grey: Tensor) -> Tensor:
    """(N, BINS * cells) of grey (N, 1, S, S): signed orientation, square roots of locally normalised magnitudes."""
    dx = torch.zeros_like(grey)
    dy = torch.zeros_like(grey)
    dx[..., 1:-1] = grey[..., 2:] - grey[..., :-2]
    dy[..., 1:-1, :] = grey[..., 2:, :] - grey[..., :-2, :]
    angle = torch.atan2(dy, dx) / (2 * torch.pi) * BINS
    place = torch.arange(BINS).view(1, -1, 1, 1)
    distance = (angle - place + BINS / 2) % BINS - BINS / 2
    share = (1 - distance.abs()).clamp(min=0) * torch.hypot(dx, dy)
    cells = avg_pool2d(share, CELL)
    energy = avg_pool2d(cells.sum(1, keepdim=True), 3, 1, 1)
    rooted = (cells / (energy + 0.01)).sqrt().flatten(1)
    return rooted / rooted.norm(dim=1, keepdim=True).clamp(min=1e-6)
