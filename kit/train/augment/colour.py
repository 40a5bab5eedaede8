"""Operators on colour, light and tone. Each takes x (B, 3, H, W) float32 in 0..1, strength m in 0..1 and a generator.

Results may leave 0..1; the policy clamps after every operator.
"""

from __future__ import annotations

import functools

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

LUMA = (0.299, 0.587, 0.114)
TO_YIQ = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)], dtype=torch.float64)


def uniform(x: Tensor, low: float, high: float, generator: Generator, channels: int = 1) -> Tensor:
    """(B, channels, 1, 1) numbers drawn evenly from low..high, one or more an image."""
    shape = (len(x), channels, 1, 1)
    return torch.rand(shape, generator=generator, device=x.device) * (high - low) + low


def grey(x: Tensor) -> Tensor:
    """(B, 1, H, W) luma."""
    return (x * _luma(x.device)).sum(1, keepdim=True)


@functools.cache
def _luma(device: torch.device) -> Tensor:
    """(1, 3, 1, 1); made once a device, as a copy to a GPU waits for it."""
    return torch.tensor(LUMA, device=device).view(1, 3, 1, 1)


@functools.cache
def _chroma_turns(device: torch.device) -> Tensor:
    """(3, 3, 3): what stays, what goes with the cosine, what with the sine of a turn of the chroma plane."""
    parts = torch.zeros(3, 3, 3, dtype=torch.float64)
    parts[0, 0, 0] = parts[1, 1, 1] = parts[1, 2, 2] = parts[2, 2, 1] = 1
    parts[2, 1, 2] = -1
    return (torch.linalg.inv(TO_YIQ) @ parts @ TO_YIQ).float().to(device)


def brightness(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Scale and shift of all values."""
    gain = torch.exp(uniform(x, -0.7 * m, 0.6 * m, generator))
    return x * gain + uniform(x, -0.15 * m, 0.15 * m, generator)


def contrast(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Distance from the mean grey of the image, scaled."""
    mean = grey(x).mean((2, 3), keepdim=True)
    return mean + (x - mean) * torch.exp(uniform(x, -1.3 * m, 0.8 * m, generator))


def jitter(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation, each scaled by 1 - m to 1 + m: the field's colour jitter, lightly."""
    x = x * uniform(x, 1 - m, 1 + m, generator)
    x = torch.lerp(grey(x).mean((2, 3), keepdim=True).expand_as(x), x, uniform(x, 1 - m, 1 + m, generator))
    return torch.lerp(grey(x).expand_as(x), x, uniform(x, 1 - m, 1 + m, generator))


def saturation(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Distance from grey, scaled between grey itself and more than double."""
    return torch.lerp(grey(x).expand_as(x), x, uniform(x, 1 - m, 1 + 1.5 * m, generator))


def hue(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Rotation of the chroma plane (YIQ) by up to 180 degrees."""
    angle = uniform(x, -torch.pi * m, torch.pi * m, generator).view(-1, 1, 1)
    stays, cosine, sine = _chroma_turns(x.device)
    matrix = stays + cosine * torch.cos(angle) + sine * torch.sin(angle)
    return (matrix @ x.flatten(2)).view_as(x)


def channel_shift(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A constant added to each channel."""
    return x + uniform(x, -0.3 * m, 0.3 * m, generator, 3)


def channel_shuffle(x: Tensor, m: float, generator: Generator) -> Tensor:
    """The three channels in another order."""
    order = torch.rand(len(x), 3, generator=generator, device=x.device).argsort(1)
    return x.gather(1, order.view(-1, 3, 1, 1).expand_as(x))


def white_balance(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A gain for each channel, as another lamp or camera gives."""
    return x * torch.exp(uniform(x, -0.45 * m, 0.45 * m, generator, 3))


def stain(x: Tensor, m: float, generator: Generator) -> Tensor:
    """More or less of each dye: a gain and an offset in optical density (Tellez et al. 2019)."""
    density = -torch.log(x.clamp(min=1 / 255))
    gain = torch.exp(uniform(x, -0.5 * m, 0.5 * m, generator, 3))
    return torch.exp(-(density * gain + uniform(x, -0.1 * m, 0.1 * m, generator, 3)))


def gamma(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Power curve, darker or brighter middle tones."""
    return x.clamp(min=1e-4) ** torch.exp(uniform(x, -0.9 * m, 0.9 * m, generator))


def uneven_light(x: Tensor, m: float, generator: Generator) -> Tensor:
    """A smooth random field of gain: vignettes, side light, shadows."""
    coarse = torch.rand(len(x), 1, 3, 3, generator=generator, device=x.device) * 2 - 1
    field = interpolate(coarse, size=x.shape[-2:], mode="bicubic", align_corners=True)
    return x * torch.exp(field * uniform(x, 0.2 * m, 0.9 * m, generator))


def solarize(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Values above a threshold inverted."""
    threshold = uniform(x, 1 - 0.95 * m, 1.0, generator)
    return torch.where(x >= threshold, 1 - x, x)


def posterize(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Few levels a channel."""
    levels = torch.floor(torch.exp2(uniform(x, 5 - 4 * m, 5.0, generator)))
    return torch.floor(x * levels).clamp(max=levels - 1) / (levels - 1).clamp(min=1)


def equalize(x: Tensor, m: float, generator: Generator) -> Tensor:
    """Histogram of each channel flattened, blended with the image."""
    flat = (x.flatten(2).clamp(0, 1) * 255).long()
    counts = torch.zeros(*flat.shape[:2], 256, device=x.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat, dtype=x.dtype))
    ranks = counts.cumsum(2) / flat.shape[2]
    return torch.lerp(x, ranks.gather(2, flat).view_as(x), uniform(x, 0.3 * m, m, generator))


def invert(x: Tensor, m: float, generator: Generator) -> Tensor:
    """The negative."""
    return 1 - x
