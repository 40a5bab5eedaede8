"""Weights to start from, put into a network: never a silent random start.

`pretrained = true` takes those that `kit.nets.weights.search` finds; a file name takes that file, safetensors or
a `.pth`, `.pt` or `.bin` state dict read with `weights_only=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from kit.errors import NetError
from kit.nets.heads import head_layers
from kit.nets.registry import OWN
from kit.nets.weights.files import read_hints, read_state
from kit.nets.weights.hub import from_hub
from kit.nets.weights.packages import renamed
from kit.nets.weights.search import WAYS, Found, find_weights, locate


def load_pretrained(
    net: nn.Module, source: bool | str | Sequence[str], name: str, args: Mapping[str, Any] | None = None
) -> str:
    """Loads weights into `net` (built from `name` and `args`) in place; returns a line saying which.

    source: True, wherever they are found; a file name, that file (one for each of several backbones); False,
    nothing. The classifier stays as it is unless the file holds one of the same shape. NetError, naming the ways
    to have them, where the weights cannot be had or are another network's.
    """
    if source is False:
        return "random weights"
    given = dict(args or {})
    if hasattr(net, "branches"):
        return _fill_branches(net, source, name, given)
    return _fill_one(net, source if isinstance(source, bool) else _only(source, name), name, given)


def _only(source: str | Sequence[str], name: str) -> str:
    files = [source] if isinstance(source, str) else list(source)
    if len(files) != 1:
        raise NetError(f"{name}: pretrained must name one file, but got {len(files)}")
    return files[0]


def _fill_one(net: nn.Module, source: bool | str, name: str, args: Mapping[str, Any]) -> str:
    if isinstance(source, str):
        _fill_from_file(net, find_weights(source), name, args)
        return f"weights from {source}"
    found = locate(name)
    _fill_from_found(net, found, args)
    place = f"{found.where} ({found.path.name})" if found.path is not None else found.where
    return f"weights of {name} from {place}"


def _fill_from_found(net: nn.Module, found: Found, args: Mapping[str, Any]) -> None:
    if found.package is not None and found.path is not None:
        _fill(net, renamed(read_state(found.path), found.name.removeprefix("timm/")), found.name, found.where)
    elif found.ours and found.path is not None:
        _fill_from_file(net, found.path, found.name, args)
    else:
        _fill(net, from_hub(found.name, args), found.name, found.where)


def _fill_branches(net: nn.Module, source: bool | str | Sequence[str], name: str, args: Mapping[str, Any]) -> str:
    """The backbones of a hybrid or the trunk of a grafted network; what follows them starts at random."""
    backbones = list(args.get("backbones", OWN[name].BACKBONES))
    files = _files(source, len(backbones))
    if len(files) != len(backbones):
        raise NetError(
            f"{name}: pretrained must name one file a backbone, "
            f"but got {len(files)} for {len(backbones)} backbones"
        )
    each = list(args.get("backbone_args") or [{}] * len(backbones))
    branches = net.get_submodule("branches").children()
    parts = [
        _fill_one(branch, file, f"timm/{backbone}", own)
        for branch, file, backbone, own in zip(branches, files, backbones, each, strict=True)
    ]
    return "; ".join(parts)


def _files(source: bool | str | Sequence[str], backbones: int) -> list[bool | str]:
    """What each backbone is filled from."""
    if isinstance(source, bool):
        return [source] * backbones
    return [source] if isinstance(source, str) else list(source)


def _fill_from_file(net: nn.Module, path: Path, name: str, args: Mapping[str, Any]) -> None:
    padding = read_hints(path).pad_type
    if padding is not None and args.get("pad_type", "") != padding:
        raise NetError(
            f"{name}: {path} was trained with pad_type {padding!r}, but the recipe has "
            f"{args.get('pad_type', '')!r}. Set net.args = {{pad_type = {padding!r}}}"
        )
    state = read_state(path)
    if name.startswith("timm/") and _missing(net, state):
        state = _converted(name, args, state) or state
    _fill(net, state, name, str(path))


def _converted(name: str, args: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Weights through timm's own conversion (older key names, position embeddings of another input size)."""
    overlay = {"state_dict": dict(state), "custom_load": False}
    try:
        donor = timm.create_model(
            name.removeprefix("timm/"), pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **args
        )
    except (RuntimeError, KeyError, ValueError, AttributeError):
        return None
    return donor.state_dict()


def _fill(net: nn.Module, state: Mapping[str, Tensor], name: str, origin: str) -> None:
    """Copies what fits; everything but the classifier must."""
    if missing := _missing(net, state):
        raise NetError(
            f"{name}: {origin} lacks {len(missing)} of the network's {len(net.state_dict())} tensors "
            f"(the first: {missing[0]}). It is another network's, or other args are needed. {WAYS}"
        )
    own = net.state_dict()
    net.load_state_dict({key: state[key] for key in own if _fits(own, state, key)}, strict=False)


def _fits(own: Mapping[str, Tensor], state: Mapping[str, Tensor], key: str) -> bool:
    return key in state and own[key].shape == state[key].shape


def _missing(net: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Keys of `net` that the state lacks or has in another shape; classifier and BN counters are free."""
    own, free = net.state_dict(), _head_keys(net)
    wanted = [key for key in own if key not in free and not key.endswith("num_batches_tracked")]
    return [key for key in wanted if not _fits(own, state, key)]


def _head_keys(net: nn.Module) -> set[str]:
    heads = {id(head) for head in head_layers(net)}
    owners = [(path, module) for path, module in net.named_modules() if id(module) in heads and path]
    return {f"{path}.{key}" for path, module in owners for key in module.state_dict()}
