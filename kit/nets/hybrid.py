"""Hybrids: several of timm's backbones side by side, their pooled features concatenated, a dense head.

With one backbone it is that network with another head (normalisation, dropout, a hidden layer). Images come in
scaled to -1..1 and are given to every backbone in its own normalisation.

This file is shipped inside submissions as it is: it imports torch and timm alone and is valid Python 3.7.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import timm
import torch
from torch import Tensor, nn

INPUT_SIZE = 224
BACKBONES = ("efficientnet_b0", "vgg16")


class Rescale(nn.Module):
    """From -1..1 to the normalisation that a backbone was trained with."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        spread = torch.tensor(std).view(1, 3, 1, 1)
        # Not among the weights: half precision would round them, and the backbone's name gives them back.
        self.register_buffer("scale", 0.5 / spread, persistent=False)
        self.register_buffer("shift", (0.5 - torch.tensor(mean).view(1, 3, 1, 1)) / spread, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def make_branch(name: str, args: Dict[str, Any]) -> Any:
    """timm's network without its classifier: (N, 3, S, S) -> (N, head_hidden_size)."""
    branch: Any = timm.create_model(name, pretrained=False, num_classes=0, **args)
    if isinstance(branch, timm.models.VGG):
        # Its two dense layers hold 119 of 134 million weights and are a classifier, not features.
        branch.add_module("pre_logits", nn.Identity())
        branch.head_hidden_size = branch.num_features
    return branch


def make_head(features: int, num_classes: int, hidden: int, norm: bool, drop: float) -> nn.Sequential:
    """[BatchNorm], [Dropout], [Linear, ReLU, [Dropout]], Linear."""
    layers: List[nn.Module] = [nn.BatchNorm1d(features)] if norm else []
    layers.append(nn.Dropout(drop))
    if hidden:
        layers += [nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(drop)]
    return nn.Sequential(*layers, nn.Linear(hidden or features, num_classes))


class Hybrid(nn.Module):
    """(N, 3, S, S) float in -1..1 -> (N, num_classes) logits."""

    def __init__(
        self,
        num_classes: int,
        backbones: Sequence[str],
        backbone_args: Sequence[Dict[str, Any]],
        hidden: int,
        norm: bool,
        drop: float,
    ) -> None:
        super().__init__()
        branches = [make_branch(name, args) for name, args in zip(backbones, backbone_args)]
        configs: List[Any] = [timm.get_pretrained_cfg(name) for name in backbones]
        self.branches = nn.ModuleList(branches)
        self.rescales = nn.ModuleList(Rescale(config.mean, config.std) for config in configs)
        features = sum(branch.head_hidden_size for branch in branches)
        self.head = make_head(features, num_classes, hidden, norm, drop)

    def get_classifier(self) -> nn.Sequential:
        """The layers that training the head alone leaves free."""
        return self.head

    def forward_features_pooled(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D): the backbones' pooled features side by side."""
        pairs = zip(self.branches, self.rescales)
        return torch.cat([branch(rescale(x)) for branch, rescale in pairs], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features_pooled(x))


def build(
    num_classes: int,
    backbones: Sequence[str] = BACKBONES,
    backbone_args: Optional[Sequence[Dict[str, Any]]] = None,
    hidden: int = 256,
    norm: bool = True,
    drop: float = 0.5,
) -> nn.Module:
    """`backbones` by timm's names under one head of `hidden` units (0: none), BatchNorm and dropout.

    backbone_args: arguments for each backbone's constructor, in the same order. Raises ValueError where their
    number is another, RuntimeError for a name that timm does not know.
    """
    given = [{} for _ in backbones] if backbone_args is None else list(backbone_args)
    if len(given) != len(backbones) or not backbones:
        raise ValueError("{} backbones have {} backbone_args".format(len(backbones), len(given)))
    return Hybrid(num_classes, backbones, given, hidden, norm, drop)
