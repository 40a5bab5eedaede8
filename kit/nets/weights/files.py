"""Weights files: their tensors, and what they say about themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from kit.errors import NetError
from kit.nets.registry import Triple
from kit.nets.weights.envelopes import read_torch
from kit.storage import reading

SUFFIXES = (".safetensors", ".pth", ".bin")
"""Of the files that hold weights, in the order in which they are looked for."""


@dataclass(frozen=True)
class Hints:
    """What weights were trained with, as far as it is known; None where it is not."""

    mean: Triple | None = None
    std: Triple | None = None
    """Of the 0..1 scaled RGB channels."""
    pad_type: str | None = None


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a safetensors or torch file, as float32 where it is floating."""
    try:
        with reading(path):
            state = load_file(path) if path.suffix == ".safetensors" else read_torch(path)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
        raise NetError(f"{path}: not a readable weights file ({error})") from error
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def read_hints(path: Path) -> Hints:
    """Normalisation and padding that a safetensors file's metadata name."""
    if path.suffix != ".safetensors":
        return Hints()
    try:
        with reading(path), safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise NetError(f"{path}: not a readable weights file ({error})") from error
    return Hints(_triple(metadata.get("mean")), _triple(metadata.get("std")), metadata.get("pad_type"))


def _triple(text: str | None) -> Triple | None:
    if text is None:
        return None
    red, green, blue = map(float, text.split(","))
    return red, green, blue
