"""The fit of one (recipe, fold): from training images to averaged weights, resumable after any kill."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.inference.adapt import interleaved, recalibrate
from kit.train.averaging import Ema
from kit.train.balance import draw_balanced
from kit.train.batches import Batches, Material
from kit.train.device import global_state, set_global_state
from kit.train.embedded import with_embeddings
from kit.train.head_start import start_head
from kit.train.images import epoch_batches, steps_per_epoch
from kit.train.matched import drawn, match_norms
from kit.train.objective import Objective
from kit.train.optimiser import make_optimizer
from kit.train.pace import Pace
from kit.train.parallel import ALONE, Ranks
from kit.train.parts import InParts
from kit.train.precision import Precision
from kit.train.progress import FitDisplay
from kit.train.resizing import size_at
from kit.train.schedule import lr_factor
from kit.train.stopping import EarlyStopping
from kit.train.tail import Tail

LOWERED = 0.3
"""Share of its learning rate that a fit goes on with after it diverged."""
SHORT = 0.02
"""Seconds of a pass below which its length says little about the network's speed."""
PLAIN = ("step", "seconds", "ended", "loss", "score", "rate_share")
"""Attributes of a fit that its checkpoint holds as they are."""
TRACE = 0.05
"""Share of a step in the running means of loss and training accuracy."""
READ_EVERY = 16
"""Steps after which the losses of a GPU are read: it is waited for then, and stands still until it has new work."""


class Diverged(TrainError):
    """The loss or the weights are no longer finite."""


class Fit:
    """One network on its way through at most `total` optimiser steps."""

    def __init__(
        self,
        recipe: RecipeConfig,
        net: nn.Module,
        material: Material,
        precision: Precision,
        device: torch.device,
        ranks: Ranks = ALONE,
        deadline: float | None = None,
        begun: bool = False,
    ) -> None:
        """deadline: when it should have made its last step, in the seconds of time.monotonic().

        begun: `resume` follows, so that nothing is spent on weights which it replaces.
        """
        self.recipe, self.precision, self.device, self.ranks = recipe, precision, device, ranks
        self.net = ranks.network(net, device).to(device).to(memory_format=precision.memory_format)
        if recipe.train.sampling == "smote_embeddings":
            plain = Batches(material, recipe.augment, precision, device, recipe.train.seed)
            material = with_embeddings(material, self.net, plain, recipe.train.seed)
        self.material = material
        self.batches = Batches(material, recipe.augment, precision, device, recipe.train.seed, ranks)
        started = time.perf_counter()
        if recipe.finetune.bn == "matched" and not begun:
            match_norms(self.net, drawn(self.batches, recipe.train.seed))
        self.matching = time.perf_counter() - started
        """Seconds of its beginning that do not grow with the rows."""
        if recipe.finetune.head == "probe" and not begun:
            start_head(self.net, self.batches, recipe)
        self.objective = Objective(recipe, self.net, self.batches, precision)
        self.optimizer = self._optimizer()
        self.parts = InParts(self.objective, self.optimizer, recipe.train.accumulate, ranks)
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self.ema = Ema(self.net, recipe.train.ema_decay) if recipe.train.ema_decay else None
        self.stopping = EarlyStopping(recipe.stopping) if material.watched is not None else None
        self.tail = Tail(recipe.train)
        self.per_epoch = steps_per_epoch(len(material.rows), recipe.train.batch_size)
        self.pace = Pace(max(1, round(recipe.train.epochs * self.per_epoch)), deadline)
        self.step, self.seconds, self.ended = 0, 0.0, False
        self.passes: list[float] = []
        """Seconds of each step's forward and backward pass at the full size."""
        self.loss = self.score = 0.0
        self.trace: list[tuple[Tensor, Tensor]] = []
        """Losses and accuracies of steps that are not read yet."""
        self.read_every = 1 if device.type == "cpu" else READ_EVERY
        self.rate_share = 1.0
        """LOWERED once it has diverged."""

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = make_optimizer(self.net, self.recipe.train, self.recipe.finetune)
        if self.objective.projector is not None:
            group = {"params": list(self.objective.projector.parameters()), "lr": self.recipe.train.lr}
            optimizer.add_param_group(group)
        return optimizer

    def run(self, keep: Callable[[dict[str, Any]], None], display: FitDisplay) -> nn.Module:
        """Trains to the end, handing its state to `keep` after every epoch; the network to be scored, on the CPU."""
        self.parts.say = display.echo
        while self.step < self.total and not self.ended:
            started = time.perf_counter()
            self._epoch(display)
            self._read_trace()
            self._check_weights()
            self._end_epoch()
            self.seconds += time.perf_counter() - started
            keep(self.state())
        return self._finished()

    @property
    def total(self) -> int:
        """Steps that it makes in all, unless it stops early."""
        return self.pace.total

    @property
    def averaged(self) -> nn.Module:
        """The network that is scored if the fit ends now."""
        return self.ema.module if self.ema is not None else self.net

    @property
    def images_per_second(self) -> float:
        """Training images per second, over all processes that took part in the fit."""
        return self.step * self.recipe.train.batch_size / max(1e-9, self.seconds)

    def _epoch(self, display: FitDisplay) -> None:
        epoch = self.step // self.per_epoch
        seed = self.recipe.train.seed
        self.ranks.vary(seed, epoch)
        for rows in self.batches.announced(epoch_batches(self._rows(epoch), self.recipe.train.batch_size, seed, epoch)):
            if self.step >= self.total:
                return
            self.trace.append(self.train_step(rows))
            if len(self.trace) >= self.read_every:
                self._read_trace()
            display.step(self.step, self.loss, self.score, len(rows))

    def _read_trace(self) -> None:
        """Takes in the losses and accuracies of the last steps, for which the device is waited for."""
        if not self.trace:
            return
        first = self.step - len(self.trace) + 1
        for step, (loss, score) in enumerate(torch.stack([torch.stack(one) for one in self.trace]).tolist(), first):
            if not math.isfinite(loss):
                raise self._diverged(f"loss is {loss}", step)
            share = TRACE if step > 1 else 1.0
            self.loss += share * (loss - self.loss)
            self.score += share * (score - self.score)
        self.trace.clear()

    def _check_weights(self) -> None:
        """A step may spoil the weights after its loss was seen: such a state is no checkpoint to go back to."""
        for name, tensor in self.averaged.state_dict().items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise self._diverged(f"{name} is not finite", self.step)

    def _diverged(self, what: str, step: int) -> Diverged:
        return Diverged(
            f"{self.recipe.name}: {what} at step {step} of {self.total}. "
            f"Lower train.lr (now {self.recipe.train.lr * self.rate_share:g}), or set train.clip_grad"
        )

    def _rows(self, epoch: int) -> Tensor:
        """The training rows; drawn anew each epoch, every class as often, where the recipe says so."""
        rows = self.material.rows
        if self.recipe.train.sampling != "weighted":
            return rows
        labels = self.material.targets[rows].argmax(1).numpy()
        rng = np.random.default_rng((self.recipe.train.seed, epoch))
        drawn = draw_balanced(labels, len(rows), self.material.targets.shape[1], "inverse", rng)
        return rows[torch.from_numpy(drawn)]

    def train_step(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step on a batch of row numbers; its loss and its accuracy on the augmented images.

        Both are on the device, which computes on when this returns: whoever reads the clock waits for it first
        (`kit.train.device.settle`).
        """
        self.pace.look(self.step)
        progress = self.pace.progress(self.step)
        self.batches.size = size_at(self.recipe, progress)
        self._set_rates(self.objective.stage(progress)[1])
        self.optimizer.zero_grad()
        loss, score = self._backward(rows, progress)
        if self.recipe.train.clip_grad:
            clip_grad_norm_(self.net.parameters(), self.recipe.train.clip_grad)
        self.optimizer.step()
        self.ranks.even_out(self.net)
        if self.ema is not None:
            self.ema.update(self.net)
        self.step += 1
        return loss, score

    def _backward(self, rows: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        before, started = self.batches.seconds, time.perf_counter()
        found = self.parts.backward(rows, progress)
        if self.batches.size == self.recipe.size:
            self.passes.append(time.perf_counter() - started - (self.batches.seconds - before))
        return found

    @property
    def passed_per_second(self) -> float:
        """Images forward and backward per second in undisturbed steps, making batches aside; 0 where it is unknown.

        It is unknown where no step was at full size, and of passes so short that what surrounds them counts.
        """
        shortest = sorted(self.passes)[: len(self.passes) // 4 + 1]
        return self.recipe.train.batch_size / median(shortest) if shortest and median(shortest) > SHORT else 0.0

    def _set_rates(self, progress: float) -> None:
        factor = lr_factor(self.recipe.train, progress) * (self.stopping.factor if self.stopping else 1.0)
        factor *= self.rate_share
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = base * factor

    def _end_epoch(self) -> None:
        progress = self.pace.progress(self.step)
        self.tail.end_epoch(self.averaged, progress)
        if self.stopping is not None and not self.objective.stage(progress)[0]:
            loss = self.ranks.agreed(lambda: self.objective.watched_loss(self.averaged))
            self.ended = self.stopping.update(loss, self.averaged)

    def _finished(self) -> nn.Module:
        """A copy on the CPU of what the fit came to: the best epoch, the averaged tail, or the last weights."""
        net = copy.deepcopy(self.averaged)
        if self.stopping is not None:
            self.stopping.restore(net)
        watched = self.material.watched is not None
        self.tail.finish(net, (lambda one: -self.objective.watched_loss(one)) if watched else None)
        self.batches.size = self.recipe.size
        if self.recipe.train.recalibrate_bn:
            rows = self.material.rows
            rows = rows[rows < len(self.material.images)]
            parts = interleaved(len(rows), self.recipe.train.batch_size)
            recalibrate(net, (self.batches.view(rows[part]) for part in parts))
        return net.cpu().eval()

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "net": self.net.state_dict(),
            "objective": self.objective.state_dict(),
            "parts": self.parts.count,
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "stopping": self.stopping.state_dict() if self.stopping is not None else None,
            "tail": self.tail.state_dict(),
            "pace": self.pace.state_dict(),
            "draws": self.batches.state_dict(),
            "global": global_state(self.device),
            "plain": {name: getattr(self, name) for name in PLAIN},
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from `state`, which a fit of the same recipe and rows gave."""
        self.net.load_state_dict(state["net"])
        self.objective.load_state_dict(state["objective"])
        self.parts.count = state["parts"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self.stopping is not None:
            self.stopping.load_state_dict(state["stopping"])
        self.tail.load_state_dict(state["tail"], self.net)
        self.pace.load_state_dict(state["pace"])
        self.batches.load_state_dict(state["draws"])
        set_global_state(state["global"], self.device)
        for name, value in state["plain"].items():
            setattr(self, name, value)
