"""The model hubs of timm and torchvision: what is in their caches, and whether they can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import huggingface_hub
import requests
import timm
import torch
import torchvision
from torch import Tensor

from kit.errors import NetError
from kit.nets.registry import timm_config

PATIENCE = 5.0
"""Seconds after which a hub that does not respond counts as unreachable."""
FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of the weights in a repository of timm's hub."""


def cached(name: str) -> Path | None:
    """The file in the hub's cache on this machine, for "timm/<name>" or "torchvision/<name>"."""
    family, _, rest = name.partition("/")
    if family == "torchvision":
        path = Path(torch.hub.get_dir()) / "checkpoints" / torchvision_file(rest)
        return path if path.is_file() else None
    if (config := _config(rest)) is None:
        return None
    for file in _files(config):
        found = huggingface_hub.try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(found, str):
            return Path(found)
    return None


def torchvision_file(name: str) -> str:
    """What torchvision calls the file of a network's weights."""
    return str(_torchvision_weights(name).url).rpartition("/")[2]


def _torchvision_weights(name: str) -> Any:
    return torchvision.models.get_model_weights(name).DEFAULT


def _config(name: str) -> Any:
    """timm's, where its hub holds weights of `name`."""
    config = timm_config(name)
    return config if config is not None and config.hf_hub_id else None


def _files(config: Any) -> tuple[str, ...]:
    return (config.hf_hub_filename,) if config.hf_hub_filename else FILES


def tagged(name: str) -> str:
    """timm's name with the tag of the weights that it stands for: "mobilenetv2_100" -> "mobilenetv2_100.ra_in1k"."""
    config = timm_config(name)
    return name if config is None or not config.tag else f"{config.architecture}.{config.tag}"


def holds(name: str) -> bool:
    """Whether a hub has weights of "timm/<name>" or "torchvision/<name>" at all."""
    family, _, rest = name.partition("/")
    return family == "torchvision" or _config(rest) is not None


def responds(name: str) -> bool:
    """Whether the hub that holds "timm/..." or "torchvision/..." can be reached from here."""
    return _reachable(_address(name))


def _address(name: str) -> str:
    family, _, rest = name.partition("/")
    return str(_torchvision_weights(rest).url) if family == "torchvision" else huggingface_hub.constants.ENDPOINT


@cache
def _reachable(address: str) -> bool:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    try:
        return requests.head(address, timeout=PATIENCE).status_code < 400
    except requests.RequestException:
        return False


def from_hub(name: str, args: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict from the hub's cache or the hub itself, in the library's keys for a network built with `args`."""
    family, _, rest = name.partition("/")
    try:
        with _offline_unless_reachable(name):
            if family == "timm":
                return timm.create_model(rest, pretrained=True, **args).state_dict()
            return _torchvision_weights(rest).get_state_dict(progress=False)
    except Exception as error:
        # The hub's client, its transport and timm raise some dozen unrelated classes; to a user all are one.
        raise NetError(f"{name}: no weights from the hub ({type(error).__name__}: {error})") from error


def download(name: str) -> Path:
    """The hub's file, put into its cache first where it is not there."""
    family, _, rest = name.partition("/")
    if (found := cached(name)) is not None:
        return found
    try:
        if family == "torchvision":
            from_hub(name, {})
        else:
            config = _config(rest)
            held = set(huggingface_hub.list_repo_files(config.hf_hub_id))
            huggingface_hub.hf_hub_download(config.hf_hub_id, next(file for file in _files(config) if file in held))
    except Exception as error:  # as above
        raise NetError(f"{name}: no weights from the hub ({type(error).__name__}: {error})") from error
    found = cached(name)
    assert found is not None, name
    return found


@contextmanager
def _offline_unless_reachable(name: str) -> Iterator[None]:
    """An unreachable hub makes its client retry for a minute; offline it looks in its cache at once."""
    constants = huggingface_hub.constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not responds(name)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
