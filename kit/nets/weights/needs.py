"""What a recipe's network starts from: which weights it needs, and what follows from those that are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kit.config import NetConfig
from kit.errors import NetError
from kit.nets.registry import OWN
from kit.nets.weights.files import Hints, read_hints
from kit.nets.weights.search import find_weights, locate


def library_names(net: NetConfig) -> list[str]:
    """The networks of a library whose weights `net` can start from: its backbones, its trunk, or itself."""
    if (module := OWN.get(net.name)) is not None and hasattr(module, "BACKBONES"):
        return [f"timm/{name}" for name in net.args.get("backbones", module.BACKBONES)]
    return [net.name]


def check_weights(net: NetConfig, ask_hub: bool = True) -> None:
    """NetError where the weights that `net` starts from cannot be had here."""
    if net.pretrained is True:
        for name in library_names(net):
            locate(name, ask_hub)
    elif net.pretrained:
        find_weights(net.pretrained)


def completed(net: NetConfig) -> NetConfig:
    """`net` with the padding and normalisation that its weights were trained with, where it says nothing of them.

    Weights that cannot be had complete nothing: loading them is what fails.
    """
    if not net.pretrained or not any(hints := _hints(net)):
        return net
    made: dict[str, Any] = {"args": _padded(net, [each.pad_type for each in hints])}
    if len(hints) == 1 and net.name != "hybrid":  # a hybrid gives each backbone its own normalisation
        made |= {"mean": net.mean or hints[0].mean, "std": net.std or hints[0].std}
    return net.model_copy(update=made)


def _hints(net: NetConfig) -> list[Hints]:
    """Of each of the library's networks."""
    try:
        if isinstance(net.pretrained, str):
            return [read_hints(find_weights(net.pretrained))]
        return [locate(name, ask_hub=False).hints for name in library_names(net)]
    except NetError:
        return []


def _padded(net: NetConfig, pad_types: Sequence[str | None]) -> dict[str, Any]:
    """The arguments of the network, or of its backbones, with what `pad_types` say."""
    told: list[dict[str, Any]] = [{"pad_type": pad_type} if pad_type else {} for pad_type in pad_types]
    if not any(told):
        return net.args
    if library_names(net) == [net.name]:
        return told[0] | net.args
    own = net.args.get("backbone_args") or [{}] * len(told)
    return net.args | {"backbone_args": [hint | given for hint, given in zip(told, own, strict=True)]}
