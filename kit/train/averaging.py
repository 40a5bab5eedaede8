"""Averages of weights: over the steps of a fit (EMA), over its epochs (SWA), over checkpoints (soups)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]
WARMUP = 8


class Average(nn.Module):
    """A running average of networks, their BatchNorm statistics included; `module` is the averaged network.

    Its state dict holds all that goes into a checkpoint.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(net).eval().requires_grad_(False)
        self.updates = 0

    def weight(self) -> float:
        """Share of the next network in the average; 1 for the first."""
        return 1 / (self.updates + 1)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Takes the weights of `net` in."""
        weight, own, new = self.weight(), self.module.state_dict(), net.state_dict()
        floating = [key for key, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[key] for key in floating], [new[key] for key in floating], weight)
        if counters := sorted(own.keys() - set(floating)):
            torch._foreach_copy_([own[key] for key in counters], [new[key] for key in counters])
        self.updates += 1

    def get_extra_state(self) -> dict[str, int]:
        """torch's hook for what else the state dict holds."""
        return {"updates": self.updates}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """torch's hook for putting it back."""
        self.updates = state["updates"]


class Swa(Average):
    """Equal average of the networks it is given (SWA, arXiv:1803.05407), one an epoch of the tail.

    `recalibrate` it before scoring: averaged weights have other activations than the weights averaged.
    """


class Ema(Average):
    """Exponential moving average over steps.

    The t-th update moves it by max(1 - decay, 9 / (t + 8)): the first one copies, so that nothing of the
    random start stays in, and while t is small it reaches over the last tenth of the steps (polynomial-decay
    averaging, arXiv:1212.1824). A constant decay would hold the start for 1 / (1 - decay) steps.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__(net)
        self.decay = decay

    def weight(self) -> float:
        """Share of the next network in the average."""
        return max(1 - self.decay, (WARMUP + 1) / (self.updates + 1 + WARMUP))


def uniform_soup(states: Sequence[State]) -> dict[str, Tensor]:
    """The mean of state dicts of one network; counters are the first's."""
    return {key: _mean([state[key] for state in states]) for key in states[0]}


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        return first.clone()
    return torch.stack([tensor.float() for tensor in tensors]).mean(0).to(first.dtype)


def greedy_soup(
    states: Sequence[State], score: Callable[[State], float]
) -> tuple[dict[str, Tensor], list[int]]:
    """The soup of Wortsman et al. (arXiv:2203.05482), and the indices of the states in it, best first.

    Starts from the state of the highest score and takes each next one in when the mean does not score less.
    `score` must use rows that are not scored later: an inner split of the training fold.
    """
    alone = [score(state) for state in states]
    order = sorted(range(len(states)), key=lambda index: -alone[index])
    kept, best = order[:1], alone[order[0]]
    for index in order[1:]:
        tried = score(uniform_soup([states[i] for i in [*kept, index]]))
        if tried >= best:
            kept, best = [*kept, index], tried
    return uniform_soup([states[i] for i in kept]), kept
