"""The plain convolutional network that every course starts with: convolutions, pooling, a dense layer.

Each block halves the image and doubles the channels. Variants: normalisation before the activation, dropout,
global average pooling in place of flattening, further convolutions without pooling at the end. ReLU with He's
initialisation (arXiv:1502.01852).

This file is shipped inside submissions as it is: it imports torch alone and is valid Python 3.7.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from torch import Tensor, nn

INPUT_SIZE = 96
NORMS = {"none": None, "batch": nn.BatchNorm2d, "group": lambda channels: nn.GroupNorm(8, channels)}
POOLS = ("flatten", "avg")


def needs_size(args: Mapping[str, Any]) -> bool:
    """A flattened image gives the dense layer as many inputs as it has pixels."""
    return args.get("pool", "flatten") == "flatten"


def conv(channels_in: int, channels_out: int, norm: str) -> nn.Sequential:
    """3x3 convolution, normalisation where there is one, ReLU; same height and width."""
    maker: Any = NORMS[norm]
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=maker is None)]
    if maker is not None:
        layers.append(maker(channels_out))
    return nn.Sequential(*layers, nn.ReLU())


class PlainCnn(nn.Module):
    """(N, 3, S, S) float -> (N, num_classes) logits."""

    def __init__(
        self,
        num_classes: int,
        blocks: int,
        width: int,
        extra: int,
        norm: str,
        drop: float,
        pool: str,
        hidden: int,
        size: Optional[int],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for index in range(blocks):
            widened = width * 2**index
            layers.append(nn.Sequential(conv(channels, widened, norm), nn.MaxPool2d(2), nn.Dropout2d(drop / 2)))
            channels = widened
        layers.extend(conv(channels, channels, norm) for _ in range(extra))
        self.blocks = nn.Sequential(*layers)
        side = 1 if pool == "avg" else (size or INPUT_SIZE) // 2**blocks
        if side < 1:
            raise ValueError("blocks = {} leaves nothing of {} px; use fewer".format(blocks, size))
        self.pool = nn.AdaptiveAvgPool2d(1) if pool == "avg" else nn.Identity()
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * side * side, hidden), nn.ReLU(), nn.Dropout(drop)
        )
        self.head = nn.Linear(hidden, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def get_classifier(self) -> nn.Linear:
        """The layer that training the head alone leaves free."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict:
        """timm's way to say which parameters make a layer, from the input on."""
        return {"stem": r"^blocks\.0\.", "blocks": [(r"^blocks\.(\d+)", None), (r"^dense", (9999,))]}

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, hidden): what the head sees."""
        return self.dense(self.pool(self.blocks(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features_pooled(x))


def build(
    num_classes: int,
    blocks: int = 3,
    width: int = 32,
    extra: int = 0,
    norm: str = "none",
    drop: float = 0.0,
    pool: str = "flatten",
    hidden: int = 128,
    size: Optional[int] = None,
) -> nn.Module:
    """`blocks` of convolution and 2x2 max-pooling from `width` channels on, `extra` convolutions, a dense layer.

    norm: "none", "batch" or "group" (8 groups), before the activation; pool: "flatten" or "avg"; drop: dropout
    before the head, half of it after every block; size: height and width of the images, for "flatten".
    Raises ValueError where a name is none of these.
    """
    if norm not in NORMS:
        raise ValueError("norm is one of {}, got {!r}".format(", ".join(sorted(NORMS)), norm))
    if pool not in POOLS:
        raise ValueError("pool is one of {}, got {!r}".format(", ".join(POOLS), pool))
    return PlainCnn(num_classes, blocks, width, extra, norm, drop, pool, hidden, size)
