"""A GPU that is not there: its tensors have shapes and no values, so whatever has to wait for a value fails.

Host tensors stay real. Calls that touch the device go through torch's FakeTensorMode, which knows each operator's
shapes; an operator whose result depends on values (`item`, `nonzero`, a mask as an index) raises there, and copies
that wait are refused here.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
NO_KERNEL = ("aten.view", "aten.detach", "aten.slice", "aten.select", "aten.unsqueeze", "aten.expand", "aten.permute",
             "aten.transpose", "aten.alias", "aten._unsafe_view", "aten.split", "aten.unbind", "aten.t.", "aten.empty",
             "prim.device")  # fmt: skip


class Waits(AssertionError):
    """A call for which the host would wait for the device."""


class FakeGpu(TorchDispatchMode):
    """Runs calls on fake device tensors, counts their kernels, and raises `Waits` where one would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.sending = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = torch.device(kwargs.get("device") or "cpu")
        if device.type != "cuda" and not any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs))):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        self._refuse_copies(func, args, kwargs)
        if not str(func).startswith(NO_KERNEL):
            self.kernels[str(func)] += 1
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            raise Waits(f"{func}: {error}") from error

    def _refuse_copies(self, func: Any, args: Any, kwargs: Any) -> None:
        """From the device, and to it unless `sent` says that it comes from pinned memory."""
        name = str(func)
        if name.startswith("aten._to_copy"):
            source, goal = args[0].device.type, torch.device(kwargs.get("device") or args[0].device).type
        elif name.startswith("aten.copy_"):
            source, goal = args[1].device.type, args[0].device.type
        elif name.startswith(("aten.index.", "aten.index_put")):
            on_host = [one for one in tree_leaves(args[1]) if isinstance(one, Tensor) and one.device.type == "cpu"]
            source, goal = ("cpu" if on_host else "cuda"), "cuda"
        else:
            return
        if source != goal and not (self.sending and source == "cpu"):
            raise Waits(f"{func}: a copy from {source} to {goal} that is waited for")

    def send(self, values: Tensor, device: torch.device) -> Tensor:
        """Takes the place of `kit.train.device.sent`: without a driver nothing can be pinned."""
        with self.copying():
            return values.to(device)

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Copies to the device are allowed, as while a fit is made."""
        before, self.sending = self.sending, True
        try:
            yield
        finally:
            self.sending = before

    def moved(self, net: nn.Module) -> nn.Module:
        """`net` with its parameters and buffers on the device."""
        for module in net.modules():
            for name, value in module._parameters.items():
                if value is not None:
                    module._parameters[name] = nn.Parameter(self.send(value.detach(), GPU))
            for name, value in module._buffers.items():
                if value is not None:
                    module._buffers[name] = self.send(value, GPU)
        return net


def _fill_gradients(last: Any) -> None:
    """Gradients of the right shapes for all that led to `last`: autograd's engine asks the driver, which is not there.

    The kit has no operators of its own, and torch's derivatives of those used here wait for nothing.
    """
    seen, waiting = set(), [last]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting.extend(before for before, _ in node.next_functions)
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """The kit on a GPU that is not there; generators are the CPU's, which draw nothing of what they are given for."""
    from kit.train import batches, device, mixing, rows
    from kit.train.augment import colour, degrade, geometry

    gpu = FakeGpu()
    for module in (device, batches, mixing, rows, geometry):
        monkeypatch.setattr(module, "sent", gpu.send)
    monkeypatch.setattr(rows, "free_bytes", lambda _: 1e12)
    monkeypatch.setattr(Tensor, "backward", lambda loss: _fill_gradients(loss.grad_fn))
    monkeypatch.setattr(nn.Module, "to", lambda self, *_, **__: self)  # `moved` takes its place
    real = torch.Generator
    monkeypatch.setattr(batches, "Generator", lambda *_: real())
    caches = (colour._luma, colour._chroma_turns, degrade._cosines)
    for one in caches:
        one.cache_clear()
    try:
        with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True), gpu:
            warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
            yield gpu
    finally:
        for one in caches:
            one.cache_clear()
