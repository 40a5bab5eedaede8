"""Batches of mixed images: batch and generator in, batch out; every image has its own parameters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from kit.config import AugmentConfig
from kit.train.device import sent

Batch = tuple[Tensor, Tensor]


def mix_batch(
    x: Tensor, targets: Tensor, config: AugmentConfig, generator: Generator, host: Generator | None = None
) -> Batch:
    """MixUp or CutMix, evenly where both are on, for a share `config.mix_share` of batches; else as given.

    x (N, 3, S, S) float, targets (N, C) float; both are left unchanged. generator, host: as in `augment`.
    """
    host = generator if host is None else host
    kinds = [(mixup, config.mixup), (cutmix, config.cutmix)]
    active = [(mix, alpha) for mix, alpha in kinds if alpha > 0]
    if not active:
        return x, targets
    chance, choice = torch.rand(2, generator=host).tolist()
    if chance >= config.mix_share:
        return x, targets
    mix, alpha = active[int(choice * len(active))]
    return mix(x, targets, alpha, generator, host)


def mixup(
    x: Tensor, targets: Tensor, alpha: float, generator: Generator, host: Generator | None = None
) -> Batch:
    """Each image blended with another one of the batch, share ~ Beta(alpha, alpha) (arXiv:1710.09412)."""
    share = sent(_beta(len(x), alpha, host or generator), x.device)
    partner = _partner(x, generator)
    mixed = torch.lerp(x[partner], x, share[:, None, None, None])
    return mixed, torch.lerp(targets[partner], targets, share[:, None].to(targets))


def cutmix(
    x: Tensor, targets: Tensor, alpha: float, generator: Generator, host: Generator | None = None
) -> Batch:
    """A square of each image replaced by another's; targets by the area left (arXiv:1905.04899)."""
    area = 1 - sent(_beta(len(x), alpha, host or generator), x.device)
    inside = _rectangles(area.sqrt(), x, generator)
    partner = _partner(x, generator)
    kept = 1 - inside.float().mean((1, 2, 3)).to(targets)
    return torch.where(inside, x[partner], x), torch.lerp(targets[partner], targets, kept[:, None])


def cutout(x: Tensor, side: float, generator: Generator, fill: float = 0.5) -> Tensor:
    """A square of `side` (share of the image's) of each image set to `fill` (arXiv:1708.04552)."""
    inside = _rectangles(torch.full((len(x),), side, device=x.device), x, generator)
    return x.masked_fill(inside, fill)


def _rectangles(side: Tensor, x: Tensor, generator: Generator) -> Tensor:
    """(N, 1, H, W) bool: squares of `side` (N,) shares of the image, cut at its border."""
    centre = torch.rand(2, len(x), 1, generator=generator, device=x.device)
    half = side[:, None] / 2
    rows, columns = (
        ((torch.arange(extent, device=x.device) + 0.5) / extent - centre[axis]).abs() < half
        for axis, extent in enumerate(x.shape[2:])
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _partner(x: Tensor, generator: Generator) -> Tensor:
    return torch.rand(len(x), generator=generator, device=x.device).argsort()


def _beta(count: int, alpha: float, host: Generator) -> Tensor:
    # torch's Beta takes no generator; numpy's does, and a seed drawn from ours keeps the order of draws.
    seed = int(torch.randint(2**31, (1,), generator=host).item())
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count)).float()
