"""Losses on logits (N, C) and soft targets (N, C): MixUp and CutMix give such. A target sums to its row's weight.

Every loss is a mean over rows; with class weights a row counts as its target's mean weight, and the weights
are divided out again, so that they move the balance and not the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from kit.train import balance

Loss = Callable[[Tensor, Tensor], Tensor]
LossName = Literal["cross_entropy", "focal", "bce"]
WeightKind = Literal["none", "inverse", "effective"]


def class_weights(kind: WeightKind, labels: Tensor, num_classes: int) -> Tensor | None:
    """`balance.class_weights` of `labels` (N,) int64 as a tensor (C,) float32; None for "none"."""
    if kind == "none":
        return None
    return torch.from_numpy(balance.class_weights(labels.cpu().numpy(), num_classes, kind))


def smooth(targets: Tensor, amount: float) -> Tensor:
    """`amount` of every row's mass spread evenly over the classes (arXiv:1512.00567)."""
    spread = amount / targets.shape[1] * targets.sum(1, keepdim=True)
    return targets * (1 - amount) + spread if amount else targets


def _mean(per_row: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return per_row.mean()
    row_weights = targets @ weights.to(targets) / targets.sum(1)
    return (per_row * row_weights).sum() / row_weights.sum()


def soft_cross_entropy(
    logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy with soft targets."""
    per_row = -(smooth(targets, label_smoothing) * logits.log_softmax(1)).sum(1)
    return _mean(per_row, targets, weights)


def focal(
    logits: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    weights: Tensor | None = None,
    gamma: float = 2.0,
) -> Tensor:
    """Cross-entropy with each term scaled by (1 - p) ** gamma (Lin et al., arXiv:1708.02002)."""
    log_p = logits.log_softmax(1)
    terms = smooth(targets, label_smoothing) * (1 - log_p.exp()) ** gamma * log_p
    return _mean(-terms.sum(1), targets, weights)


def bce(
    logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """One yes-or-no question a class, summed over classes (as in "ResNet strikes back", arXiv:2110.00476)."""
    mass = targets.sum(1, keepdim=True)
    wanted = smooth(targets / mass, label_smoothing)
    per_row = F.binary_cross_entropy_with_logits(logits, wanted, weight=mass, reduction="none").sum(1)
    return _mean(per_row, targets, weights)


def make_loss(
    name: LossName, label_smoothing: float = 0.0, weights: Tensor | None = None, gamma: float = 2.0
) -> Loss:
    """loss(logits (N, C), targets (N, C)) -> scalar."""
    if name == "focal":
        return partial(focal, label_smoothing=label_smoothing, weights=weights, gamma=gamma)
    chosen = bce if name == "bce" else soft_cross_entropy
    return partial(chosen, label_smoothing=label_smoothing, weights=weights)


def supervised_contrastive(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Pulls rows of one class together on the unit sphere (Khosla et al., arXiv:2004.11362, L_out).

    features (M, D), any length; labels (M,) int64. Several views of an image are rows with its label. Rows
    that share their class with no other row are left out; 0 where all are.
    """
    unit = F.normalize(features.float(), dim=1)
    alone = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = (unit @ unit.T / temperature).masked_fill(alone, float("-inf"))
    log_p = similarity - similarity.logsumexp(1, keepdim=True)
    same = (labels[:, None] == labels[None]) & ~alone
    count = same.sum(1)
    per_row = -log_p.masked_fill(~same, 0.0).sum(1) / count.clamp_min(1)
    return per_row.sum() / (count > 0).sum().clamp_min(1)
