"""What made an artefact: configs, digests of its data, versions; and whether that is what would make it now."""

from __future__ import annotations

import platform
import time
from importlib import metadata
from typing import Any

import cv2
import numpy as np
import PIL
from pydantic import ValidationError

import kit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.shifts.battery import Battery

VERSIONS = ("versions", "time")
"""Keys of `versions`."""


def identity(contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig) -> dict[str, Any]:
    """What a finished fold must agree with to be reused: "config", "shift" and "digests", as plain values."""
    return {
        "config": recipe.model_dump(mode="json"),
        "shift": contest.shift.model_dump(mode="json") | Battery.from_config(contest.shift).identity,
        "digests": {"data": prepared.data_digest, "folds": prepared.fold_digest},
    }


def differences(made: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Keys of an `identity` in which what was `made` is another than what is `wanted`.

    "shift" is left out: a network does not depend on it.
    """
    made = made | {"config": _filled(made.get("config"))}
    return [key for key in wanted if key != "shift" and made.get(key) != wanted[key]]


def versions() -> dict[str, Any]:
    """What made an artefact."""
    import torch  # seconds, which a run that is there already does not need

    made_by = {"kit": kit.__version__, "python": platform.python_version(), "torch": torch.__version__}
    made_by |= {"timm": metadata.version("timm"), "numpy": np.__version__}
    made_by |= {"opencv": cv2.__version__, "pillow": PIL.__version__}
    return {"versions": made_by, "time": time.time()}


def _filled(config: Any) -> Any:
    """A stored recipe with the keys that came after it was made: their defaults are what it had."""
    try:
        return RecipeConfig.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return config
