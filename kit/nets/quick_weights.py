"""Random weights for networks that are looked at, not trained: from one pool instead of a draw for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

POOL = 1_000_003
"""Numbers in the pool: a prime, so that no two rows of a weight are alike."""

LARGE = 100_000
"""Elements from which on a tensor is filled from the pool."""

SPREAD = 12**0.5
"""From the standard deviation of a uniform distribution to its width."""


class QuickWeights(TorchFunctionMode):
    """While it is entered, large tensors are filled with copies of a pool of uniform numbers.

    Mean and standard deviation are those asked for, the distribution is not: drawing the 86 million weights of
    a ViT-B takes seconds, copying them a tenth of that. Follows torch's global generator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pool = torch.rand(POOL)
        self.fills: dict[Any, Callable[..., Tensor]] = {
            Tensor.uniform_: self._uniform,
            Tensor.normal_: self._normal,
            Tensor.erfinv_: lambda x: x,  # truncated normal ones are made of uniform ones by it
            nn.init.uniform_: lambda tensor, a=0.0, b=1.0: self._uniform(tensor, a, b),
            nn.init.normal_: lambda tensor, mean=0.0, std=1.0: self._normal(tensor, mean, std),
            nn.init.kaiming_uniform_: self._kaiming_uniform,
        }

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {name: value for name, value in (kwargs or {}).items() if name != "generator"}
        if func in self.fills:
            x, *rest = args or (given.pop("tensor"),)
            if x.numel() >= LARGE and x.device.type == "cpu":
                with torch.no_grad():
                    return self.fills[func](x, *rest, **given)
        return func(*args, **(kwargs or {}))

    def _uniform(self, x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        return self._fill(x, low, high - low)

    def _normal(self, x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
        return self._fill(x, mean - std * SPREAD / 2, std * SPREAD)

    def _kaiming_uniform(
        self, x: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
    ) -> Tensor:
        fan = dict(zip(("fan_in", "fan_out"), nn.init._calculate_fan_in_and_fan_out(x)))[mode]
        bound = 3**0.5 * nn.init.calculate_gain(nonlinearity, a) / fan**0.5  # type: ignore[arg-type]
        return self._uniform(x, -bound, bound)

    def _fill(self, x: Tensor, low: float, width: float) -> Tensor:
        """The pool from a random place on, as often as it takes; the next call starts elsewhere."""
        values, first = self.pool * width + low, int(torch.randint(POOL, ()))
        flat = x.view(-1) if x.is_contiguous() else torch.empty(x.numel())
        for start in range(0, x.numel(), POOL):
            piece = flat[start : start + POOL]
            left = min(len(piece), POOL - first)
            piece[:left] = values[first : first + left]
            piece[left:] = values[: len(piece) - left]
        return x if x.is_contiguous() else x.copy_(flat.view(x.shape))
