"""`kit weights`: which weights recipes need, where each lies, and a folder of them for a machine without network."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save

from kit.artefact import write_bytes
from kit.config import RecipeConfig
from kit.errors import NetError
from kit.nets.weights import hub
from kit.nets.weights.files import read_state
from kit.nets.weights.needs import library_names
from kit.nets.weights.packages import renamed
from kit.nets.weights.search import Found, find_weights, locate


@dataclass(frozen=True)
class Need:
    """Weights that recipes start from."""

    weights: str
    """"timm/<name>", "torchvision/<name>", or the file that a recipe names."""
    recipes: tuple[str, ...]
    found: Found | Path | None
    """None where nothing holds them; then `problem` says so."""
    problem: str = ""

    @property
    def where(self) -> str:
        """In words."""
        if self.found is None:
            return "NOT FOUND"
        return str(self.found.parent) if isinstance(self.found, Path) else self.found.where

    @property
    def path(self) -> Path | None:
        """The file, where it lies on this machine."""
        return self.found.path if isinstance(self.found, Found) else self.found


def needs(recipes: Sequence[RecipeConfig]) -> list[Need]:
    """What `recipes` start from, each once, in their order; recipes that train from scratch need nothing."""
    users: dict[tuple[str, bool], list[str]] = {}
    for recipe in recipes:
        net = recipe.net
        keys = [(name, True) for name in library_names(net)] if net.pretrained is True else []
        keys += [(net.pretrained, False)] if isinstance(net.pretrained, str) else []
        for key in dict.fromkeys(keys):
            users.setdefault(key, []).append(recipe.name)
    return [_need(weights, in_library, tuple(names)) for (weights, in_library), names in users.items()]


def _need(weights: str, in_library: bool, recipes: tuple[str, ...]) -> Need:
    try:
        return Need(weights, recipes, locate(weights) if in_library else find_weights(weights))
    except NetError as error:
        return Need(weights, recipes, None, str(error))


def fetch(need: Need, folder: Path) -> Path:
    """Puts the weights into `folder`, under the name by which they are looked for; NetError where nothing holds them.

    A package's file becomes safetensors whose metadata keep its normalisation. What is there already stays.
    """
    if need.found is None:
        raise NetError(need.problem)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(need.found, Path):
        return _copied(need.found, folder / need.found.name)
    if need.found.package is not None and need.found.path is not None:
        return _from_package(need.found, need.found.path, folder)
    source = need.path or hub.download(need.weights)
    family, _, name = need.weights.partition("/")
    file = hub.torchvision_file(name) if family == "torchvision" else f"{name}{source.suffix}"
    return _copied(source, folder / file)


def _from_package(found: Found, path: Path, folder: Path) -> Path:
    name, hints = found.name.removeprefix("timm/"), found.hints
    target = folder / f"{name}.safetensors"
    known = {"mean": hints.mean, "std": hints.std}
    metadata = {key: ",".join(map(str, value)) for key, value in known.items() if value is not None}
    if not target.exists():
        state = {key: tensor.contiguous() for key, tensor in renamed(read_state(path), name).items()}
        write_bytes(target, save(state, metadata | {"origin": found.where}))
    return target


def _copied(source: Path, target: Path) -> Path:
    if not target.exists():
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)
    return target
