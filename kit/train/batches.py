"""Row numbers to what the network is given: augmented, mixed, normalised, on the device of the fit."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from kit.config import AugmentConfig
from kit.train.augment.policy import augment
from kit.train.mixing import cutout, mix_batch
from kit.train.parallel import ALONE, Ranks
from kit.train.policy import Policy, policy_steps
from kit.train.precision import Precision
from kit.train.resizing import resized_batch


@dataclass(frozen=True)
class Material:
    """What a fit is given."""

    images: Tensor
    """(N, 3, S, S) uint8: all rows of the contest, and rows made up from training ones behind them."""
    targets: Tensor
    """(N, C) float32: one-hot labels, times the weight of the row."""
    rows: Tensor
    """(n,) int64: the training rows of this fold; a row may come more than once."""
    class_weights: Tensor | None
    """(C,) float32."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    watched: Tensor | None = None
    """(w,) int64: rows of the training part that early stopping watches; they are not in `rows`."""
    embeddings: Tensor | None = None
    """(M, D) float32 of made-up rows that have no image; their numbers follow those of the images."""


class Batches:
    """Batches of one fit; every random draw is the generator's, so that its state resumes them."""

    def __init__(
        self,
        material: Material,
        config: AugmentConfig,
        precision: Precision,
        device: torch.device,
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.material, self.config, self.precision, self.device = material, config, precision, device
        self.ranks = ranks
        self.generator = Generator(device).manual_seed(seed)
        self.policy = Policy(policy_steps(config.policy), workers=os.cpu_count() or 1) if config.policy else None
        spread = torch.tensor([material.mean, material.std], device=device).view(2, 1, 3, 1, 1)
        self.mean, self.std = spread[0], spread[1]
        self.size: int = material.images.shape[-1]
        """Height and width that augmented images are brought to; the fit lets it grow."""
        self.seconds = 0.0
        """What making batches has taken so far."""

    def mixed(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images (B, 3, S, S), mixed where the recipe says so, and their soft targets (B, C).

        Of several processes each is given its share of them.
        """
        started = time.perf_counter()
        x, targets = mix_batch(self._augmented(rows), self.targets(rows), self.config, self.generator)
        made = self._normalised(self.ranks.share(x)), self.ranks.share(targets)
        self.seconds += time.perf_counter() - started
        return made

    def view(self, rows: Tensor) -> Tensor:
        """One augmented, unmixed draw of the images (B, 3, S, S)."""
        return self._normalised(self._augmented(rows))

    def plain(self, rows: Tensor) -> Tensor:
        """The images as scoring sees them (B, 3, S, S)."""
        return self._normalised(self._scaled(self.material.images[rows]))

    def targets(self, rows: Tensor) -> Tensor:
        """One-hot labels (B, C), times the weights of the rows."""
        return self.material.targets[rows].to(self.device)

    def embeddings(self, rows: Tensor) -> Tensor:
        """(B, D) float32: what the head is given for rows that have no image."""
        assert self.material.embeddings is not None
        return self.material.embeddings[rows - len(self.material.images)].to(self.device)

    def _augmented(self, rows: Tensor) -> Tensor:
        images = self.material.images[rows]
        if self.policy is not None:
            images = self.policy(images, self.generator)
        x = augment(resized_batch(self._scaled(images), self.size), self.config, self.generator)
        return cutout(x, self.config.cutout, self.generator) if self.config.cutout else x

    def _scaled(self, images: Tensor) -> Tensor:
        return images.to(self.device).float().div_(255)

    def _normalised(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.std).contiguous(memory_format=self.precision.memory_format)
