"""Reading a network's graph: its nodes, BatchNorm folded into convolutions, and its weights as arrays.

A graph is {"input", "output", "nodes"}; a node is [name, operator, arguments, keywords], where {"n": name}
stands for the value of a node and {"w": name} for a weight. Shipped beside model.py; numpy alone, Python
3.7 syntax.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

Node = List[Any]
Arrays = Dict[str, np.ndarray]


def read(spec: Dict[str, Any], folder: str, read_arrays: Callable[[str], Arrays]) -> Tuple[Dict[str, Any], Arrays]:
    """Graph and float32 weights of a member: spec["graph"] and "constants" are its recipe's, "weights" its
    own.

    Folding is done here, in float64, from the weights that were scored; stored folded they would be rounded
    twice.
    """
    with open(os.path.join(folder, spec["graph"]), encoding="utf-8") as file:
        graph = json.load(file)
    arrays = read_arrays(os.path.join(folder, spec["weights"]))
    if spec.get("constants"):
        arrays.update(read_arrays(os.path.join(folder, spec["constants"])))
    graph["nodes"] = fold_batch_norms(graph["nodes"], arrays)
    kept = {name: arrays[name] for name in used(graph["nodes"], "w")}
    return graph, {name: a.astype(np.float32) if a.dtype.kind == "f" else a for name, a in kept.items()}


def used(value: Any, kind: str) -> List[str]:
    """Names of all references of a kind ("n" or "w") in nested arguments, sorted and once each."""
    if isinstance(value, dict):
        if isinstance(value.get(kind), str):
            return [value[kind]]
        return used(list(value.values()), kind)
    if isinstance(value, list):
        return sorted({name for item in value for name in used(item, kind)})
    return []


def last_uses(nodes: List[Node], output: str) -> List[List[str]]:
    """For each node, the values that nothing needs after it."""
    seen = {output}
    dead = []
    for name, _, args, kwargs in reversed(nodes):
        ending = [old for old in used([args, kwargs], "n") if old not in seen]
        seen.update(ending)
        dead.append(ending if name in seen else [*ending, name])
        seen.add(name)
    return dead[::-1]


def fold_batch_norms(nodes: List[Node], arrays: Arrays) -> List[Node]:
    """The nodes with every BatchNorm that alone follows a convolution multiplied into it; adds to `arrays`."""
    uses = {}  # type: Dict[str, int]
    for _, _, args, kwargs in nodes:
        for name in used([args, kwargs], "n"):
            uses[name] = uses.get(name, 0) + 1
    made = {}  # type: Dict[str, Node]
    same = {}  # type: Dict[str, str]
    kept = []
    for name, op, args, kwargs in nodes:
        args = renamed(args, same)
        before = made.get(args[0]["n"]) if op == "batch_norm.default" else None
        if before is not None and before[1] == "conv2d.default" and uses[before[0]] == 1 and not before[3]:
            fold(before, args, arrays)
            same[name] = before[0]
            uses[before[0]] = uses.get(name, 0)
        else:
            made[name] = [name, op, args, renamed(kwargs, same)]
            kept.append(made[name])
    return kept


def renamed(value: Any, same: Dict[str, str]) -> Any:
    """Arguments with references to folded nodes led to what took their place."""
    if isinstance(value, dict):
        if "n" in value:
            return {"n": same.get(value["n"], value["n"])}
        return {key: renamed(item, same) for key, item in value.items()}
    return [renamed(item, same) for item in value] if isinstance(value, list) else value


def fold(conv: Node, args: List[Any], arrays: Arrays) -> None:
    """Multiply a BatchNorm's arguments into the convolution node before it."""
    mean, variance = (arrays[a["w"]].astype(np.float64) for a in args[3:5])
    gain, shift = (arrays[a["w"]].astype(np.float64) if a else None for a in args[1:3])
    scale = (1.0 if gain is None else gain) / np.sqrt(variance + args[7])
    given = conv[2] + [None] * (3 - len(conv[2]))
    bias = 0.0 if given[2] is None else arrays[given[2]["w"]].astype(np.float64)
    arrays[conv[0] + ".weight"] = arrays[given[1]["w"]].astype(np.float64) * scale.reshape(-1, 1, 1, 1)
    arrays[conv[0] + ".bias"] = (bias - mean) * scale + (0.0 if shift is None else shift)
    conv[2] = [given[0], {"w": conv[0] + ".weight"}, {"w": conv[0] + ".bias"}, *given[3:]]
