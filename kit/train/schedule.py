"""Learning rates as a function of how far the fit is, so that resuming needs no state.

The exception is `Plateau`, which watches a score; its state goes into the checkpoint.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from kit.config import TrainConfig

WARMUP_START = 0.01
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1e-4 / 25
STEPS = (0.5, 0.75)
"""Where "step" divides the rate by ten, as shares of the fit (He et al., arXiv:1512.03385)."""


def lr_factor(config: TrainConfig, progress: float) -> float:
    """Factor on every base learning rate at `progress` (0 at the first step, 1 after the last).

    cosine: linear warm-up, then half a cosine to 0 (arXiv:1608.03983). one_cycle: cosine up from 1/25 and
    down to 4e-6 (arXiv:1708.07120, as torch's OneCycleLR). step: divided by ten at 1/2 and 3/4. constant: 1.
    All but one_cycle warm up linearly over the first `config.warmup` of the fit.
    """
    warmup = config.warmup
    if config.schedule == "one_cycle":
        if progress < warmup:
            return _cosine(ONE_CYCLE_START, 1.0, progress / warmup)
        return _cosine(1.0, ONE_CYCLE_END, (progress - warmup) / max(1 - warmup, 1e-9))
    if progress < warmup:
        return WARMUP_START + (1 - WARMUP_START) * progress / warmup
    if config.schedule == "cosine":
        return _cosine(1.0, 0.0, (progress - warmup) / max(1 - warmup, 1e-9))
    if config.schedule == "step":
        return 0.1 ** sum(progress >= at for at in STEPS)
    return 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


class Plateau:
    """A factor on the learning rate that falls when a watched loss stops falling: torch's ReduceLROnPlateau.

    It multiplies `lr_factor`'s value; `update` once an epoch with a loss of rows that are not scored later.
    """

    def __init__(self, factor: float = 0.5, patience: int = 3, min_factor: float = 1e-3) -> None:
        # torch's class drives an optimiser; one that holds a single rate of 1 makes it give a factor.
        self._rate = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        self._watcher = ReduceLROnPlateau(self._rate, factor=factor, patience=patience, min_lr=min_factor)

    @property
    def factor(self) -> float:
        return float(self._rate.param_groups[0]["lr"])

    def update(self, loss: float) -> float:
        """The factor after seeing this epoch's loss."""
        self._watcher.step(loss)
        return self.factor

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        return {"factor": self.factor, "best": self._watcher.best, "bad": self._watcher.num_bad_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict`'s values."""
        self._rate.param_groups[0]["lr"] = state["factor"]
        self._watcher.best, self._watcher.num_bad_epochs = state["best"], state["bad"]
