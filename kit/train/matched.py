"""BatchNorm that begins with the statistics of these images, and computes what the pretrained network computed.

Pretrained statistics are those of other images. A fit that normalises by its own batches then begins with another
function than the one that was pretrained: on photographs of 32 px, enlarged, a network that was right on 0.71 as it
came was right on 0.63 after 80 steps. So statistics are measured once, and each layer's scale and shift take up the
difference: the first step computes what was pretrained, and is normalised by what it sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kit.inference.model import rows_at_once
from kit.train.batches import Batches

IMAGES = 256
"""Augmented images from which the statistics are taken."""


def drawn(batches: Batches, seed: int) -> Iterator[Tensor]:
    """IMAGES of the training images, augmented, in pieces (n, 3, S, S) that a CPU's caches hold."""
    rows = batches.material.rows[batches.material.rows < len(batches.material.images)]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    piece = rows_at_once(batches.size, batches.device.type)
    return (batches.view(part) for part in rows[order[:IMAGES]].split(piece))


class _Moments:
    """Sums of what one layer is given, by channel, in float64; within a piece, float32 is exact enough."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, torch.zeros(()), torch.zeros(())

    def see(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Adds a layer's input (N, C, ...)."""
        x = given[0].detach().float()
        around = [axis for axis in range(x.ndim) if axis != 1]
        var, mean = (one.cpu().double() for one in torch.var_mean(x, around, correction=0))  # Apple's: no float64
        count = x.numel() // x.shape[1]
        self.count += count
        self.sum = self.sum + count * mean
        self.squares = self.squares + count * (var + mean.square())

    @property
    def mean(self) -> Tensor:
        """(C,) float64."""
        return self.sum / self.count

    @property
    def var(self) -> Tensor:
        """(C,) float64."""
        return (self.squares / self.count - self.mean.square()).clamp(min=0)


@torch.no_grad()
def match_norms(net: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Gives each BatchNorm of `net` the statistics of `inputs`, batches (N, 3, S, S); what `net.eval()` computes stays.

    Layers without scale and shift, or without statistics, are left as they are.
    """
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm) and _has_all(module)]
    seen = {norm: _Moments() for norm in norms}
    hooks = [norm.register_forward_pre_hook(moments.see) for norm, moments in seen.items()]
    was_training = net.training
    net.eval()
    try:
        for batch in inputs:
            net(batch)
    finally:
        for hook in hooks:
            hook.remove()
        net.train(was_training)
    for norm, moments in seen.items():
        if moments.count > 1:
            _match(norm, moments)


def _has_all(norm: _BatchNorm) -> bool:
    return norm.affine and norm.running_mean is not None


def _match(norm: _BatchNorm, moments: _Moments) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    before, mean, var = (norm.running_var.cpu().double() + norm.eps).sqrt(), moments.mean, moments.var
    scale = norm.weight.cpu().double() / before
    norm.bias.add_((scale * (mean - norm.running_mean.cpu().double())).to(norm.bias))
    norm.weight.copy_(scale * (var + norm.eps).sqrt())
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
