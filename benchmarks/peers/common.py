"""What every peer is given, and how it says what it predicts. Imports no kit: each peer has its own environment."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.monotonic()
"""A peer's minutes begin here, before its libraries are imported."""


class Job:
    """The file that `run.py` wrote."""

    def __init__(self) -> None:
        self.path = Path(sys.argv[1])
        values: dict[str, Any] = json.loads(self.path.read_text())
        self.data, self.out, self.weights = (Path(values[key]) for key in ("data", "out", "weights"))
        self.classes: list[str] = values["classes"]
        self.seconds: float = values["seconds"]
        self.net: str = values["net"]
        self.size: int = values["size"]
        self.best: bool = values["best"]
        self.info: dict[str, Any] = {}

    @property
    def progress(self) -> float:
        """Share of its seconds that is over."""
        return (time.monotonic() - STARTED) / self.seconds

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - STARTED)

    def train_files(self) -> list[tuple[str, int]]:
        """Paths of the images to train on, with their labels."""
        return [(str(path), label) for label, name in enumerate(self.classes)
                for path in sorted((self.data / "train" / name).glob("*.png"))]  # fmt: skip

    def unseen_files(self) -> dict[str, list[str]]:
        """Paths of the unseen images of every set, in order."""
        folders = sorted((self.data / "unseen").iterdir())
        return {folder.name: sorted(map(str, folder.glob("*.png"))) for folder in folders}

    def use_local_weights(self) -> None:
        """timm's `pretrained=True` finds the file of `net` in `weights`, where no hub can be reached."""
        import timm  # noqa: F401  # which registers its networks
        from timm.models import _registry

        path = self.weights / f"{self.net}.safetensors"
        for name, config in _registry._model_pretrained_cfgs.items():
            if name.split(".")[0] == self.net:
                config.file, config.hf_hub_id, config.url = str(path), None, ""

    def trained(self, **info: Any) -> None:
        """Notes that the last step was made."""
        self.info = {"seconds": time.monotonic() - STARTED} | info

    def say(self, predicted: dict[str, list[int]]) -> None:
        """Writes the labels of every set."""
        (self.out / "said.json").write_text(json.dumps({"predicted": predicted, **self.info}))
