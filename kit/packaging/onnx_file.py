"""A network as an ONNX file with its large weights in half precision, or in eight bits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from kit.errors import PackagingError
from kit.packaging import quantise

SMALL = 64
"""Weights of fewer elements stay in float32: they are scales and offsets."""


def onnx_bytes(net: nn.Module, size: int, label: str, eight: bool = False) -> bytes:
    """`net` for images (N, 3, size, size), any N, its weights in half precision or in eight bits.

    PackagingError where it cannot be exported, or onnx is missing.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PackagingError(
            "runtime onnx needs the packages onnx and onnxscript. Install them: pip install 'submission-kit[onnx]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                net.eval(),
                (torch.zeros(2, 3, size, size),),
                dynamo=True,
                input_names=["x"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
            assert program is not None
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise PackagingError(f"{label}: cannot be exported to ONNX ({reason}). Use another runtime") from error
    _refuse_lost(program.exported_program, label)
    file = program.model_proto
    assert isinstance(file, onnx.ModelProto)
    _shrink(file, eight)
    return bytes(file.SerializeToString(deterministic=True))


def _refuse_lost(program: Any, label: str) -> None:
    """PackagingError for what torch's export leaves out without a word: the file would predict otherwise."""
    for node in program.graph.nodes:
        divisor = dict(enumerate(node.args)).get(6, node.kwargs.get("divisor_override"))
        if node.target is torch.ops.aten.avg_pool2d.default and divisor is not None:
            paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
            layer = paths[-1] if paths else "the network"
            raise PackagingError(
                f"{label}: layers must survive the export to ONNX, but the average pool in {layer} loses its "
                f"divisor_override = {divisor}. Use another runtime"
            )


def _shrink(file: Any, eight: bool) -> None:
    """Put large weights in float16, or in eight bits with a scale each row; the runtime folds away what widens them."""
    from onnx import TensorProto, helper, numpy_helper

    graph = file.graph
    widened: list[Any] = []
    for tensor in list(graph.initializer):
        array, name = numpy_helper.to_array(tensor), tensor.name
        if tensor.data_type != TensorProto.FLOAT or array.size < SMALL or np.abs(array).max() > 6e4:
            continue
        if eight and array.ndim >= 2 and array.size >= quantise.SMALL:
            values, scale = quantise.eight_bits(array)
            tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.eight"))
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
            widened.append(helper.make_node("Cast", [f"{name}.eight"], [f"{name}.cast"], to=TensorProto.FLOAT))
            widened.append(helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]))
        else:
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
            widened.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for place, node in enumerate(widened):
        graph.node.insert(place, node)
    made = {node.output[0] for node in widened}
    for value in [value for value in graph.value_info if value.name in made]:
        graph.value_info.remove(value)
