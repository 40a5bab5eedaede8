"""Where a network's features end and its classifier begins, whatever library it is from."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn


def pooled_features(net: nn.Module, x: Tensor) -> Tensor:
    """(N, 3, S, S) -> (N, D): the features that the network's last layer turns into logits."""
    if hasattr(net, "forward_features_pooled"):
        return cast(Any, net).forward_features_pooled(x)
    if hasattr(net, "forward_head"):
        timm_net = cast(Any, net)
        return timm_net.forward_head(timm_net.forward_features(x), pre_logits=True)
    caught: list[Tensor] = []
    hook = head_layers(net)[0].register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    try:
        net(x)
    finally:
        hook.remove()
    return caught[0].flatten(2).mean(2) if caught[0].ndim == 4 else caught[0]


def head_layers(net: nn.Module) -> list[nn.Module]:
    """The classifier, of which some networks have two: what "train the head alone" leaves free."""
    if hasattr(net, "get_classifier"):
        found = cast(Any, net).get_classifier()
        return list(found) if isinstance(found, (tuple, list)) else [found]
    layers: list[nn.Module] = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    return layers[-1:]
