"""A pretrained trunk with another tail: the first stages of one of timm's networks, then layers of another kind.

What the early stages know (edges, colours, textures) carries over to any images; the tail is where architectures
differ, and so their mistakes. Tails: "residual", dense 3x3 blocks (arXiv:1512.03385); "transformer", encoder
layers over the trunk's positions (early convolutions, arXiv:2106.14881); "pyramid", every stage projected, pooled
and concatenated (hypercolumns, arXiv:1411.5752).

This file is shipped inside submissions as it is: it imports torch and timm alone and is valid Python 3.7.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_SIZE = 80
BACKBONES = ("mobilenetv2_100",)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        nn.init.zeros_(self.norm2.weight)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2, ceil_mode=True) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(self.pool(x)))


class ResidualTail(nn.Module):
    """Last map (N, C, H, W) -> (N, 4 * width): three blocks, the later two at half the resolution."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        widths = [channels[-1], width, 2 * width, 4 * width]
        strides = (1, 2, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b, s) for a, b, s in zip(widths, widths[1:], strides)))
        self.features = widths[-1]

    def forward(self, maps: List[Tensor]) -> Tensor:
        return self.blocks(maps[-1]).mean((2, 3))


class TransformerTail(nn.Module):
    """Last map (N, C, H, W) -> (N, width): encoder layers over its positions, then their mean.

    The trunk's padding tells where a position is, so that none is learnt and any image size works.
    """

    def __init__(self, channels: Sequence[int], width: int, layers: int = 3) -> None:
        super().__init__()
        self.project = nn.Linear(channels[-1], width)
        heads = max(1, width // 32)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.features = width

    def forward(self, maps: List[Tensor]) -> Tensor:
        tokens = self.project(maps[-1].flatten(2).transpose(1, 2))
        return self.norm(self.layers(tokens)).mean(1)


class PyramidTail(nn.Module):
    """Maps of several resolutions -> (N, width * maps): each projected, averaged over positions, concatenated."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, width, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()) for each in channels
        )
        self.features = width * len(channels)

    def forward(self, maps: List[Tensor]) -> Tensor:
        return torch.cat([project(each).mean((2, 3)) for project, each in zip(self.projections, maps)], dim=1)


MAKERS = {"residual": ResidualTail, "transformer": TransformerTail, "pyramid": PyramidTail}


class Grafted(nn.Module):
    """(N, 3, S, S) float, normalised as the recipe says, -> (N, num_classes) logits."""

    def __init__(
        self,
        num_classes: int,
        trunk: str,
        trunk_args: Dict[str, Any],
        maps: Sequence[int],
        tail: str,
        width: int,
        drop: float,
    ) -> None:
        super().__init__()
        body: Any = timm.create_model(trunk, num_classes=0, **trunk_args)
        channels = [body.feature_info[index]["num_chs"] for index in maps]
        self.maps = body.prune_intermediate_layers(list(maps), prune_norm=True, prune_head=True)
        # A list of one, as in a hybrid, so that pretrained weights and learning rates find their way.
        self.branches: Any = nn.ModuleList([body])
        self.tail: Any = MAKERS[tail](channels, width)
        self.head = nn.Sequential(nn.Dropout(drop), nn.Linear(self.tail.features, num_classes))

    def get_classifier(self) -> nn.Sequential:
        """The layers that training the head alone leaves free."""
        return self.head

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D): what the head turns into logits."""
        return self.tail(self.branches[0].forward_intermediates(x, indices=self.maps, intermediates_only=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features_pooled(x))


def build(
    num_classes: int,
    backbones: Sequence[str] = BACKBONES,
    backbone_args: Optional[Sequence[Dict[str, Any]]] = None,
    maps: Sequence[int] = (3,),
    tail: str = "residual",
    width: int = 128,
    drop: float = 0.1,
) -> nn.Module:
    """The one backbone of `backbones`, by timm's name, up to its feature map number maps[-1], under `tail`.

    maps: timm's `out_indices`, finest first (1: a quarter of the image's resolution, 2: an eighth, ...); all
    but the last are for the pyramid. Raises ValueError for more than one backbone or an unknown tail,
    RuntimeError for a name that timm does not know.
    """
    given = [{} for _ in backbones] if backbone_args is None else list(backbone_args)
    if len(backbones) != 1 or len(given) != 1:
        raise ValueError("a trunk is one backbone, got {}".format(list(backbones)))
    if tail not in MAKERS:
        raise ValueError("tail is one of {}, got {!r}".format(", ".join(sorted(MAKERS)), tail))
    return Grafted(num_classes, backbones[0], given[0], maps, tail, width, drop)
