"""The last epochs of a fit, averaged at its end: SWA, or a soup of their checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from kit.config import TrainConfig
from kit.train.averaging import State, Swa, greedy_soup, uniform_soup


class Tail:
    """Collects networks over the last `config.swa` of a fit, one an epoch."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self._swa: Swa | None = None
        self._states: list[dict[str, Tensor]] = []

    def end_epoch(self, net: nn.Module, progress: float) -> None:
        """Takes `net` in where `progress` (0..1, after the epoch) lies in the tail."""
        if self.config.swa == 0 or progress <= 1 - self.config.swa:
            return
        if self.config.soup == "none":
            self._swa = self._swa or Swa(net)
            self._swa.update(net)
        else:
            self._states.append({key: value.detach().cpu().clone() for key, value in net.state_dict().items()})

    def finish(self, net: nn.Module, score: Callable[[nn.Module], float] | None = None) -> str:
        """Loads the average into `net`; returns a line saying what it is of, "" where there is no tail.

        score: of a network on the watched rows, the higher the better; a greedy soup needs it.
        """
        if self._swa is not None:
            net.load_state_dict(self._swa.module.state_dict())
            return f"weights averaged over {self._swa.updates} epochs"
        if not self._states:
            return ""
        if self.config.soup == "uniform":
            net.load_state_dict(uniform_soup(self._states))
            return f"uniform soup of {len(self._states)} epochs"
        assert score is not None
        soup, kept = greedy_soup(self._states, _scorer(net, score))
        net.load_state_dict(soup)
        return f"greedy soup of {len(kept)} of {len(self._states)} epochs"

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values for the checkpoint."""
        swa = None if self._swa is None else self._swa.state_dict()
        return {"swa": swa, "states": self._states}

    def load_state_dict(self, state: dict[str, Any], net: nn.Module) -> None:
        """Goes on from `state_dict`'s values; `net` gives the shapes."""
        self._states = list(state["states"])
        if state["swa"] is not None:
            self._swa = Swa(net)
            self._swa.load_state_dict(state["swa"])


def _scorer(net: nn.Module, score: Callable[[nn.Module], float]) -> Callable[[State], float]:
    def of_state(state: State) -> float:
        net.load_state_dict(state)
        return score(net)

    return of_state
