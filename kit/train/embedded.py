"""SMOTE on embeddings: rows made up where a frozen network puts the images, for a head that learns alone.

Neighbours in pixels are blends of two images that no camera takes; neighbours before the head are images
that the network finds alike (DeepSMOTE, arXiv:2105.02340, argues the same). The body does not change in such
a fit, so that the embeddings are made once, of the images as scoring sees them.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from kit.errors import TrainError
from kit.inference.model import rows_at_once
from kit.nets.heads import head_layers, pooled_features
from kit.train.balance import smote
from kit.train.batches import Batches, Material


def with_embeddings(material: Material, net: nn.Module, batches: Batches, seed: int) -> Material:
    """The material with embeddings made up until every class has as many training rows as the largest.

    They are numbered after the images, and weigh 1. Working memory: that of `kit.train.balance.smote`, and
    (n, D) float32 of the n training rows.
    """
    single_head(net)
    labels = material.targets[material.rows].argmax(1).numpy()
    grown, grown_labels = smote(embed(net, batches, material.rows).numpy(), labels, seed)
    made, made_labels = torch.from_numpy(grown[len(labels) :]), torch.from_numpy(grown_labels[len(labels) :])
    targets = nn.functional.one_hot(made_labels, material.targets.shape[1]).float()
    numbers = torch.arange(len(made)) + len(material.images)
    return replace(
        material,
        targets=torch.cat([material.targets, targets]),
        rows=torch.cat([material.rows, numbers]),
        embeddings=made,
    )


@torch.no_grad()
def embed(net: nn.Module, batches: Batches, rows: Tensor) -> Tensor:
    """(n, D) float32 on the CPU: what the head is given for the images of `rows` (n,)."""
    was_training = net.training
    net.eval()
    piece = rows_at_once(batches.size, batches.device.type)
    parts = [pooled_features(net, batches.plain(part)).float().cpu() for part in rows.split(piece)]
    net.train(was_training)
    return torch.cat(parts)


def single_head(
    net: nn.Module, asked: str = 'train.sampling = "smote_embeddings"', other: str = 'Use "oversample" or "weighted"'
) -> nn.Linear:
    """The linear layer that turns embeddings into logits; TrainError where the classifier is something else.

    asked, other: what needs it, and what does not, for the error.
    """
    found = head_layers(net)
    if len(found) == 1 and isinstance(found[0], nn.Linear):
        return found[0]
    kinds = " and ".join(type(layer).__name__ for layer in found) or "none"
    raise TrainError(
        f"{asked} needs a network whose classifier is one linear layer, but this one's is {kinds}. {other}"
    )
