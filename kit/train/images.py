"""The training images of one recipe: resized once, kept as uint8, handed out in shuffled batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kit.inference.model import preprocess


def resized(images: np.ndarray, size: int, piece: int = 1024) -> Tensor:
    """(N, 3, size, size) uint8 of images (N, H, W, 3) uint8, by the resizing that the submission uses."""
    parts = []
    for start in range(0, len(images), piece):
        x = preprocess(np.array(images[start : start + piece]), size, (0.0,) * 3, (1.0,) * 3)
        parts.append((x * 255).round_().to(torch.uint8).contiguous())
    return torch.cat(parts)


def epoch_batches(rows: Tensor, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Row numbers of one epoch in an order that depends on (seed, epoch) alone; a ragged end is left out.

    A class of few rows still comes by: what one epoch leaves out, the next shuffle takes.
    """
    generator = torch.Generator().manual_seed((seed * 100_003 + epoch) % 2**63)
    order = rows[torch.randperm(len(rows), generator=generator)]
    for start in range(0, steps_per_epoch(len(rows), batch_size) * batch_size, batch_size):
        yield order[start : start + batch_size]


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Optimiser steps of one epoch, at least one."""
    return max(1, rows // batch_size)
