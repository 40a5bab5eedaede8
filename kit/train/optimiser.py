"""Optimisers by name, from timm's factory, over groups of parameters with their own learning rates."""

from __future__ import annotations

from typing import Any

import timm.optim
import torch
from torch import nn

from kit.config import FinetuneConfig, TrainConfig
from kit.train.finetune import parameter_groups

FUSED = ("adam", "adamw")
"""One kernel for all parameters, on CPUs as well; that of SGD cannot start on layers unfrozen later."""


def make_optimizer(
    net: nn.Module, config: TrainConfig, finetune: FinetuneConfig | None = None
) -> torch.optim.Optimizer:
    """The optimiser over all parameters of `net`; each group's "lr" is its base rate.

    To be made before anything is frozen: what has no gradient is skipped by it.
    """
    groups = parameter_groups(net, config.lr, config.weight_decay, finetune or FinetuneConfig())
    extra: dict[str, Any] = {"fused": True} if config.optimizer in FUSED else {}
    return timm.optim.create_optimizer_v2(groups, opt=config.optimizer, lr=config.lr, **extra)
