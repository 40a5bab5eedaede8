"""The fit of one (recipe, fold): from training pictures to averaged weights, resumable after any kill."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.train import checkpoint
from kit.train.augment.policy import augment
from kit.train.averaging import Ema
from kit.train.device import Precision
from kit.train.losses import soft_cross_entropy
from kit.train.mixing import mix_batch
from kit.train.optimiser import make_optimizer
from kit.train.pictures import epoch_batches, steps_per_epoch
from kit.train.progress import FitDisplay
from kit.train.schedule import lr_factor


@dataclass(frozen=True)
class Material:
    """What a fit is given."""

    pictures: Tensor
    """(N, 3, S, S) uint8: all rows of the contest."""
    targets: Tensor
    """(N, C) float32: one-hot labels."""
    rows: Tensor
    """(n,) int64: the training rows of this fold."""
    class_weights: Tensor | None
    """(C,) float32."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Fit:
    """One network on its way through `total` optimiser steps."""

    def __init__(
        self, recipe: RecipeConfig, net: nn.Module, material: Material, precision: Precision, device: torch.device
    ) -> None:
        self.recipe, self.material, self.precision, self.device = recipe, material, precision, device
        self.net = net.to(device).to(memory_format=precision.memory_format)
        self.optimizer = make_optimizer(self.net, recipe.train)
        self.ema = Ema(self.net, recipe.train.ema_decay) if recipe.train.ema_decay else None
        self.generator = torch.Generator(device).manual_seed(recipe.train.seed)
        self.per_epoch = steps_per_epoch(len(material.rows), recipe.train.batch_size)
        self.total = max(1, round(recipe.train.epochs * self.per_epoch))
        self.step, self.seconds = 0, 0.0
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        spread = torch.tensor([material.mean, material.std], device=device).view(2, 1, 3, 1, 1)
        self.mean, self.std = spread[0], spread[1]

    def run(self, path: Path, rerun: str, display: FitDisplay) -> nn.Module:
        """Trains to the end, writing `path` after every epoch; returns the network to be scored, on the CPU."""
        while self.step < self.total:
            started = time.perf_counter()
            self._epoch(display)
            self.seconds += time.perf_counter() - started
            checkpoint.save(path, self.state())
        net = self.ema.module if self.ema is not None else self.net
        return copy.deepcopy(net).cpu().eval()

    def _epoch(self, display: FitDisplay) -> None:
        self.net.train()
        epoch = self.step // self.per_epoch
        seed = self.recipe.train.seed
        for rows in epoch_batches(self.material.rows, self.recipe.train.batch_size, seed, epoch):
            if self.step >= self.total:
                return
            loss, score = self.train_step(rows)
            if not math.isfinite(loss):
                raise TrainError(
                    f"{self.recipe.name}: loss is {loss} at step {self.step} of {self.total}. "
                    f"Lower train.lr (now {self.recipe.train.lr}), or set train.clip_grad"
                )
            display.step(self.step, loss, score, len(rows))

    def train_step(self, rows: Tensor) -> tuple[float, float]:
        """One optimiser step on a batch of row numbers; its loss and its accuracy on the augmented pictures."""
        factor = lr_factor(self.recipe.train, self.step / self.total)
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = base * factor
        x, targets = self._batch(rows)
        with self.precision.autocast(self.device):
            logits = self.net(x)
        config = self.recipe.train
        loss = soft_cross_entropy(logits.float(), targets, config.label_smoothing, self.material.class_weights)
        self.optimizer.zero_grad()
        loss.backward()
        if config.clip_grad:
            clip_grad_norm_(self.net.parameters(), config.clip_grad)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.net)
        self.step += 1
        return loss.item(), (logits.detach().argmax(1) == targets.argmax(1)).float().mean().item()

    def _batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.material.pictures[rows].to(self.device).float().div_(255)
        x = augment(x, self.recipe.augment, self.generator)
        targets = self.material.targets[rows].to(self.device)
        x, targets = mix_batch(x, targets, self.recipe.augment, self.generator)
        return ((x - self.mean) / self.std).contiguous(memory_format=self.precision.memory_format), targets

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
            "step": self.step,
            "total": self.total,
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any] | None) -> None:
        """Goes on from `state`, where there is one and it belongs to this recipe's length."""
        if state is None:
            return
        if state["total"] != self.total:
            raise TrainError(
                f"{self.recipe.name}: the checkpoint is of a fit of {state['total']} steps, this one has "
                f"{self.total}. Delete the fold's folder, or give the recipe its former epochs"
            )
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global"])
        self.step, self.seconds = state["step"], state["seconds"]
