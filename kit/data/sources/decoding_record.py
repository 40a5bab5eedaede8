"""`oof/<contest>/images.json`: how the training images were decoded, for the test images and the zips."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.config import ContestConfig
from kit.errors import ArtefactError
from kit.inference.decode import Range, Spec
from kit.workspace import Workspace

ARRAYS = ("npz", "hdf5", "medmnist")
"""Kinds of [data] in which contests hand out what a platform then hands to the submission."""


@dataclass(frozen=True)
class DecodingRecord:
    """What a reader of test images has to know."""

    size: int
    """Height and width, pixels."""
    resize: str
    range: Range | None
    """The values that become 0 and 255 in images of more than 8 bits; None where no training image was such."""
    prior: tuple[float, ...]
    """Shares of the classes among the kept rows: what is said of an image that cannot be read."""
    arrays: bool = False
    """Whether the training images came as arrays: a platform's arrays of another type than uint8 then span `range`."""

    @classmethod
    def of(cls, contest: ContestConfig, bounds: Range | None, labels: np.ndarray) -> DecodingRecord:
        """From the contest, the range of its training data, and the labels (N,) int64 of the kept rows."""
        counts = np.bincount(labels, minlength=len(contest.classes))
        prior = tuple(float(share) for share in counts / counts.sum())
        return cls(contest.image_size, contest.data.resize, bounds, prior, contest.data.kind in ARRAYS)

    @classmethod
    def read(cls, workspace: Workspace, contest: ContestConfig) -> DecodingRecord:
        """What was written; where there is none, no range and equal shares."""
        try:
            return cls.from_dict(artefact.read_json(path_of(workspace, contest)))
        except (ArtefactError, KeyError, TypeError, ValueError):
            equal = tuple([1 / len(contest.classes)] * len(contest.classes))
            return cls(contest.image_size, contest.data.resize, None, equal)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> DecodingRecord:
        """The record that `as_dict` gave; KeyError or TypeError for another."""
        bounds = value["range"] and (float(value["range"][0]), float(value["range"][1]))
        return cls(int(value["size"]), str(value["resize"]), bounds, tuple(map(float, value["prior"])),
                   bool(value.get("arrays", False)))  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def write(self, workspace: Workspace, contest: ContestConfig) -> None:
        """Replace the contest's record where it says something else."""
        if self.read(workspace, contest) != self or not path_of(workspace, contest).exists():
            artefact.write_json(path_of(workspace, contest), self.as_dict())

    @property
    def spec(self) -> Spec:
        """What the decoder is told."""
        return {"size": self.size, "resize": self.resize, "range": self.range}


def path_of(workspace: Workspace, contest: ContestConfig) -> Path:
    """Where a contest's record lies."""
    return workspace.oof(contest.name) / "images.json"
