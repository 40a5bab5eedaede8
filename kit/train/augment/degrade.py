"""Operators that lose information: blur, noise, resolution, compression, occlusion. Arguments as in `colour`."""

from __future__ import annotations

import functools
import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d, pad

from kit.train.augment.colour import uniform

KERNEL = 9
"""Side of blur kernels in pixels; enough for a spread of 2.5 pixels."""


def _filter(x: Tensor, kernels: Tensor) -> Tensor:
    """Each image by its own (KERNEL, KERNEL) kernel of `kernels` (B, KERNEL, KERNEL), edges reflected."""
    batch, channels, height, width = x.shape
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    padded = pad(x, [KERNEL // 2] * 4, mode="reflect")
    grouped = padded.reshape(1, batch * channels, *padded.shape[-2:])
    weight = kernels.repeat_interleave(channels, 0).unsqueeze(1)
    return conv2d(grouped, weight, groups=batch * channels).view(batch, channels, height, width)


def _offsets(x: Tensor) -> tuple[Tensor, Tensor]:
    steps = torch.arange(KERNEL, device=x.device, dtype=x.dtype) - KERNEL // 2
    return steps.view(1, -1, 1), steps.view(1, 1, -1)


def _scale(x: Tensor) -> float:
    """Pixels here for one pixel of a 96-pixel image, so that damage does not depend on the training size."""
    return x.shape[-1] / 96


def gaussian_blur(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Spread of up to 3.2 pixels at 96."""
    dy, dx = _offsets(x)
    sigma = uniform(x, 0.3, 0.3 + 2.9 * m, generator)[:, 0] * _scale(x)
    return _filter(x, torch.exp(-(dy**2 + dx**2) / (2 * sigma.clamp(min=0.1) ** 2)))


def defocus(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A disc of up to 4.5 pixels radius at 96."""
    dy, dx = _offsets(x)
    radius = uniform(x, 0.5, 0.5 + 4.0 * m, generator)[:, 0] * _scale(x)
    return _filter(x, torch.sigmoid((radius + 0.3 - torch.sqrt(dy**2 + dx**2)) * 4))


def motion_blur(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A line of up to 13 pixels at 96 in any direction."""
    dy, dx = _offsets(x)
    angle = uniform(x, 0, math.pi, generator)[:, 0]
    half = uniform(x, 1, 1 + 5.5 * m, generator)[:, 0] * _scale(x)
    along, across = dx * torch.cos(angle) + dy * torch.sin(angle), dy * torch.cos(angle) - dx * torch.sin(angle)
    return _filter(x, torch.sigmoid((half - along.abs()) * 4) * torch.exp(-(across**2) / 0.5) + 1e-6)


def sharpen(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Unsharp mask."""
    dy, dx = _offsets(x)
    soft = _filter(x, torch.exp(-(dy**2 + dx**2) / 2).expand(len(x), -1, -1))
    return x + (x - soft) * uniform(x, 0.3 * m, 2.5 * m, generator)


def gaussian_noise(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Additive noise, one or three channels."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    one = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.3
    return x + torch.where(one, noise[:, :1], noise) * uniform(x, 0.01, 0.01 + 0.2 * m, generator)


def shot_noise(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Photon noise: variance grows with the light (normal approximation of Poisson)."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return x + noise * torch.sqrt(x.clamp(min=0)) * uniform(x, 0.02, 0.02 + 0.25 * m, generator)


def speckle(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Multiplicative noise."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return x * (1 + noise * uniform(x, 0.03, 0.03 + 0.35 * m, generator))


def impulse_noise(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Salt and pepper."""
    chance = torch.rand(x.shape[0], 1, *x.shape[2:], generator=generator, device=x.device)
    share = uniform(x, 0.005, 0.005 + 0.12 * m, generator)
    return torch.where(chance < share, (chance >= share / 2).to(x.dtype), x)


def pixelate(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Shrunk by a factor of 1.1 to 5 and grown back, with one of two and one of three interpolations."""
    factor = uniform(x, 0.9 - 0.7 * m, 0.9, generator)[:, 0]
    down, up = uniform(x, 0, 2, generator)[:, 0].floor(), uniform(x, 0, 3, generator)[:, 0].floor()
    height, width = x.shape[-2:]
    rows = _coarse(height, factor, down, up)
    columns = rows if width == height else _coarse(width, factor, down, up)
    return rows.unsqueeze(1) @ x @ columns.mT.unsqueeze(1)


def _coarse(length: int, factor: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """(B, length, length): each image's way through round(length * factor) cells, at least 8, as one matrix.

    down (B, 1, 1): 0 averages over a cell, 1 interpolates; up (B, 1, 1): 0 nearest, 1 linear, 2 cubic. As matrices,
    images of different factors go through one multiplication.
    """
    cells = (factor * length).round().clamp(min=min(8, length))
    width, cell = length / cells, torch.arange(length, device=factor.device).view(1, -1, 1)
    pixel = cell.mT
    inside = torch.minimum((cell + 1) * width, pixel + 1) - torch.maximum(cell * width, pixel)
    near = 1 - ((cell + 0.5) * width - 0.5 - pixel).abs()
    shrink = torch.where(down == 0, inside / width, near).clamp(min=0)
    place = (cell + 0.5) / width  # of a pixel of the result, in cells
    away = (torch.minimum((place - 0.5).clamp(min=0), cells - 1) - pixel).abs()
    nearest = (place.floor() == pixel).to(factor.dtype)
    grow = torch.where(up == 0, nearest, torch.where(up == 1, (1 - away).clamp(min=0), _cubic(away)))
    grow = grow * (pixel < cells)
    return grow / grow.sum(2, keepdim=True) @ shrink


def _cubic(away: Tensor) -> Tensor:
    """Weights of cubic convolution at distances `away` >= 0, sharpness -0.75 (Keys 1981)."""
    close = (1.25 * away - 2.25) * away**2 + 1
    far = -0.75 * (((away - 5) * away + 8) * away - 4)
    return torch.where(away < 1, close, far * (away < 2))


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """(8, 8) orthonormal DCT-II; made once a device, as a copy to a GPU waits for it."""
    n = torch.arange(8.0)
    rows = torch.cos(math.pi * (2 * n.view(1, -1) + 1) * n.view(-1, 1) / 16) * 0.5
    rows[0] /= math.sqrt(2)
    return rows.to(device)


def block_compression(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Quantised 8x8 cosine coefficients, coarser at high frequencies, as JPEG does."""
    height, width = x.shape[-2:]
    padded = pad(x, [0, -width % 8, 0, -height % 8], mode="replicate")
    rows, columns = padded.shape[-2] // 8, padded.shape[-1] // 8
    blocks = padded.view(len(x), 3, rows, 8, columns, 8).transpose(3, 4)
    cosines = _cosines(x.device)
    frequency = torch.arange(8.0, device=x.device)
    steps = (1 + frequency.view(-1, 1) + frequency.view(1, -1)) * 0.02
    coarse = torch.exp(uniform(x, -1.0, -1.0 + 3.0 * m, generator)).view(-1, 1, 1, 1, 1, 1)
    steps = steps * coarse
    kept = torch.round(cosines @ blocks @ cosines.T / steps) * steps
    whole = (cosines.T @ kept @ cosines).transpose(3, 4).reshape(padded.shape)
    return whole[..., :height, :width]


def _boxes(x: Tensor, side: Tensor, generator: Generator) -> Tensor:
    """(B, 1, H, W) mask of one box an image, `side` (B, 2) as a share of the image."""
    centre = torch.rand(len(x), 2, generator=generator, device=x.device)
    masks = []
    for axis, length in enumerate(x.shape[-2:]):
        place = (torch.arange(length, device=x.device) + 0.5) / length
        masks.append((place - centre[:, axis, None]).abs() < side[:, axis, None] / 2)
    return (masks[0][:, :, None] & masks[1][:, None, :]).unsqueeze(1)


def cutout(x: Tensor, m: float, generator: Generator) -> Tensor:
    """One to three boxes of black, white, grey, a colour or noise (DeVries and Taylor 2017)."""
    count = uniform(x, 1, 4, generator)
    for number in range(1, 4):
        side = torch.rand(len(x), 2, generator=generator, device=x.device) * 0.4 * m + 0.08
        colour = uniform(x, -0.3, 1.3, generator, 3).clamp(0, 1)
        plain = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
        boxes = _boxes(x, side, generator) & (count >= number)
        x = torch.where(boxes, torch.where(plain, colour[:, :1], colour), x)
    return x


def grid_mask(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A grid of squares dropped (Chen et al. 2020)."""
    period = uniform(x, 0.12, 0.5, generator)
    ratio = uniform(x, 0.25, 0.25 + 0.35 * m, generator)
    phase = torch.rand(2, len(x), 1, 1, 1, generator=generator, device=x.device)
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device).view(1, 1, -1, 1) / height
    columns = torch.arange(width, device=x.device).view(1, 1, 1, -1) / width
    hole = ((rows / period + phase[0]) % 1 < ratio) & ((columns / period + phase[1]) % 1 < ratio)
    return torch.where(hole, uniform(x, -1, 2, generator).clamp(0, 1), x)


def dust(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Soft dark or bright spots."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device).view(1, -1, 1) / height
    columns = torch.arange(width, device=x.device).view(1, 1, -1) / width
    for _ in range(4):
        centre = torch.rand(2, len(x), 1, 1, generator=generator, device=x.device)
        radius = uniform(x, 0.01, 0.02 + 0.08 * m, generator)[:, 0]
        distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
        spot = torch.sigmoid((1 - distance / radius**2) * 4).unsqueeze(1)
        tone = (uniform(x, -1, 2, generator)).clamp(0, 1)
        x = torch.lerp(x, tone.expand_as(x), spot * uniform(x, 0.4, 1, generator))
    return x
