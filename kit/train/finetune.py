"""Fine-tuning: which layers learn when, and how fast.

A network is a row of layers from its input (0) to its head (the last); what learns is a function of how far
the fit is, so that resuming needs no state. The optimiser is made over all parameters, before anything is
frozen: it skips those without a gradient.
"""

from __future__ import annotations

import re
from typing import Any, cast

import torch
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kit.config import FinetuneConfig
from kit.nets.heads import head_layers

HAS_DIGIT = re.compile(r"\d")


def layer_indices(net: nn.Module) -> dict[str, int]:
    """Parameter name -> layer: 0 is the stem, the largest the head, which stands alone.

    timm's networks say their own grouping; of a hybrid the branches are aligned at their outputs; in others a
    layer is the part of the name up to its first number.
    """
    body = {name: index for name, index in _body_indices(net).items() if name not in head_names(net)}
    compact = {old: new for new, old in enumerate(sorted(set(body.values())))}
    indices = {name: compact[index] for name, index in body.items()}
    return indices | dict.fromkeys(head_names(net), len(compact))


def head_names(net: nn.Module) -> list[str]:
    """Names of the classifier's parameters."""
    head = {id(parameter) for layer in head_layers(net) for parameter in layer.parameters()}
    return [name for name, parameter in net.named_parameters() if id(parameter) in head]


def _body_indices(net: nn.Module) -> dict[str, int]:
    if hasattr(net, "branches"):
        return _branch_indices(net)
    if hasattr(net, "group_matcher"):
        matcher = cast(Any, net).group_matcher(coarse=False)
        return dict(group_parameters(net, matcher, reverse=True))
    order: dict[str, int] = {}
    return {name: order.setdefault(_block_of(name), len(order)) for name, _ in net.named_parameters()}


def _branch_indices(net: nn.Module) -> dict[str, int]:
    """Layers counted from the outputs of the branches; what follows them comes last."""
    indices = dict.fromkeys((name for name, _ in net.named_parameters()), 0)
    for number, branch in enumerate(net.get_submodule("branches").children()):
        own = layer_indices(branch)
        last = max(own.values())
        indices |= {f"branches.{number}.{name}": index - last - 1 for name, index in own.items()}
    return indices


def _block_of(name: str) -> str:
    parts = name.split(".")
    numbered = [place for place, part in enumerate(parts[:-1]) if HAS_DIGIT.search(part)]
    return ".".join(parts[: numbered[0] + 1]) if numbered else parts[0]


def first_learning_layer(config: FinetuneConfig, layers: int, progress: float) -> int:
    """Layers from this one on learn at `progress` (0..1) of the fit, of `layers` layers with the head last.

    For the first `config.frozen` of the fit that is the head alone; then the last `config.blocks` layers
    before it learn too, all at once or, with `config.gradual`, one more at a time (ULMFiT, arXiv:1801.06146).
    """
    head = layers - 1
    if config.frozen > 0 and progress < config.frozen:
        return head
    wanted = head if config.blocks is None else min(config.blocks, head)
    if config.gradual:
        share = (progress - config.frozen) / max(1 - config.frozen, 1e-9)
        wanted = min(wanted, 1 + int(share * (wanted + 1)))
    return head - wanted


def train_mode(
    net: nn.Module, config: FinetuneConfig, progress: float, indices: dict[str, int] | None = None
) -> None:
    """`net.train()` with the layers that do not learn at `progress` frozen, their BatchNorm statistics too.

    With `config.bn` "frozen" no BatchNorm moves its statistics, learning or not. indices: `layer_indices(net)`
    where the caller has them; finding them takes as long as a tenth of a step.
    """
    net.train()
    if config.frozen == 0 and config.blocks is None and not config.gradual and config.bn != "frozen":
        return
    indices = layer_indices(net) if indices is None else indices
    first = first_learning_layer(config, max(indices.values()) + 1, progress)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(indices[name] >= first)
    for module in net.modules():
        if isinstance(module, _BatchNorm) and (config.bn == "frozen" or _is_frozen(module)):
            module.eval()


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def parameter_groups(
    net: nn.Module, lr: float, weight_decay: float, config: FinetuneConfig
) -> list[dict[str, Any]]:
    """Groups for an optimiser, each with its own "lr" and "weight_decay".

    The head learns at `lr`, a layer d before it at lr * body_lr * layer_decay ** d (arXiv:2003.10555).
    Biases, scales of normalisations and what the network itself exempts are not decayed.
    """
    indices, exempt = layer_indices(net), set(getattr(net, "no_weight_decay", set)())
    head = max(indices.values())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        distance = head - indices[name]
        scale = config.body_lr * config.layer_decay**distance if distance else 1.0
        decay = 0.0 if parameter.ndim <= 1 or name in exempt else weight_decay
        groups.setdefault((lr * scale, decay), []).append(parameter)
    return [{"params": members, "lr": key[0], "weight_decay": key[1]} for key, members in groups.items()]


def head_penalty(net: nn.Module, l1: float, l2: float) -> Tensor:
    """l1 * sum |w| + l2 * sum w^2 over the head's weights without biases; to add to the loss."""
    weights = torch.cat([weight.flatten() for head in head_layers(net) for weight in _matrices(head)])
    return l1 * weights.abs().sum() + l2 * weights.square().sum()


def _matrices(head: nn.Module) -> list[Tensor]:
    return [parameter for parameter in head.parameters() if parameter.ndim > 1]
