"""What a reader is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.config import ContestConfig, DataConfig
from kit.data.sources.decoding import Allocate, OnError
from kit.inference.decode import Range, Spec


@dataclass(frozen=True)
class Request:
    """One reading of a source; `labelled` is False for the test images of a contest."""

    contest: ContestConfig
    path: Path
    allocate: Allocate
    labelled: bool = True
    bounds: Range | None = None
    """The value range of the training data, for test images; None where it is to be observed."""

    @property
    def config(self) -> DataConfig:
        """The contest's [data] section."""
        return self.contest.data

    @property
    def size(self) -> int:
        """Height and width of the images."""
        return self.contest.image_size

    @property
    def spec(self) -> Spec:
        """What the decoder is told."""
        return {"size": self.size, "resize": self.config.resize, "range": self.bounds}

    @property
    def on_error(self) -> OnError:
        """What unreadable images do: a test image never stops a run."""
        return self.config.on_error if self.labelled else "repair"
