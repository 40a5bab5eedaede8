"""`oof/<contest>/images.json`: how the training images were decoded, for the test images and the zips."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.config import ContestConfig
from kit.errors import ArtefactError
from kit.inference.decode import Range, Spec
from kit.storage import exists
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
    """Shares of the classes among the kept rows: what is predicted for an image that cannot be read."""
    arrays: bool = False
    """Whether the training images came as arrays: a platform's arrays of another type than uint8 then span `range`."""
    data: str = ""
    """The digest of those images; empty where it was not noted."""

    @classmethod
    def of(cls, contest: ContestConfig, bounds: Range | None, labels: np.ndarray, data: str = "") -> DecodingRecord:
        """From the contest, the range and digest of its training data, and the labels (N,) int64 of the kept rows."""
        counts = np.bincount(labels, minlength=len(contest.classes))
        prior = tuple(float(share) for share in counts / counts.sum())
        return cls(contest.image_size, contest.data.resize, bounds, prior, contest.data.kind in ARRAYS, data)

    @classmethod
    def read(cls, workspace: Workspace, contest: ContestConfig) -> DecodingRecord:
        """What was written; where there is none, no range and equal shares. ArtefactError where it is broken: images
        would be decoded otherwise than those that trained.
        """
        path = path_of(workspace, contest)
        if not exists(path):
            equal = tuple([1 / len(contest.classes)] * len(contest.classes))
            return cls(contest.image_size, contest.data.resize, None, equal)
        again = f"rm {path}; kit clean --contest {contest.name}"
        value = artefact.read_json(path, again)
        try:
            return cls.from_dict(value)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ArtefactError(f"{path}: not a record of decoding. Make it again: {again}") from error

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> DecodingRecord:
        """The record that `as_dict` gave; KeyError or TypeError for another."""
        bounds = value["range"] and (float(value["range"][0]), float(value["range"][1]))
        return cls(int(value["size"]), str(value["resize"]), bounds, tuple(map(float, value["prior"])),
                   bool(value.get("arrays", False)), str(value.get("data", "")))  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def write(self, workspace: Workspace, contest: ContestConfig) -> None:
        """Replace the contest's record where it says something else."""
        path = path_of(workspace, contest)
        with suppress(ArtefactError):  # a broken one is replaced
            if exists(path) and self.read(workspace, contest) == self:
                return
        artefact.write_json(path, self.as_dict())

    @property
    def spec(self) -> Spec:
        """What the decoder is told."""
        return {"size": self.size, "resize": self.resize, "range": self.range}


def path_of(workspace: Workspace, contest: ContestConfig) -> Path:
    """Where a contest's record lies."""
    return workspace.oof(contest.name) / "images.json"
