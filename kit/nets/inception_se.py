"""Blocks that nest Inception, squeeze-and-excitation and a residual path, stacked.

Inside a block several kernel sizes look at the same image (GoogLeNet, arXiv:1409.4842), their channels are
weighed against each other (SENet, arXiv:1709.01507), and the block's input is added (ResNet, arXiv:1512.03385).

This file is shipped inside submissions as it is: it imports torch alone and is valid Python 3.7.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_SIZE = 96


class ConvNormAct(nn.Sequential):
    """Convolution, BatchNorm, ReLU; same height and width."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        )


class Inception(nn.Module):
    """1x1, 3x3, 5x5 convolutions and a pooled path side by side: (N, C_in, H, W) -> (N, C_out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        quarter = channels_out // 4
        self.paths = nn.ModuleList(
            [
                ConvNormAct(channels_in, quarter, 1),
                nn.Sequential(ConvNormAct(channels_in, quarter, 1), ConvNormAct(quarter, quarter, 3)),
                nn.Sequential(ConvNormAct(channels_in, quarter, 1), ConvNormAct(quarter, quarter, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvNormAct(channels_in, quarter, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([path(x) for path in self.paths], dim=1)


class SqueezeExcite(nn.Module):
    """Channel gate computed from the channel means: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, max(4, channels // reduction)),
            nn.ReLU(),
            nn.Linear(max(4, channels // reduction), channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


class NestedBlock(nn.Module):
    """Inception, then squeeze-and-excitation, beside a 1x1 shortcut; halves height and width at its end."""

    def __init__(self, channels_in: int, channels_out: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Inception(channels_in, channels_out), SqueezeExcite(channels_out, reduction))
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
        )
        self.end = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.body(x) + self.shortcut(x))


class InceptionSe(nn.Module):
    """(N, 3, S, S) float, S >= 2 ** (stack + 1) -> (N, num_classes) logits."""

    def __init__(
        self, num_classes: int, stack: int, width: int, reduction: int, hidden: int, drop: float
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNormAct(3, width, 3), nn.MaxPool2d(2))
        widths = [width * 2**index for index in range(stack)]
        self.blocks = nn.Sequential(*(NestedBlock(before, 2 * before, reduction) for before in widths))
        self.dense = nn.Sequential(nn.Linear(2 * widths[-1], hidden), nn.ReLU(), nn.Dropout(drop))
        self.head = nn.Linear(hidden, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def get_classifier(self) -> nn.Linear:
        """The layer that training the head alone leaves free."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict:
        """timm's way to say which parameters make a layer, from the input on."""
        return {"stem": r"^stem", "blocks": [(r"^blocks\.(\d+)", None), (r"^dense", (9999,))]}

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, hidden): what the head sees."""
        return self.dense(self.blocks(self.stem(x)).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features_pooled(x))


def build(
    num_classes: int,
    stack: int = 3,
    width: int = 32,
    reduction: int = 8,
    hidden: int = 128,
    drop: float = 0.0,
) -> nn.Module:
    """`stack` nested blocks from `width` channels on, each with twice the channels of the one before.

    width: a multiple of 4; reduction: of the squeeze; hidden: units of the dense layer; drop: dropout after it.
    Raises ValueError where `width` is no multiple of 4 or `stack` is below 1.
    """
    if stack < 1 or width % 4:
        raise ValueError("stack is 1 or more and width a multiple of 4, got {} and {}".format(stack, width))
    return InceptionSe(num_classes, stack, width, reduction, hidden, drop)
