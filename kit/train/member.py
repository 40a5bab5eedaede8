"""A trained network as the submission will hold it: half-precision weights and a description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from kit.artefact import write_bytes, write_json
from kit.config import RecipeConfig
from kit.errors import ConfigError, TrainError, did_you_mean
from kit.inference.model import TINTS, VIEWS, WINDOWS
from kit.nets.registry import describe, with_size
from kit.nets.weights.needs import completed
from kit.situation.views import expanded
from kit.train.stored import SPEC, WEIGHTS


def member_spec(recipe: RecipeConfig, num_classes: int) -> dict[str, Any]:
    """What `model.py` needs to rebuild and feed the network: "net", "weights", "size", "mean", "std", "views".

    ConfigError or NetError where the recipe names a view or a network that there is not.
    """
    known, views = [*VIEWS, *WINDOWS, *TINTS], expanded(recipe.views)
    for view in views:
        if view not in known and recipe.views != ("auto",):
            near = did_you_mean(view, known)
            raise ConfigError(f"{recipe.name}: views must be of {', '.join(known)}, but got {view!r}.{near}")
    info, net = describe(recipe.net.name, recipe.net.args), completed(recipe.net)
    return {
        "net": {
            "name": net.name,
            "args": with_size(net.name, net.args, recipe.size),
            "num_classes": num_classes,
        },
        "weights": WEIGHTS,
        "size": recipe.size,
        "mean": list(net.mean or info.mean),
        "std": list(net.std or info.std),
        "views": list(views),
    }


def write_member(folder: Path, net: nn.Module, spec: dict[str, Any]) -> None:
    """Writes the weights, learnt ones in float16, and member.json; TrainError where float16 cannot hold them.

    Running statistics stay float32: they are a few kilobytes, and variances can leave float16's range.
    """
    learnt = {name for name, _ in net.named_parameters()}
    state = {}
    for name, tensor in net.state_dict().items():
        state[name] = (tensor.half() if name in learnt else tensor).contiguous()
        if tensor.is_floating_point() and not torch.isfinite(state[name]).all():
            raise TrainError(f"{folder}: {name} is not finite in float16. Lower train.lr or raise weight_decay")
    write_bytes(folder / WEIGHTS, save(state))
    write_json(folder / SPEC, spec)
