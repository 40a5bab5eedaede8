"""An image of what the network sees: one line a class, the untouched image and then draws of the policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

Augment = Callable[[Tensor, Generator], Tensor]
GAP = 2


def augmentation_grid(
    images: np.ndarray, labels: np.ndarray, num_classes: int, augment: Augment, draws: int, seed: int
) -> np.ndarray:
    """(lines, columns) of images as one (lines * (S + 2), (draws + 1) * (S + 2), 3) uint8 RGB page.

    images (N, S, S, 3) uint8, labels (N,) int64. `augment` takes (B, 3, S, S) uint8 and gives the same; a line
    is a random image of a class, classes without images have none.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    rows = [rng.choice(np.flatnonzero(labels == label)) for label in range(num_classes) if (labels == label).any()]
    picked = torch.from_numpy(np.array(images[rows])).permute(0, 3, 1, 2).contiguous()
    columns = [picked, *(augment(picked, generator) for _ in range(draws))]
    side = images.shape[1]
    page = np.full((len(rows), side + GAP, draws + 1, side + GAP, 3), 255, dtype=np.uint8)
    for place, column in enumerate(columns):
        page[:, :side, place, :side] = column.permute(0, 2, 3, 1).numpy()
    return page.reshape(len(rows) * (side + GAP), (draws + 1) * (side + GAP), 3)
