"""A small residual network for images of 28-96 px, made to be trained from scratch on a CPU.

Dense 3x3 convolutions throughout: they are what CPUs run fast in channels_last and bfloat16 (depthwise ones
are not). Residual blocks after He et al. (arXiv:1512.03385) with the averaging shortcut of "Bag of Tricks"
(arXiv:1812.01187), a last normalisation that starts at zero (arXiv:1706.02677), stochastic depth
(arXiv:1603.09382) and, on request, squeeze-and-excitation (arXiv:1709.01507) or GroupNorm (arXiv:1803.08494).

This file is shipped inside submissions as it is: it imports torch alone and is valid Python 3.7.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_SIZE = 48
ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}
STEM_STRIDE = {"full": 1, "half": 2, "quarter": 4}
POOLS = {"avg": 1, "max": 1, "avgmax": 2}


def choose(kind: str, options: Mapping[str, Any], value: str) -> Any:
    """`options[value]`; ValueError naming the options where there is none."""
    if value not in options:
        raise ValueError("{} is one of {}, got {!r}".format(kind, ", ".join(sorted(options)), value))
    return options[value]


def make_norm(kind: str, channels: int) -> nn.Module:
    """BatchNorm, or GroupNorm in groups of 16 channels, which sees one image at a time."""
    makers = {
        "batch": lambda: nn.BatchNorm2d(channels),
        "group": lambda: nn.GroupNorm(math.gcd(channels, max(1, channels // 16)), channels),
    }
    return choose("norm", makers, kind)()


class ConvNorm(nn.Sequential):
    """Convolution without bias, then its normalisation, then the activation where there is one."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: int = 1,
        norm: str = "batch",
        act: Optional[str] = None,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            make_norm(norm, channels_out),
        ]
        if act is not None:
            layers.append(choose("act", ACTIVATIONS, act)())
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Channel gate computed from the channel means: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class DropPath(nn.Module):
    """Drops a residual branch for whole images with probability `rate` while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * mask / keep


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        norm: str,
        act: str,
        se: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels_in, channels_out, 3, stride, norm, act)
        self.conv2 = ConvNorm(channels_out, channels_out, 3, 1, norm)
        nn.init.zeros_(self.conv2[1].weight)  # type: ignore[arg-type]
        self.se = SqueezeExcite(channels_out) if se else nn.Identity()
        self.drop_path = DropPath(drop_path)
        self.shortcut = self._shortcut(channels_in, channels_out, stride, norm)
        self.act = choose("act", ACTIVATIONS, act)()

    @staticmethod
    def _shortcut(channels_in: int, channels_out: int, stride: int, norm: str) -> nn.Module:
        if stride == 1 and channels_in == channels_out:
            return nn.Identity()
        # Averaging before the 1x1 keeps the three quarters of the image that a strided 1x1 never looks at.
        pool = nn.AvgPool2d(2, 2, ceil_mode=True) if stride == 2 else nn.Identity()
        return nn.Sequential(pool, ConvNorm(channels_in, channels_out, 1, 1, norm))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.shortcut(x) + self.drop_path(self.se(self.conv2(self.conv1(x)))))


class ResidualNet(nn.Module):
    """(N, 3, S, S) float, S >= 16 -> (N, num_classes) logits."""

    def __init__(
        self,
        num_classes: int,
        width: int,
        depth: Sequence[int],
        norm: str,
        stem: str,
        act: str,
        se: bool,
        drop: float,
        drop_path: float,
        pool: str,
    ) -> None:
        super().__init__()
        choose("pool", POOLS, pool)
        self.pool = pool
        self.stem = self._stem(width, choose("stem", STEM_STRIDE, stem), norm, act)
        rates = [drop_path * index / max(1, sum(depth) - 1) for index in range(sum(depth))]
        blocks: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(depth):
            for index in range(count):
                stride = 2 if index == 0 and stage > 0 else 1
                blocks.append(Block(channels, width * 2**stage, stride, norm, act, se, rates[len(blocks)]))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(channels * POOLS[pool], num_classes)
        self.num_classes = num_classes
        self._initialise()

    @staticmethod
    def _stem(width: int, stride: int, norm: str, act: str) -> nn.Module:
        if stride < 4:
            return ConvNorm(3, width, 3, stride, norm, act)
        return nn.Sequential(
            ConvNorm(3, width // 2, 3, 2, norm, act), ConvNorm(width // 2, width, 3, 2, norm, act)
        )

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def get_classifier(self) -> nn.Linear:
        """The layer that training the head alone leaves free."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict:
        """timm's way to say which parameters make a layer, from the input on."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D): what the head sees."""
        maps = self.blocks(self.stem(x))
        means = [maps.mean((2, 3))] if "avg" in self.pool else []
        peaks = [maps.amax((2, 3))] if "max" in self.pool else []
        return torch.cat(means + peaks, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.forward_features_pooled(x)))


def build(
    num_classes: int,
    width: int = 64,
    depth: Sequence[int] = (1, 1, 1),
    norm: str = "batch",
    stem: str = "full",
    act: str = "relu",
    se: bool = False,
    drop: float = 0.0,
    drop_path: float = 0.0,
    pool: str = "avgmax",
) -> nn.Module:
    """A residual net of `len(depth)` stages, `depth[i]` blocks of `width * 2**i` channels in stage i.

    stem: "full" keeps the size (28-32 px), "half" halves it (48-64 px), "quarter" quarters it (96 px).
    norm: "batch" or "group"; act: "relu", "silu" or "gelu"; pool: "avg", "max" or "avgmax" (both).
    drop: dropout before the head; drop_path: stochastic depth of the last block, growing linearly from 0.
    Raises ValueError where a name is none of these.
    """
    return ResidualNet(num_classes, width, tuple(depth), norm, stem, act, se, drop, drop_path, pool)
