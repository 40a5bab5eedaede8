"""A table that is on disk after every row, with the machine that it was measured on."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from kit.artefact import write_text
from kit.train.device import pick_device


class Results:
    """Rows of one part."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.started = path, list[dict[str, Any]](), time.monotonic()
        self._write(whole=False)

    def add(self, **row: Any) -> None:
        """A row, with the second at which it was measured."""
        self.rows.append(row | {"at": round(time.monotonic() - self.started, 1)})
        self._write(whole=False)

    def end(self) -> None:
        """Marks the table as whole."""
        self._write(whole=True)

    def _write(self, whole: bool) -> None:
        table = {"machine": machine(), "whole": whole, "rows": self.rows}
        write_text(self.path, json.dumps(table, indent=1) + "\n")


def machine() -> str:
    """Device, cores, versions."""
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}"
