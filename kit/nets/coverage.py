"""What share of an image a network's logits depend on: patches and windows cut off what they do not divide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from kit.errors import NetError
from kit.nets.quick_weights import QuickWeights
from kit.nets.registry import build, describe, takes, with_size

LEAST = 0.9
"""Share of an image's pixels under which a network is not trained at a size; some convolutions lose a rim of 6 %."""

DRAWS, IMAGES = 4, 2
"""Random images: one alone leaves pixels out at which no maximum was or no unit responded."""

GRID, FURTHER = (8, 14, 16, 28, 32), 4
"""Sizes to recommend are multiples of these; so many are tried."""


def seen_share(name: str, args: Mapping[str, Any] | None, size: int) -> float:
    """Share of the pixels of images of `size` at which the logits have a gradient, weights being random.

    NetError where the network does not take that size.
    """
    return _seen_share(name, json.dumps(dict(args or {}), sort_keys=True), size)


def check_sees(name: str, args: Mapping[str, Any] | None, size: int) -> None:
    """NetError, which names sizes that use all, where the network would see a part of an image of `size`.

    At the size that it was designed for it sees all.
    """
    if size == describe(name, args).input_size or (share := seen_share(name, args, size)) >= LEAST:
        return
    better = " or ".join(map(str, _sizes_that_see(name, args, size))) or f"{describe(name, args).input_size}"
    raise NetError(
        f"{name}: sees {share:.0%} of an image of {size} px; its patches or windows cut off the rest. "
        f"Set size = {better} in the recipe: images are resized to it"
    )


@cache
def _seen_share(name: str, args: str, size: int) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given = with_size(name, json.loads(args), size)
        with QuickWeights():
            net = build(name, 2, given)
        return share_of(net, size)


def share_of(net: nn.Module, size: int) -> float:
    """`seen_share` of a network that is built; weights that are zero are drawn, and rectifiers let a little through."""
    net.eval().requires_grad_(False)
    _without_zeros(net)
    _without_dead_ends(net)
    seen = torch.zeros(size, size, dtype=torch.bool)
    for _ in range(DRAWS):
        seen |= _touched(net, size)
        if seen.all():
            break
    return float(seen.float().mean())


def _touched(net: nn.Module, size: int) -> Tensor:
    """(size, size) bool: where a gradient arrives for any of a few random images."""
    x = torch.randn(IMAGES, 3, size, size, requires_grad=True)
    with torch.enable_grad():
        logits = net(x)
        (gradient,) = torch.autograd.grad((logits * torch.randn_like(logits)).sum(), x)
    return (gradient != 0).any(dim=(0, 1))


def _without_zeros(net: nn.Module) -> None:
    """Weights that start at zero (heads, last scales of a block) would let nothing through."""
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0.0, 0.1)


def _without_dead_ends(net: nn.Module) -> None:
    """Random weights may leave a last rectifier with nothing above zero: SqueezeNet's logits come out of one."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.LeakyReLU(0.1))


def _sizes_that_see(name: str, args: Mapping[str, Any] | None, size: int) -> list[int]:
    """The next few that use at least LEAST of an image."""
    following = sorted({(size // step + 1) * step for step in GRID})[:FURTHER]
    return [one for one in following if _takes(name, args, one) and seen_share(name, args, one) >= LEAST][:2]


def _takes(name: str, args: Mapping[str, Any] | None, size: int) -> bool:
    try:
        return takes(name, with_size(name, args, size), size)
    except NetError:
        return False
