"""Networks as graphs of ATen operators, run by torch alone (2.4 and later): no timm, no class of the
network.

Shipped beside model.py; Python 3.7 syntax.
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Dict, List

import numpy as np
import torch

INTEGERS = {
    "getitem": operator.getitem,
    "mul": operator.mul,
    "add": operator.add,
    "sub": operator.sub,
    "floordiv": operator.floordiv,
    "neg": operator.neg,
}  # type: Dict[str, Callable[..., Any]]
"""Python's functions on the sizes that a graph computes with."""


class GraphNet(torch.nn.Module):
    """(N, 3, S, S) float32 -> (N, C): runs the nodes of a graph in order, dropping values after their last use."""

    def __init__(self, graph: Dict[str, Any], arrays: Dict[str, np.ndarray], dead: List[List[str]]) -> None:
        super().__init__()
        self.input, self.output, self.dead = graph["input"], graph["output"], dead
        self.steps = [(name, function(op), args, kwargs) for name, op, args, kwargs in graph["nodes"]]
        self.places = {name: "w%d" % number for number, name in enumerate(sorted(arrays))}
        for name, place in self.places.items():
            tensor = torch.from_numpy(arrays[name])
            if tensor.dim() == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            if tensor.is_floating_point():
                self.register_parameter(place, torch.nn.Parameter(tensor, requires_grad=False))
            else:
                self.register_buffer(place, tensor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {self.input: x}
        for (name, call, args, kwargs), dead in zip(self.steps, self.dead):
            given = [self.value(argument, values) for argument in args]
            values[name] = call(*given, **{key: self.value(item, values) for key, item in kwargs.items()})
            for old in dead:
                del values[old]
        return values[self.output]

    def value(self, argument: Any, values: Dict[str, Any]) -> Any:
        """An argument as the operator takes it."""
        if isinstance(argument, list):
            return [self.value(item, values) for item in argument]
        if not isinstance(argument, dict):
            return argument
        if "n" in argument:
            return values[argument["n"]]
        if "w" in argument:
            return getattr(self, self.places[argument["w"]])
        return getattr(torch, argument["dtype"])


def function(op: str) -> Callable[..., Any]:
    """The function of an operator: "conv2d.default" is torch.ops.aten.conv2d.default."""
    if op in INTEGERS:
        return INTEGERS[op]
    name, _, overload = op.partition(".")
    return getattr(getattr(torch.ops.aten, name), overload)


def build(
    graph: Dict[str, Any], arrays: Dict[str, np.ndarray], dead: List[List[str]], size: int, rows: int
) -> torch.nn.Module:
    """The network of a graph, for up to `rows` images of `size`; `dead` as `graph_nodes.last_uses` gives it."""
    return GraphNet(graph, arrays, dead).eval()
