"""The network of 28x28 studies: two convolutions with pooling, one dense layer, after LeNet (LeCun et al. 1998).

This file is shipped inside submissions as it is: it imports torch alone and is valid Python 3.7.
"""

from __future__ import annotations

from typing import Any, Mapping

from torch import Tensor, nn

INPUT_SIZE = 28


def needs_size(args: Mapping[str, Any]) -> bool:
    """The dense layer has as many inputs as the pooled image has pixels."""
    return True


class Cnn28(nn.Module):
    """(N, 3, S, S) float, S >= 4 -> (N, num_classes) logits."""

    def __init__(self, num_classes: int, width: int, hidden: int, size: int, drop: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.dense = nn.Sequential(nn.Linear(2 * width * (size // 4) ** 2, hidden), nn.ReLU(), nn.Dropout(drop))
        self.head = nn.Linear(hidden, num_classes)

    def get_classifier(self) -> nn.Linear:
        """The layer that training the head alone leaves free."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict:
        """timm's way to say which parameters make a layer, from the input on."""
        return {"stem": r"^features\.0", "blocks": [(r"^features\.(\d+)", None), (r"^dense", (9999,))]}

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, hidden): what the head sees."""
        return self.dense(self.features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features_pooled(x))


def build(
    num_classes: int, width: int = 32, hidden: int = 128, size: int = INPUT_SIZE, drop: float = 0.0
) -> nn.Module:
    """Convolutions of `width` and `2 * width` channels for images of `size` pixels, a dense layer of `hidden`."""
    return Cnn28(num_classes, width, hidden, size, drop)
