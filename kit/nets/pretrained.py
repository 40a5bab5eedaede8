"""Weights to start from: timm's or torchvision's hub, a local file, or none; never a silent random start.

Local files are safetensors, or `.pth`/`.pt` state dicts read with `weights_only=True`. A bare name is
looked for in `$KIT_WEIGHTS`, in `weights/` of the current directory and of the kit's checkout, and in
`shared/weights/` beside that checkout.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub
import timm
import torch
import torchvision
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from kit.errors import NetError
from kit.nets.heads import head_layers
from kit.nets.registry import OWN, Triple

PROJECT = Path(__file__).resolve().parents[2]
THREE_WAYS = (
    'Set pretrained = true (timm\'s hub, needs a connection), pretrained = "file.safetensors" (a local file) '
    "or pretrained = false (train from scratch)"
)


@dataclass(frozen=True)
class Hints:
    """What a weights file says about itself in its safetensors metadata; None where it says nothing."""

    mean: Triple | None
    std: Triple | None
    pad_type: str | None


def load_pretrained(
    net: nn.Module, source: bool | str | Sequence[str], name: str, args: Mapping[str, Any] | None = None
) -> str:
    """Loads weights into `net` (built from `name` and `args`) in place; returns a line saying which.

    source: True, the hub; a file name, that file (one for each of several backbones); False, nothing. The
    classifier stays as it is unless the file holds one of the same shape. NetError, naming the three ways,
    where the weights cannot be had or are another network's.
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
    _fill(net, _from_hub(name, dict(args)), name, "the hub's file")
    return f"pretrained weights of {name} from the hub"


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
    said = [
        _fill_one(branch, file, f"timm/{backbone}", own)
        for branch, file, backbone, own in zip(branches, files, backbones, each, strict=True)
    ]
    return "; ".join(said)


def _files(source: bool | str | Sequence[str], backbones: int) -> list[bool | str]:
    """What each backbone is filled from."""
    if isinstance(source, bool):
        return [source] * backbones
    return [source] if isinstance(source, str) else list(source)


def _fill_from_file(net: nn.Module, path: Path, name: str, args: Mapping[str, Any]) -> None:
    padding = read_hints(str(path)).pad_type
    if padding is not None and args.get("pad_type", "") != padding:
        raise NetError(
            f"{name}: {path} was trained with pad_type {padding!r}, but the recipe has "
            f"{args.get('pad_type', '')!r}. Set net.args = {{pad_type = {padding!r}}}"
        )
    state = read_state(path)
    if name.startswith("timm/") and _missing(net, state):
        state = _converted(name, args, path) or state
    _fill(net, state, name, str(path))


def _converted(name: str, args: Mapping[str, Any], path: Path) -> dict[str, Tensor] | None:
    """The file through timm's own conversion (older key names, position embeddings of another input size)."""
    overlay = {"file": str(path)}
    try:
        donor = timm.create_model(
            name.removeprefix("timm/"), pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **args
        )
    except (RuntimeError, KeyError, ValueError, AttributeError):
        return None
    return donor.state_dict()


def find_weights(name: str) -> Path:
    """The file of that path or bare name; NetError lists where it was looked for."""
    folders = [Path(), Path("weights"), PROJECT / "weights", PROJECT.parent / "shared" / "weights"]
    if "KIT_WEIGHTS" in os.environ:
        folders.insert(1, Path(os.environ["KIT_WEIGHTS"]))
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = ", ".join(str(folder.resolve()) for folder in folders)
    raise NetError(f"pretrained: no file {name!r} in {looked}. {THREE_WAYS}")


def check_weights(source: bool | str | Sequence[str]) -> None:
    """NetError where `source` names a local file that is not here; the hub is asked only when it is needed."""
    if not isinstance(source, bool):
        for file in [source] if isinstance(source, str) else source:
            find_weights(file)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a safetensors or torch file, as float32 where it is floating."""
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _torch_state(path)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
        raise NetError(f"{path}: not a readable weights file ({error}). {THREE_WAYS}") from error
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def _torch_state(path: Path) -> dict[str, Tensor]:
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        loaded = loaded.get(key, loaded)
    return loaded


def read_hints(source: bool | str | Sequence[str]) -> Hints:
    """Normalisation and padding that a local file was trained with, as its metadata says."""
    if not isinstance(source, str) or not source.endswith(".safetensors"):
        return Hints(None, None, None)
    path = find_weights(source)
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise NetError(f"{path}: not a readable weights file ({error}). {THREE_WAYS}") from error
    return Hints(_triple(said.get("mean")), _triple(said.get("std")), said.get("pad_type"))


def _triple(said: str | None) -> Triple | None:
    if said is None:
        return None
    red, green, blue = map(float, said.split(","))
    return red, green, blue


def _from_hub(name: str, args: dict[str, Any]) -> dict[str, Tensor]:
    family, _, rest = name.partition("/")
    if family == "kit":
        raise NetError(f"{name}: no hub holds weights of it. {THREE_WAYS}")
    try:
        with _offline_unless_reachable():
            if family == "timm":
                return timm.create_model(rest, pretrained=True, **args).state_dict()
            return torchvision.models.get_model_weights(rest).DEFAULT.get_state_dict(progress=False)
    except Exception as error:
        # The hub's client, its transport and timm raise some dozen unrelated classes; to a user all are one.
        reason = f"{type(error).__name__}: {error}"
        raise NetError(f"{name}: no weights from the hub ({reason}). {THREE_WAYS}") from error


@contextmanager
def _offline_unless_reachable() -> Iterator[None]:
    """An unreachable hub makes its client retry for a minute; offline it looks in its cache at once."""
    constants = huggingface_hub.constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_answers() -> bool:
    if "HTTPS_PROXY" in os.environ or "https_proxy" in os.environ:
        return True
    host = urlsplit(huggingface_hub.constants.ENDPOINT).hostname
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return False
    return True


def _fill(net: nn.Module, state: Mapping[str, Tensor], name: str, origin: str) -> None:
    """Copies what fits; everything but the classifier must."""
    if missing := _missing(net, state):
        raise NetError(
            f"{name}: {origin} lacks {len(missing)} of the network's {len(net.state_dict())} tensors "
            f"(the first: {missing[0]}). It is another network's, or other args are needed. {THREE_WAYS}"
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
