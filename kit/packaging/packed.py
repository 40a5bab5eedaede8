"""What packing gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.ensemble.blend import Blend


@dataclass(frozen=True)
class PackedZip:
    """A packed submission."""

    path: Path
    sha256: str
    size_mb: float
    manifest: dict[str, Any]
    blend: Blend
    """What was packed: the blend asked for, or where that did not fit what stands for it."""
