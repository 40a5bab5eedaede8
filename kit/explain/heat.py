"""Where a network looked for a class: Grad-CAM by captum, attention rollout for plain transformers by timm."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kit.errors import ExplainError

INSTALL = 'pip install "submission-kit[explain]"'


def heat(net: nn.Module, x: Tensor, classes: Tensor) -> np.ndarray:
    """How much each place counts for the class, (N, h, w) float32 in 0..1, each map's largest value 1.

    x: (N, 3, H, W) normalised images; classes: (N,) int64. A plain vision transformer is read by attention rollout,
    which is of the whole prediction; every other network by Grad-CAM at its last layer that has places. A map without
    any evidence is 0. ExplainError where captum is missing or the network has no layer with places.
    """
    net.eval()
    maps = _rollout(net, x) if _attends(net) else _grad_cam(net, x, classes)
    top = maps.amax(dim=(1, 2), keepdim=True)
    return (maps / top.clamp_min(1e-12)).detach().cpu().numpy().astype(np.float32)


# ------------------------------------------------------------------------------------------------------ Grad-CAM
def _grad_cam(net: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w), not negative."""
    try:
        from captum.attr import LayerGradCam, LayerGradientXActivation
    except ImportError as error:
        raise ExplainError(f"Grad-CAM needs captum. Run: {INSTALL}") from error
    layer, channels_last = _last_with_places(net, x[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's about hooks on modules without gradients
        if not channels_last:
            return _at_least_zero(LayerGradCam(net, layer).attribute(x, classes).squeeze(1))
        # Channels come last: gradient times activation, summed over them, which is Grad-CAM where a mean over places
        # and a linear head follow.
        found = LayerGradientXActivation(net, layer).attribute(x, classes).sum(dim=-1)
    return _at_least_zero(found if found.ndim == 3 else _as_grid(found))


def _at_least_zero(maps: Tensor) -> Tensor:
    return maps.clamp_min(0)


def _last_with_places(net: nn.Module, x: Tensor) -> tuple[nn.Module, bool]:
    """The last module to run whose output still has places, and whether channels come last in it."""
    seen: list[tuple[nn.Module, torch.Size]] = []

    def remember(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim in (3, 4):
            seen.append((module, output.shape))

    hooks = [module.register_forward_hook(remember) for module in net.modules() if not list(module.children())]
    try:
        with torch.inference_mode():
            net(x)
    finally:
        for hook in hooks:
            hook.remove()
    for module, shape in reversed(seen):
        channels_last = len(shape) == 3 or shape[1] == shape[2] != shape[3]
        places = shape[1] if len(shape) == 3 else shape[1] * shape[2] if channels_last else shape[2] * shape[3]
        if places >= 4:
            return module, channels_last
    raise ExplainError(f"{type(net).__name__}: no layer has places, so that nothing tells where it looked")


# ------------------------------------------------------------------------------------------------------ attention
def _attends(net: nn.Module) -> bool:
    """Whether it is a transformer whose every block attends over all patches, as timm builds them."""
    blocks = list(getattr(net, "blocks", ()))
    return bool(blocks) and all(hasattr(getattr(block, "attn", None), "fused_attn") for block in blocks)


def _rollout(net: nn.Module, x: Tensor) -> Tensor:
    """Attention rollout (Abnar and Zuidema, 2020): attention and the residual path, multiplied through the blocks."""
    from timm.utils import AttentionExtract

    fused = [module for module in net.modules() if getattr(module, "fused_attn", False)]
    for module in fused:
        module.fused_attn = False  # type: ignore[assignment]
    try:
        with torch.inference_mode():
            maps = AttentionExtract(net, method="hook", hook_type="forward_pre")(x)
    finally:
        for module in fused:
            module.fused_attn = True  # type: ignore[assignment]
    rolled: Tensor | None = None
    for attention in maps.values():
        step = attention.mean(dim=1)
        step = (step + torch.eye(step.shape[-1], device=step.device)) / 2
        rolled = step if rolled is None else step @ rolled
    assert rolled is not None
    prefix = int(getattr(net, "num_prefix_tokens", 1))
    of_the_whole = rolled[:, 0] if getattr(net, "global_pool", "token") == "token" and prefix else rolled.mean(dim=1)
    return _as_grid(of_the_whole[:, prefix:])


def _as_grid(tokens: Tensor) -> Tensor:
    """(N, L) values of patches, after any tokens in front, as (N, h, h)."""
    side = int(tokens.shape[1] ** 0.5)
    return tokens[:, tokens.shape[1] - side * side :].reshape(len(tokens), side, side)
