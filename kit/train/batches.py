"""Row numbers to what the network is given: augmented, mixed, normalised, on the device of the fit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from kit.config import AugmentConfig
from kit.train.ahead import Ahead
from kit.train.augment.policy import augment
from kit.train.device import sent
from kit.train.mixing import cutout, mix_batch
from kit.train.parallel import ALONE, Ranks
from kit.train.precision import Precision
from kit.train.presets import policy_steps
from kit.train.resizing import resized_batch
from kit.train.rows import Rows

if TYPE_CHECKING:
    from kit.train.policy import Policy

AHEAD = 2**24
"""Pixels that a GPU augments at once: 1,820 images of 96 px. Launching a kernel costs the same for one and for many."""


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
        """Draws what only the device has to know."""
        self.host = self.generator if device.type == "cpu" else Generator().manual_seed(seed)
        """Draws what the host has to know."""
        self.policy = _policy(config)
        self.images = Rows(material.images, device, self.policy is None)
        self.labels = Rows(material.targets, device)
        self.made_up = None if material.embeddings is None else Rows(material.embeddings, device)
        self.ahead = Ahead(self._fresh, 0 if device.type == "cpu" or self.made_up is not None else AHEAD)
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
        x, targets = mix_batch(
            self._augmented(rows), self.targets(rows), self.config, self.generator, self.host
        )
        made = self._normalised(self.ranks.share(x)), self.ranks.share(targets)
        self.seconds += time.perf_counter() - started
        return made

    def view(self, rows: Tensor) -> Tensor:
        """One augmented, unmixed draw of the images (B, 3, S, S)."""
        return self._normalised(self._augmented(rows))

    def plain(self, rows: Tensor) -> Tensor:
        """The images as scoring sees them (B, 3, S, S)."""
        return self._normalised(self._scaled(rows))

    def targets(self, rows: Tensor) -> Tensor:
        """One-hot labels (B, C), times the weights of the rows."""
        return self.labels[rows]

    def embeddings(self, rows: Tensor) -> Tensor:
        """(B, D) float32: what the head is given for rows that have no image."""
        assert self.made_up is not None
        return self.made_up[rows - len(self.material.images)]

    def announced(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        """`batches` of row numbers one by one; a GPU is asked to augment several of them at once."""
        return self.ahead.over(batches, lambda: self.size)

    def state_dict(self) -> dict[str, Tensor]:
        """Between two epochs: the states of what draws."""
        return {"device": self.generator.get_state(), "host": self.host.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Goes on from `state_dict`'s values."""
        self.ahead.forget()
        self.host.set_state(state["host"])
        self.generator.set_state(state["device"])

    def _augmented(self, rows: Tensor) -> Tensor:
        made = self.ahead.take(rows, self.size)
        return self._fresh(rows) if made is None else made

    def _fresh(self, rows: Tensor) -> Tensor:
        x = augment(resized_batch(self._scaled(rows, self.policy), self.size), self.config, self.generator, self.host)
        return cutout(x, self.config.cutout, self.generator) if self.config.cutout else x

    def _scaled(self, rows: Tensor, policy: Policy | None = None) -> Tensor:
        if policy is None:
            return self.images[rows].float().div_(255)
        return sent(policy(self.material.images[rows], self.host), self.device).float().div_(255)

    def _normalised(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.std).contiguous(memory_format=self.precision.memory_format)


def _policy(config: AugmentConfig) -> Policy | None:
    """What the recipe writes in albumentations' words, where it does."""
    if not config.policy:
        return None
    from kit.train.policy import Policy  # takes a second to import, and few recipes have one

    return Policy(policy_steps(config.policy), workers=os.cpu_count() or 1)
