"""ONNX files against torch, by operator: strides, dilations, paddings, groups, kernels and odd shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from operator_grid import CHANNELS, Call, convolutions, others
from torch import nn

from kit.errors import PackagingError
from kit.inference.runtimes.torch_runtime import function
from kit.packaging.onnx_file import onnx_bytes

TOGETHER = 60
"""Calls in one file: exporting it takes seconds, whatever it holds."""


class Calls(nn.Module):
    """Every call on the same images (n, 3, S, S), made six channels of."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls
        generator = torch.Generator().manual_seed(0)
        for number, (_, _, shape) in enumerate(calls):
            for place, each in enumerate((shape, shape[:1]) if shape else ()):
                weight = torch.randn(each, generator=generator).half().float()  # files keep them in half precision
                self.register_buffer(f"w{number}_{place}", weight)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wide = torch.cat([x, 0.5 * x.flip(1)], 1)
        return tuple(self.one(number, wide) for number in range(len(self.calls)))

    def one(self, number: int, x: torch.Tensor) -> torch.Tensor:
        name, arguments, shape = self.calls[number]
        weights = [getattr(self, f"w{number}_{place}") for place in range(2 if shape else 0)]
        found: torch.Tensor = function(name)(x, *weights, *arguments)
        return found


def valid(size: int) -> Iterator[Call]:
    """The calls that torch takes at that size."""
    x = torch.zeros(1, CHANNELS, size, size)
    for call in (*convolutions(), *others()):
        if call[0].startswith("avg_pool2d") and len(call[1]) > 5:
            continue  # a divisor of one's own, which the export leaves out: see below
        try:
            Calls([call]).one(0, x)
        except RuntimeError:
            continue
        yield call


def differing(calls: list[Call], size: int) -> list[str]:
    """Calls that the file computes otherwise than torch, each in a line."""
    runtime = pytest.importorskip("onnxruntime")
    net = Calls(calls).eval()
    session = runtime.InferenceSession(onnx_bytes(net, size, "grid"), providers=["CPUExecutionProvider"])
    x = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = [one.numpy() for one in net(x)]
    got = session.run(None, {"x": x.numpy()})
    return [
        f"{name} {arguments} at {size} px: {one.shape}, torch {other.shape}"
        for (name, arguments, _), one, other in zip(calls, got, wanted)
        if one.shape != other.shape or np.abs(one - other).max() > 1e-3 * (1 + np.abs(other).max())
    ]


@pytest.mark.slow  # half a minute each: eight exports
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("size", [7, 9, 12])
def test_onnx_runs_every_operator_as_torch_does(size: int) -> None:
    calls = list(valid(size))
    assert len(calls) > 300
    parts = [calls[start : start + TOGETHER] for start in range(0, len(calls), TOGETHER)]
    assert [line for part in parts for line in differing(part, size)] == []


class Mean(nn.Module):
    """Pools as a function, which no list of modules shows."""

    def __init__(self, divisor: int | None) -> None:
        super().__init__()
        self.divisor = divisor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 3, divisor_override=self.divisor)


def test_a_divisor_that_the_export_leaves_out_is_refused() -> None:
    """torch 2.14 exports AvgPool2d(divisor_override=5) as an ordinary mean, without a word."""
    pytest.importorskip("onnxscript")
    for pool in (nn.AvgPool2d(3, divisor_override=5), Mean(5)):
        with pytest.raises(PackagingError, match="average pool in 1 loses its divisor_override = 5"):
            onnx_bytes(nn.Sequential(nn.Conv2d(3, 4, 3), pool), 8, "toy")
    assert onnx_bytes(nn.Sequential(nn.Conv2d(3, 4, 3), Mean(None)), 8, "toy")
