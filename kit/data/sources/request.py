"""What a reader is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.config import ContestConfig, DataConfig
from kit.data.sources.decoding import Allocate


@dataclass(frozen=True)
class Request:
    """One reading of a source; `labelled` is False for the test images of a contest."""

    contest: ContestConfig
    path: Path
    allocate: Allocate
    labelled: bool = True

    @property
    def config(self) -> DataConfig:
        """The contest's [data] section."""
        return self.contest.data

    @property
    def size(self) -> int:
        """Height and width of the images."""
        return self.contest.image_size
