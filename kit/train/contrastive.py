"""Supervised contrastive pre-training (Khosla et al., arXiv:2004.11362) as the first share of a fit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kit.config import ContrastiveConfig, FinetuneConfig
from kit.nets.heads import pooled_features
from kit.train.losses import supervised_contrastive


class Projector(nn.Sequential):
    """Features (N, D) -> projections (N, dim); used in pre-training alone and thrown away after."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, dim))


def make_projector(net: nn.Module, config: ContrastiveConfig, size: int) -> Projector:
    """The projector for images of `size` pixels through `net`, on the device of `net`."""
    device = next(net.parameters()).device
    was_training = net.training
    with torch.no_grad():
        features = pooled_features(net.eval(), torch.zeros(1, 3, size, size, device=device))
    net.train(was_training)
    return Projector(features.shape[1], config.dim).to(device)


def contrastive_loss(
    net: nn.Module, projector: Projector, first: Tensor, second: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """The loss of two augmented views (N, 3, S, S) of the same images, whose one-hot targets are (N, C)."""
    projected = projector(pooled_features(net, torch.cat([first, second])))
    with torch.autocast(projected.device.type, enabled=False):  # which leaves a CPU's softmax in bfloat16
        return supervised_contrastive(projected.float(), targets.argmax(1).repeat(2), temperature)


def stage(config: ContrastiveConfig, progress: float) -> tuple[bool, float]:
    """Whether the fit is still pre-training at `progress` (0..1), and how far that stage is (0..1).

    Both stages run the whole schedule of the learning rate.
    """
    if progress < config.share:
        return True, progress / config.share
    return False, (progress - config.share) / max(1 - config.share, 1e-9)


def after_pretraining(config: ContrastiveConfig, finetune: FinetuneConfig) -> FinetuneConfig:
    """What learns in the second stage: the head alone where the recipe says "linear"."""
    linear = config.share > 0 and config.then == "linear"
    return finetune.model_copy(update={"frozen": 1.0}) if linear else finetune
