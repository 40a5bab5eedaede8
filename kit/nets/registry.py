"""Every network by name: what it is, and how it is built.

`timm/<name>` and `torchvision/<name>` are those libraries' own; `kit/<name>` and `hybrid` are files of this
folder, each with `build(num_classes, **args)`, which a submission carries as they are.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import timm
import torch
import torchvision
from torch import nn

from kit.errors import NetError, did_you_mean
from kit.nets.names import file_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CENTRED = (0.5, 0.5, 0.5)
"""Mean and standard deviation that map 0..1 to -1..1: what the kit's own networks are given."""

NO_NETWORKS = ("coverage", "heads", "listing", "names", "pretrained", "quick_weights", "registry", "weights")
"""Files and folders here that do not define a network."""


def _own_networks() -> dict[str, ModuleType]:
    """Every other file of this folder, by name: a network of your own needs no entry anywhere."""
    names = [entry.name for entry in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {name: importlib.import_module(f"kit.nets.{name}") for name in names if name not in NO_NETWORKS}
    return {name if name == "hybrid" else f"kit/{name}": module for name, module in sorted(modules.items())}


OWN = _own_networks()
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
    except (TypeError, ValueError, AssertionError, RuntimeError, ArithmeticError) as error:
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
        return _describe_timm(rest)
    if family == "torchvision":
        size = torchvision.models.get_model_weights(rest).DEFAULT.transforms().crop_size[0]
        return NetInfo(IMAGENET_MEAN, IMAGENET_STD, size, "torchvision", ())
    return NetInfo(CENTRED, CENTRED, OWN[name].INPUT_SIZE, "kit", (file_of(name),))


def timm_config(name: str) -> Any:
    """timm's configuration of the weights that `name` stands for, None where it has none; NetError for a wrong tag."""
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)
        raise NetError(f"timm/{name}: no such weights. Known: {', '.join(tags)}") from error


def _describe_timm(name: str) -> NetInfo:
    config = timm_config(name)
    if config is None:
        return NetInfo(IMAGENET_MEAN, IMAGENET_STD, 224, "timm", ())
    mean, std = cast(Triple, tuple(config.mean)), cast(Triple, tuple(config.std))
    return NetInfo(mean, std, config.input_size[-1], "timm", ())


def with_size(name: str, args: Mapping[str, Any] | None, size: int) -> dict[str, Any]:
    """`args` completed so that the network takes images of `size` pixels; these go into the manifest.

    NetError where it cannot: a recipe then has to state a larger size, to which images are resized.
    """
    given = dict(args or {})
    found = _fitting(name, given, size)
    if found is None:
        sizes = sorted({one for one in (*PROBED_SIZES, describe(name, args).input_size) if one > size})
        larger = next((one for one in sizes if _fitting(name, given, one) is not None), None)
        if larger is None:
            build_on_meta(name, completed_args(name, given, size))  # what is wrong with the arguments
            raise _no_matter_of_size(name, completed_args(name, given, size), size)
        least, more = larger == min_size(name, args), "Set size = {} in the recipe: images are resized to it"
        if least:
            takes_them = f"takes images of {larger} px or more, but got size = {size}"
            raise NetError(f"{name}: {takes_them}. {more.format(f'{larger} or more')}")
        raise NetError(f"{name}: takes smaller and larger images, but none of {size} px. {more.format(larger)}")
    return found


def _no_matter_of_size(name: str, args: dict[str, Any], size: int) -> NetError:
    """Why a network does not take images of a size that is large enough: other channels, or what torch says."""
    channels = next((count for count in (1, 2, 4, 5, 6) if takes(name, args, size, count)), 0)
    if channels:
        return NetError(
            f"{name}: takes images of {channels} channels with args {args}, but the kit gives every network 3 (grey is "
            f"repeated, transparency laid on grey). Take the key that sets channels out of [net] args"
        )
    try:
        build_on_meta(name, args)(torch.empty(2, 3, size, size, device="meta"))
    except (NetError, RuntimeError, AssertionError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:300]
        return NetError(f"{name}: cannot run on images (3, {size}, {size}) with args {args}: {reason}. Fix [net] args")
    return NetError(f"{name}: takes size = {size} only with other args than {args}. Fix [net] args")


def _fitting(name: str, args: dict[str, Any], size: int) -> dict[str, Any] | None:
    """The first completion of `args` with which a forward pass at `size` works."""
    candidates = [completed_args(name, args, size)]
    if name.startswith("timm/"):
        # Some of timm's take a size without saying in their configuration that they need it.
        candidates.append({"img_size": size} | args)
    return next((given for given in candidates if takes(name, given, size)), None)


def completed_args(name: str, args: dict[str, Any], size: int) -> dict[str, Any]:
    """`args` with what the network must be told to give plain logits for images of `size`."""
    return _told(name, args, size) | args


def _told(name: str, args: dict[str, Any], size: int) -> dict[str, Any]:
    family, _, rest = name.partition("/")
    if family == "timm":
        config = timm.get_pretrained_cfg(rest)
        return {"img_size": size} if config is not None and config.fixed_input_size else {}
    if family == "torchvision":
        return _told_torchvision(rest, size)
    if name == "hybrid":
        each = [_told(f"timm/{backbone}", {}, size) for backbone in args.get("backbones", OWN[name].BACKBONES)]
        return {"backbone_args": each} if any(each) else {}
    module = OWN[name]
    return {"size": size} if hasattr(module, "needs_size") and module.needs_size(args) else {}


def _told_torchvision(name: str, size: int) -> dict[str, Any]:
    if name in ("googlenet", "inception_v3"):
        # Their auxiliary classifiers would make the output a tuple while training.
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        return {"image_size": size}
    return {"input_size": [size, size]} if name == "maxvit_t" else {}


def min_size(name: str, args: Mapping[str, Any] | None = None) -> int:
    """Least of PROBED_SIZES at which a forward pass works, the largest of them where none does."""
    return _min_size(name, json.dumps(dict(args or {}), sort_keys=True))


@cache
def _min_size(name: str, args: str) -> int:
    given = json.loads(args)
    sizes = (size for size in PROBED_SIZES if _fitting(name, given, size) is not None)
    return next(sizes, PROBED_SIZES[-1])


def build_on_meta(name: str, args: Mapping[str, Any]) -> nn.Module:
    """The network without memory for its weights, in eval mode; for shapes and counts."""
    try:
        with torch.device("meta"):
            return build(name, 2, args).eval()
    except NetError as error:
        if not isinstance(error.__cause__, NotImplementedError):
            raise
    return build(name, 2, args).eval().to("meta")  # its constructor computes with tensors, as torchvision's RegNets do


def takes(name: str, args: Mapping[str, Any], size: int, channels: int = 3) -> bool:
    """Whether a forward pass at `size` works, tried without weights or arithmetic; remembered."""
    return _takes(name, json.dumps(dict(args), sort_keys=True), size, channels)


@cache
def _takes(name: str, args: str, size: int, channels: int) -> bool:
    try:
        build_on_meta(name, json.loads(args))(torch.empty(2, channels, size, size, device="meta"))
    except (NetError, RuntimeError, AssertionError, ValueError, ArithmeticError):
        return False
    return True
