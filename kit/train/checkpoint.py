"""The state of an unfinished fit: everything that the next step depends on."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from kit.artefact import write_bytes
from kit.errors import ArtefactError
from kit.seal import framed, unframed
from kit.storage import exists, reading

ZIP = b"PK"
"""How a file of torch.save begins."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors and plain values atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, framed(buffer.getvalue()))


def load(path: Path, rerun: str) -> dict[str, Any] | None:
    """The state in `path`, None where there is none; ArtefactError, with the command `rerun`, where it is corrupt."""
    if not exists(path):
        return None
    try:
        with reading(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a foreign pickle is refused below, with what to do
            data = unframed(path.read_bytes(), ZIP)
            return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, ValueError, TypeError, KeyError, pickle.UnpicklingError) as error:
        raise ArtefactError(
            f"{path}: corrupt checkpoint ({type(error).__name__}). "
            f"Delete it, and train this fold from its start: {rerun}"
        ) from error
