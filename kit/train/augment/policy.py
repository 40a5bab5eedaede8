"""Presets: which operators an image goes through in training.

`strong` follows the best published solutions of contests with a shifted hidden test (RandAugment, Cubuk et al. 2020;
AugMix's warning not to train on the test's own corruptions, Hendrycks et al. 2020): every image gets a symmetry of
the square that keeps its label, then a few operators of many, in random order, at random strength. `mild` is what
wins where the hidden test is like the training data: such a symmetry, a crop, a little turn, light and colour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from kit.config import AugmentConfig
from kit.inference.model import VIEWS
from kit.train.augment import colour, degrade, geometry
from kit.train.augment.families import PIXELS

Operator = Callable[[Tensor, float, Generator], Tensor]

FAMILIES: dict[str, tuple[Operator, ...]] = {
    "colour": (
        colour.saturation,
        colour.hue,
        colour.channel_shift,
        colour.channel_shuffle,
        colour.white_balance,
        colour.stain,
    ),
    "illumination": (colour.brightness, colour.contrast, colour.gamma, colour.uneven_light),
    "tone": (colour.solarize, colour.posterize, colour.equalize, colour.invert),
    "blur": (degrade.gaussian_blur, degrade.defocus, degrade.motion_blur, degrade.sharpen),
    "noise": (degrade.gaussian_noise, degrade.shot_noise, degrade.speckle, degrade.impulse_noise),
    "resolution": (degrade.pixelate,),
    "compression": (degrade.block_compression,),
    "occlusion": (degrade.cutout, degrade.grid_mask, degrade.dust),
}
assert tuple(FAMILIES) == PIXELS
PIXEL_OPERATORS: tuple[Operator, ...] = tuple(op for group in FAMILIES.values() for op in group)
FAMILY_OF = ("geometry",) * len(geometry.NAMES) + tuple(name for name, group in FAMILIES.items() for _ in group)
"""The family of every operator, in the order in which they are drawn."""
CLASSIC = torch.tensor([True, True, True, True, False])
"""The studies' augmentation: rotation over the circle, shear, zoom, shifts."""


def augment(x: Tensor, config: AugmentConfig, generator: Generator, host: Generator | None = None) -> Tensor:
    """x (B, 3, S, S) float32 in 0..1, augmented by the preset; same shape and range, x unchanged.

    generator: on the device of x, draws the parameters. host: on the CPU, draws what decides how many images an
    operator gets, so that nothing waits for the device; `generator` itself where that is on the CPU.
    """
    host = generator if host is None else host
    assert config.preset != "auto", "resolved by kit.situation before a fit is made"
    if config.preset == "none":
        return x
    if config.preset == "flips":
        return _flips(x, generator)
    x = geometry.symmetric(x, VIEWS if config.symmetries is None else config.symmetries, host)
    if config.preset == "mild":
        return _mild(x, config, generator)
    if config.preset == "classic":
        drawn = CLASSIC.expand(len(x), -1)
        return geometry.warp(x, drawn, 0.3, generator)
    return _strong(x, config, generator, host)


def _flips(x: Tensor, generator: Generator) -> Tensor:
    flip = torch.rand(2, len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    x = torch.where(flip[0], x.flip(3), x)
    return torch.where(flip[1], x.flip(2), x)


def _mild(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    if config.rotate or (config.crop or 1.0) < 1:
        x = geometry.crops(x, config.crop or 1.0, config.rotate or 0.0, generator)
    return colour.jitter(x, config.colour, generator).clamp(0, 1) if config.colour else x


def _strong(x: Tensor, config: AugmentConfig, generator: Generator, host: Generator) -> Tensor:
    drawn = _draw(len(x), config, host)
    rotate = geometry.ROTATE if config.rotate is None else config.rotate
    x = geometry.warp(x, drawn[:, : len(geometry.NAMES)], config.magnitude, generator, rotate)
    order = torch.randperm(len(PIXEL_OPERATORS), generator=host).tolist()
    rows_by_operator = geometry.rows_of(drawn[:, len(geometry.NAMES) :].T, x.device)
    for index in order:
        rows = rows_by_operator[index]
        if len(rows):
            x[rows] = PIXEL_OPERATORS[index](x[rows], config.magnitude, generator).clamp(0, 1)
    return x


def _draw(batch: int, config: AugmentConfig, host: Generator) -> Tensor:
    """(batch, operators) bool on the CPU: which operators each image goes through."""
    low, high = config.operators
    count = torch.randint(low, high + 1, (batch, 1), generator=host)
    clean = torch.rand(batch, 1, generator=host) < config.clean_share
    lot = torch.rand(batch, len(FAMILY_OF), generator=host)
    left_out = torch.tensor([family in config.without for family in FAMILY_OF])
    rank = lot.masked_fill(left_out, 2.0).argsort(1).argsort(1)
    return (rank < torch.where(clean, 0, count)) & ~left_out
