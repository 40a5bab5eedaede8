"""Every network by name: what it is, and how it is built.

`timm/<name>` and `torchvision/<name>` are those libraries' own; `kit/<name>` and `hybrid` are files of this
folder, each with `build(num_classes, **args)`, which a submission carries as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, cast

import timm
import torch
import torchvision
from torch import Tensor, nn

from kit.errors import NetError, did_you_mean
from kit.nets import cnn, cnn28, hybrid, inception_se, residual, unet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CENTRED = (0.5, 0.5, 0.5)
"""Mean and standard deviation that map 0..1 to -1..1: what the kit's own networks are given."""

OWN: dict[str, ModuleType] = {
    "kit/residual": residual,
    "kit/cnn": cnn,
    "kit/cnn28": cnn28,
    "kit/inception_se": inception_se,
    "kit/unet": unet,
    "hybrid": hybrid,
}
PROBED_SIZES = (16, 24, 28, 32, 48, 64, 75, 80, 96, 128, 160, 192, 224)


Triple = tuple[float, float, float]


@dataclass(frozen=True)
class NetInfo:
    """What a recipe needs to know about a network before it is built."""

    mean: Triple
    std: Triple
    """Of the 0..1 scaled RGB channels."""
    input_size: int
    """Height and width that the network was designed for."""
    size_arg: str | None
    """Argument of its constructor that must be the size it sees, where there is one (`with_size` sets it)."""
    source: str
    """"timm", "torchvision" or "kit"."""
    files: tuple[str, ...]
    """Files of this folder that a submission has to carry for it."""


def build(name: str, num_classes: int, args: Mapping[str, Any] | None = None) -> nn.Module:
    """The network, freshly initialised: (N, 3, S, S) float32 -> (N, num_classes) logits.

    `args` are JSON values for its constructor. NetError where the name or an argument is unknown.
    """
    family, _, rest = name.partition("/")
    given = dict(args or {})
    if reserved := sorted({"pretrained", "num_classes"} & given.keys()):
        raise NetError(f"{name}: args must not hold {reserved[0]!r}. Remove it: recipe and contest set it")
    check_name(name)
    try:
        if family == "timm":
            return timm.create_model(rest, pretrained=False, num_classes=num_classes, **given)
        if family == "torchvision":
            return torchvision.models.get_model(rest, weights=None, num_classes=num_classes, **given)
        return OWN[name].build(num_classes, **given)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise NetError(f"{name}: cannot be built with args {given!r} ({error})") from error


def check_name(name: str) -> None:
    """NetError, with the near name, where `name` is no network."""
    family, _, rest = name.partition("/")
    if name in OWN or (family == "timm" and timm.is_model(rest)):
        return
    if family == "torchvision" and rest in torchvision_names():
        return
    raise NetError(
        f"net must be timm/<name>, torchvision/<name> or one of {', '.join(OWN)}, but got {name!r}."
        f"{did_you_mean(name, all_names())} `kit nets` lists them"
    )


def all_names() -> list[str]:
    """Every name that `build` takes."""
    return [
        *OWN,
        *(f"timm/{name}" for name in timm.list_models()),
        *(f"torchvision/{name}" for name in torchvision_names()),
    ]


@cache
def torchvision_names() -> tuple[str, ...]:
    """torchvision's classification networks."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


def describe(name: str, args: Mapping[str, Any] | None = None) -> NetInfo:
    """Normalisation, sizes and files of a network, without building it."""
    check_name(name)
    family, _, rest = name.partition("/")
    if family == "timm":
        config = timm.get_pretrained_cfg(rest)
        assert config is not None
        mean, std = cast(Triple, tuple(config.mean)), cast(Triple, tuple(config.std))
        size_arg = "img_size" if config.fixed_input_size else None
        return NetInfo(mean, std, config.input_size[-1], size_arg, "timm", ())
    if family == "torchvision":
        size = torchvision.models.get_model_weights(rest).DEFAULT.transforms().crop_size[0]
        size_arg = "image_size" if rest.startswith("vit_") else None
        return NetInfo(IMAGENET_MEAN, IMAGENET_STD, size, size_arg, "torchvision", ())
    module = OWN[name]
    file = module.__name__.rpartition(".")[2] + ".py"
    size_arg = "size" if _needs_size(module, dict(args or {})) else None
    return NetInfo(CENTRED, CENTRED, module.INPUT_SIZE, size_arg, "kit", (file,))


def _needs_size(module: ModuleType, args: dict[str, Any]) -> bool:
    return hasattr(module, "needs_size") and module.needs_size(args)


def with_size(name: str, args: Mapping[str, Any] | None, size: int) -> dict[str, Any]:
    """`args` completed so that the network takes pictures of `size` pixels; these go into the manifest.

    NetError where it cannot: a recipe then has to state a larger size, to which pictures are resized.
    """
    given = _sized(name, args, size) | dict(args or {})
    build_on_meta(name, given)
    if not _takes(name, given, size):
        least = min_size(name, args)
        raise NetError(
            f"{name}: takes pictures of {least} px or more, but got size = {size}. "
            f"Set size = {max(least, size + 1)} or more in the recipe: pictures are resized to it"
        )
    return given


def _sized(name: str, args: Mapping[str, Any] | None, size: int) -> dict[str, Any]:
    key = describe(name, args).size_arg
    return {} if key is None else {key: size}


def min_size(name: str, args: Mapping[str, Any] | None = None) -> int:
    """Least of PROBED_SIZES at which a forward pass works, the largest of them where none does."""
    return _min_size(name, json.dumps(dict(args or {}), sort_keys=True))


@cache
def _min_size(name: str, args: str) -> int:
    given = json.loads(args)
    sizes = (size for size in PROBED_SIZES if _takes(name, _sized(name, given, size) | given, size))
    return next(sizes, PROBED_SIZES[-1])


def build_on_meta(name: str, args: Mapping[str, Any]) -> nn.Module:
    """The network without memory for its weights, in eval mode; for shapes and counts."""
    with torch.device("meta"):
        return build(name, 2, args).eval()


def _takes(name: str, args: Mapping[str, Any], size: int) -> bool:
    """Whether a forward pass at `size` works, tried without weights or arithmetic."""
    try:
        build_on_meta(name, args)(torch.empty(2, 3, size, size, device="meta"))
    except (NetError, RuntimeError, AssertionError, ValueError):
        return False
    return True


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
