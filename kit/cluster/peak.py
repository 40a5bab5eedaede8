"""The most memory that this process, or its GPU, has held since a unit began."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psutil

PROCESS = Path("/proc/self")


def reset_peak() -> None:
    """Starts a new measurement."""
    if (PROCESS / "clear_refs").exists():  # Linux: 5 sets the peak back to what is held now
        (PROCESS / "clear_refs").write_text("5")
    if torch := _torch_with_gpu():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_mb() -> float:
    """MB on the GPU where one was used, else of the process."""
    if (torch := _torch_with_gpu()) and torch.cuda.max_memory_reserved():
        return float(torch.cuda.max_memory_reserved()) / 2**20
    if (PROCESS / "status").exists():
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float(psutil.Process().memory_info().rss) / 2**20


def _torch_with_gpu() -> Any:
    """The module torch, where this process has imported it and begun to use a GPU; else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None
