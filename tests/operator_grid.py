"""Calls of TensorFlow's runtime over a grid of arguments; `python operator_grid.py RUNTIMES FOLDER` runs them there.

FOLDER holds cases.json, [operator, arguments, weights] each, and arrays.npz: x, w and y by case, made by torch.
Imports nothing of the kit: it runs where torch is not.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHANNELS = 6
Call = tuple[str, list[Any], "tuple[int, ...]"]
"""Operator, arguments behind the weights, and the shape of a convolution's kernel (empty for others)."""


def convolutions() -> Iterator[Call]:
    """Strides, paddings, dilations, kernels and groups against each other, unequal sides too."""
    sides = ([1, 1], [2, 2], [3, 3], [2, 1]), ([0, 0], [1, 1], [2, 2]), ([1, 1], [2, 2], [1, 2])
    kernels = ((1, 1), (3, 3), (3, 1))
    for stride, padding, dilation, kernel, groups in itertools.product(*sides, kernels, (1, 2, CHANNELS)):
        yield "conv2d.default", [stride, padding, dilation, groups], (12, CHANNELS // groups, *kernel)
    for words, side, groups, far in itertools.product(("same", "valid"), (2, 3), (1, CHANNELS), (1, 2)):
        yield "conv2d.padding", [[1, 1], words, [far, far], groups], (12, CHANNELS // groups, side, side)


def others() -> Iterator[Call]:
    """Windows that hang over or do not divide, padding, resizing, norms."""
    for kernel, stride, padding, ceil in itertools.product((2, 3), (1, 2, 3), (0, 1), (False, True)):
        sizes = [[kernel] * 2, [stride] * 2, [padding] * 2]
        yield "max_pool2d.default", [*sizes, [1, 1], ceil], ()
        yield "avg_pool2d.default", [*sizes, ceil, True], ()
        yield "avg_pool2d.default", [*sizes, ceil, False], ()
    yield "avg_pool2d.default", [[3, 3], [2, 2], [1, 1], False, True, 5], ()
    yield "max_pool2d.default", [[3, 3], [2, 2], [1, 1], [2, 2], False], ()
    for size in ([1, 1], [2, 2], [3, 3], [5, 5], [2, 3], [14, 14]):
        yield "adaptive_avg_pool2d.default", [size], ()
    modes = ("constant", "reflect", "replicate", "circular")
    for mode, widths in itertools.product(modes, ([1, 2, 2, 1], [0, 3, 0, 0])):
        yield "pad.default", [widths, mode], ()
    yield "pad.default", [[-1, 1, 2, -2], "constant", 0.5], ()
    for size, factors in (([5, 5], None), ([14, 14], None), ([10, 7], None), (None, [2.0, 2.0]), (None, [1.7, 1.7])):
        yield "upsample_nearest2d.vec", [size, factors], ()
        yield "upsample_bilinear2d.vec", [size, False, factors], ()
    yield "upsample_bilinear2d.vec", [[11, 11], True, None], ()
    for order in (1, 2, 3):
        yield "linalg_vector_norm.default", [order, [2, 3]], ()


def run(folder: Path, operators: dict[str, Any], value: Any) -> list[str]:
    """The cases whose outputs differ from torch's by more than 1e-3, each in a line."""
    arrays, wrong = np.load(folder / "arrays.npz"), []
    for number, (name, arguments, weights) in enumerate(json.loads((folder / "cases.json").read_text())):
        wanted, x = arrays[f"y{number}"], arrays[f"x{number}"].transpose(0, 2, 3, 1)
        given = [value(x, (0, 2, 3, 1)), *(value(arrays[f"w{number}_{place}"]) for place in range(weights))]
        got = np.asarray(operators[name](*given, *arguments).plain())
        if got.shape != wanted.shape or np.abs(got - wanted).max() > 1e-3:
            wrong.append(f"{name} {arguments} at {x.shape[1]} px: {got.shape}, not {wanted.shape}, or off")
    return wrong


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import tensorflow as tf
    import tensorflow_runtime as runtime

    def tensor(array: np.ndarray, order: Any = None) -> Any:
        return runtime.Value(array if order is None else tf.constant(array), order)

    print(json.dumps(run(Path(sys.argv[2]), runtime.OPERATORS, tensor)))
