"""Early stopping: rows of the training part that are watched, and the best epoch's weights given back.

The rows that are scored are never watched: a fold that chooses its own checkpoint flatters its score.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kit.config import StoppingConfig
from kit.train.schedule import Plateau


def inner_split(
    rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """`rows` (n,) int64 of a training part as (rows to train on, rows to watch), both in their order.

    labels and groups (N,) are those of all rows; classes keep their shares, groups stay whole. `share` is met to
    the nearest 1 / k.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # few recipes stop early, and it takes a second

    folds = StratifiedGroupKFold(max(2, round(1 / share)), shuffle=True, random_state=seed)
    train, watched = next(folds.split(rows, labels[rows], groups[rows]))
    return rows[train], rows[watched]


class EarlyStopping:
    """Watches a loss once an epoch; knows when to end, the factor on the learning rate, and the best weights."""

    def __init__(self, config: StoppingConfig) -> None:
        self.config = config
        self.best_loss, self.waited = float("inf"), 0
        self.best: dict[str, Tensor] | None = None
        patience = config.plateau_patience or config.patience
        self._plateau = Plateau(config.plateau_factor, patience)

    def update(self, loss: float, net: nn.Module) -> bool:
        """Takes an epoch's loss on the watched rows and the network that had it; True when the fit should end."""
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best = {key: value.detach().clone() for key, value in net.state_dict().items()}
        else:
            self.waited += 1
        self._plateau.update(loss)
        return self.waited >= self.config.patience

    @property
    def factor(self) -> float:
        """Factor on the learning rate, beside the schedule's."""
        return self._plateau.factor if self.config.plateau_patience else 1.0

    @torch.no_grad()
    def restore(self, net: nn.Module) -> None:
        """Gives `net` the weights of its best epoch."""
        if self.best is not None:
            net.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values for the checkpoint."""
        plateau = self._plateau.state_dict()
        return {"loss": self.best_loss, "waited": self.waited, "best": self.best, "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict`'s values."""
        self.best_loss, self.waited, self.best = state["loss"], state["waited"], state["best"]
        self._plateau.load_state_dict(state["plateau"])
