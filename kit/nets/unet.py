"""U-Net (Ronneberger et al., arXiv:1505.04597) as a classifier: what its decoder draws is pooled into a head.

This file is shipped inside submissions as it is: it imports torch alone and is valid Python 3.7.
"""

from __future__ import annotations

from typing import Callable, Dict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_SIZE = 96
NORMS: Dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(8, channels),
}


def double_conv(channels_in: int, channels_out: int, norm: str) -> nn.Sequential:
    """Two 3x3 convolutions with normalisation and ReLU; same height and width."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        NORMS[norm](channels_out),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        NORMS[norm](channels_out),
        nn.ReLU(),
    )


class Up(nn.Module):
    """Doubles height and width, and merges the encoder's image of that size."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(2 * channels, channels, 1)
        self.merge = double_conv(2 * channels, channels, norm)

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        # To the skipped image's own size: odd sizes lost a row on the way down.
        larger = F.interpolate(self.reduce(x), size=skipped.shape[2:], mode="bilinear", align_corners=False)
        return self.merge(torch.cat([skipped, larger], dim=1))


class UNetClassifier(nn.Module):
    """(N, 3, S, S) float, S >= 2 ** levels -> (N, num_classes) logits."""

    def __init__(self, num_classes: int, width: int, levels: int, norm: str, drop: float) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        self.down = nn.ModuleList(
            double_conv(channels_in, channels_out, norm) for channels_in, channels_out in zip([3, *widths], widths)
        )
        self.up = nn.ModuleList(Up(channels, norm) for channels in reversed(widths[:-1]))
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(widths[0] + widths[-1], num_classes)

    def get_classifier(self) -> nn.Linear:
        """The layer that training the head alone leaves free."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict:
        """timm's way to say which parameters make a layer, from the input on."""
        return {"stem": r"^down\.0\.", "blocks": [(r"^down\.(\d+)", None), (r"^up\.(\d+)", (100,))]}

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D): means of the decoder's last and of the encoder's deepest image."""
        skipped = []
        for level, layer in enumerate(self.down):
            x = layer(F.max_pool2d(x, 2) if level else x)
            skipped.append(x)
        deepest = skipped.pop()
        for layer in self.up:
            x = layer(x, skipped.pop())
        return torch.cat([x.mean((2, 3)), deepest.mean((2, 3))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.forward_features_pooled(x)))


def build(
    num_classes: int, width: int = 16, levels: int = 4, norm: str = "batch", drop: float = 0.0
) -> nn.Module:
    """An encoder and decoder of `levels` halvings from `width` channels on; drop: dropout before the head.

    norm: "batch" or "group" (8 groups). Raises ValueError where it is neither.
    """
    if norm not in NORMS:
        raise ValueError("norm is one of {}, got {!r}".format(", ".join(sorted(NORMS)), norm))
    return UNetClassifier(num_classes, width, levels, norm, drop)
