"""What one optimiser step minimises: the recipe's loss on labels, after contrastive pre-training where it has some."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kit.config import FinetuneConfig, RecipeConfig
from kit.train.batches import Batches
from kit.train.contrastive import after_pretraining, contrastive_loss, make_projector, stage
from kit.train.embedded import single_head
from kit.train.finetune import head_penalty, layer_indices, train_mode
from kit.train.losses import make_loss
from kit.train.precision import Precision


class Objective:
    """The loss of a batch of row numbers, and which layers learn from it."""

    def __init__(self, recipe: RecipeConfig, net: nn.Module, batches: Batches, precision: Precision) -> None:
        self.recipe, self.net, self.batches, self.precision = recipe, net, batches, precision
        train = recipe.train
        weights = batches.material.class_weights
        weights = None if weights is None else weights.to(batches.device)
        self.criterion = make_loss(train.loss, train.label_smoothing, weights, train.focal_gamma)
        self.finetune = after_pretraining(recipe.contrastive, recipe.finetune)
        self.layers = layer_indices(net)
        contrast = recipe.contrastive
        self.projector = make_projector(net, contrast, recipe.size) if contrast.share else None

    def stage(self, progress: float) -> tuple[bool, float]:
        """Whether pre-training goes on at `progress` (0..1) of the fit, and how far its stage is (0..1)."""
        return stage(self.recipe.contrastive, progress)

    def __call__(self, rows: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """The loss, to go backward from, and the accuracy on the augmented images (0 while pre-training).

        Both are on the device, which nothing here waits for.
        """
        pretraining, within = self.stage(progress)
        if pretraining:
            train_mode(self.net, FinetuneConfig(), within)
            loss = self._contrast(rows)
            return loss, torch.zeros_like(loss, requires_grad=False)
        train_mode(self.net, self.finetune, within, self.layers)
        return self._supervised(rows)

    def _contrast(self, rows: Tensor) -> Tensor:
        assert self.projector is not None
        first, second = self.batches.view(rows), self.batches.view(rows)
        with self.precision.autocast(self.batches.device):
            targets, temperature = self.batches.targets(rows), self.recipe.contrastive.temperature
            return contrastive_loss(self.net, self.projector, first, second, targets, temperature)

    def _supervised(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        logits, targets = self._predicted(rows)
        loss = self.criterion(logits.float(), targets)
        head = self.recipe.finetune
        if head.head_l1 or head.head_l2:
            loss = loss + head_penalty(self.net, head.head_l1, head.head_l2)
        return loss, (logits.detach().argmax(1) == targets.argmax(1)).float().mean()

    def _predicted(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and targets (B, C): of images through the network, of made-up embeddings through its head."""
        pictured = rows < len(self.batches.material.images)
        parts: list[tuple[Tensor, Tensor]] = []
        if pictured.any():
            x, targets = self.batches.mixed(rows[pictured])
            with self.precision.autocast(self.batches.device):
                parts.append((self.net(x), targets))
        if not pictured.all():
            made = rows[~pictured]
            with self.precision.autocast(self.batches.device):
                parts.append((single_head(self.net)(self.batches.embeddings(made)), self.batches.targets(made)))
        return torch.cat([logits for logits, _ in parts]), torch.cat([targets for _, targets in parts])

    @torch.no_grad()
    def watched_loss(self, net: nn.Module, batch_size: int = 256) -> float:
        """Mean loss of `net` on the watched rows, as scoring sees them."""
        rows = self.batches.material.watched
        assert rows is not None
        was_training = net.training
        net.eval()
        total = 0.0
        for part in rows.split(batch_size):
            logits = net(self.batches.plain(part)).float()
            total += self.criterion(logits, self.batches.targets(part)).item() * len(part)
        net.train(was_training)
        return total / len(rows)

    def state_dict(self) -> dict[str, Any]:
        """The projector, which is all that learns here."""
        return {} if self.projector is None else self.projector.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict`'s values."""
        if self.projector is not None:
            self.projector.load_state_dict(state)
