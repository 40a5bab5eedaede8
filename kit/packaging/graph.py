"""A network as data: the graph of ATen operators that `torch.export` sees, in JSON, its weights left where
they are.

A graph names its weights as the network's state_dict does, so all folds of a recipe share one graph and
keep the weight files that were scored. Unlike a file of `torch.export.save` it does not depend on the
version of torch.
"""

from __future__ import annotations

import operator
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind

from kit.errors import PackagingError

DROPPED = {"aten._assert_tensor_metadata.default", "aten._assert_scalar.default"}
PASSED_ON = {"aten.dropout.default", "aten.alias.default", "aten.contiguous.default", "aten.clone.default"}
"""Operators that give back their first argument in inference."""

RENAMED = {"view.default": "reshape.default", "_unsafe_view.default": "reshape.default"}
"""Views that hold for the strides that were traced, as what holds for any."""

BATCH_NORM = "aten._native_batch_norm_legit_no_training.default"

INTEGERS: dict[Any, str] = {
    operator.getitem: "getitem",
    operator.mul: "mul",
    operator.add: "add",
    operator.sub: "sub",
    operator.floordiv: "floordiv",
    operator.neg: "neg",
}
"""Python's own functions on sizes."""


@dataclass(frozen=True)
class Graph:
    """nodes: [name, operator, arguments, keywords] in order; constants: tensors that no state_dict holds."""

    description: dict[str, Any]
    constants: dict[str, torch.Tensor]


def export_graph(net: nn.Module, size: int, label: str) -> Graph:
    """The graph of `net` for images (N, 3, size, size), any N; PackagingError names `label` where there is none."""
    program = _program(net.eval(), size, label)
    names = _names(program)
    writer = _Writer(names)
    for node in program.graph.nodes:
        if node.op == "call_function":
            writer.add(node)
        elif node.op not in ("placeholder", "output"):
            raise PackagingError(f"{label}: {node.op} {node.target} cannot be written as a graph. Use runtime timm")
    output = next(node for node in program.graph.nodes if node.op == "output").args[0][0]
    description = {"format": 1, "input": _input(program), "output": writer.ref(output)["n"], "nodes": writer.nodes}
    used = {argument["w"] for argument in _leaves(writer.nodes) if isinstance(argument, dict) and "w" in argument}
    known = net.state_dict()
    constants = {name: _tensor(program, name) for name in sorted(used) if name not in known}
    return Graph(description, constants)


def _program(net: nn.Module, size: int, label: str) -> ExportedProgram:
    example = torch.zeros(4, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = export(net, (example,), dynamic_shapes=({0: Dim("batch", min=1, max=1 << 16)},))
            # An empty table only makes in-place operators pure; nothing is taken apart.
            return program.run_decompositions({})
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise PackagingError(f"{label}: cannot be exported ({reason}). Use a platform with timm") from error


def _names(program: ExportedProgram) -> dict[str, str]:
    """Placeholder -> name of its weight."""
    kinds = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind in kinds]
    return {spec.arg.name: str(spec.target) for spec in specs}


def _input(program: ExportedProgram) -> str:
    specs = program.graph_signature.input_specs
    return next(spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT)


def _tensor(program: ExportedProgram, name: str) -> torch.Tensor:
    found = program.constants.get(name, program.state_dict.get(name))
    assert isinstance(found, torch.Tensor), name
    return found.detach().contiguous()


def _leaves(value: Any) -> list[Any]:
    """All values in nested lists and keyword tables; an encoded reference counts as one."""
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    if isinstance(value, dict) and not value.keys() & {"n", "w", "dtype"}:
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [value]


class _Writer:
    """Turns nodes into JSON values."""

    def __init__(self, weights: dict[str, str]) -> None:
        self.weights = weights
        self.same: dict[str, fx.Node] = {}
        self.nodes: list[list[Any]] = []

    def add(self, node: fx.Node) -> None:
        name = INTEGERS.get(node.target) or str(node.target)
        if name in DROPPED:
            return
        first = node.args[0] if node.args else None
        if isinstance(first, fx.Node) and (name in PASSED_ON or str(first.target) == BATCH_NORM):
            self.same[node.name] = first
            return
        if name == BATCH_NORM:
            *tensors, momentum, eps = [self.encode(value) for value in node.args]
            self.nodes.append([node.name, "batch_norm.default", [*tensors, False, momentum, eps, False], {}])
            return
        keywords = {key: self.encode(value) for key, value in node.kwargs.items() if key not in IRRELEVANT}
        arguments = [self.encode(value) for value in node.args]
        name = name.removeprefix("aten.")
        self.nodes.append([node.name, RENAMED.get(name, name), arguments, keywords])

    def ref(self, node: fx.Node) -> dict[str, str]:
        while node.name in self.same:
            node = self.same[node.name]
        if node.name in self.weights:
            return {"w": self.weights[node.name]}
        return {"n": node.name}

    def encode(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            return self.ref(value)
        if isinstance(value, (list, tuple)):
            return [self.encode(item) for item in value]
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, (torch.memory_format, torch.device, torch.layout)):
            return None
        assert value is None or isinstance(value, (bool, int, float, str)), value
        return value


IRRELEVANT = {"memory_format", "device", "layout", "pin_memory"}
