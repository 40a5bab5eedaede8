"""The contest's rows as files that every process of a machine maps: images lie in memory once, not once a worker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.data.prepared import Prepared
from kit.errors import ArtefactError
from kit.lock import alone
from kit.storage import reading

SMALL = ("ids", "labels", "folds", "groups")
PIECE = 1024
"""Images at a time."""


@dataclass(frozen=True)
class SharedData:
    """Where `share` put a contest's rows."""

    folder: Path

    def load(self) -> Prepared:
        """The rows, their images mapped from disk; kept for the next unit of this process."""
        return _load(self.folder)


def share(prepared: Prepared, cache: Path) -> SharedData:
    """Writes `prepared` under `cache`, unless it lies there already."""
    rows = {name: getattr(prepared, name) for name in (*SMALL, "weights")}
    given = {name: values for name, values in rows.items() if values is not None}
    digest = artefact.sha256_arrays(*given.values())
    name = artefact.sha256_bytes(f"{digest}{prepared.data_digest}{prepared.fold_digest}".encode())[:16]
    folder = cache / "prepared" / name
    plain = {"class_names": prepared.class_names, "data": prepared.data_digest, "folds": prepared.fold_digest}
    with alone(cache / "prepared" / f"{name}.lock"):
        if not _holds(folder, prepared, digest, plain):
            _write_images(folder / "images.npy", prepared.images)
            artefact.write_npz(folder / "rows.npz", **given)
            artefact.write_json(folder / "prepared.json", plain)
    return SharedData(folder)


def _holds(folder: Path, prepared: Prepared, digest: str, plain: dict[str, Any]) -> bool:
    """Whether `folder` holds these rows, every byte of them."""
    try:
        if artefact.read_json(folder / "prepared.json") != plain | {"class_names": list(prepared.class_names)}:
            return False
        with reading(folder / "images.npy"):
            rows, images = artefact.read_npz(folder / "rows.npz"), np.load(folder / "images.npy", mmap_mode="r")
    except (ArtefactError, *artefact.BROKEN):
        return False
    order = [rows[name] for name in (*SMALL, "weights") if name in rows]
    if artefact.sha256_arrays(*order) != digest or images.shape != prepared.images.shape:
        return False
    pieces = range(0, len(images), PIECE)
    return all(np.array_equal(images[at : at + PIECE], prepared.images[at : at + PIECE]) for at in pieces)


def _write_images(path: Path, images: np.ndarray) -> None:
    """(N, S, S, 3) uint8 in pieces, so that no second copy of them lies in memory."""
    with artefact.replacing(path) as file:
        header = {"descr": images.dtype.str, "fortran_order": False, "shape": images.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(images), PIECE):
            file.write(np.ascontiguousarray(images[start : start + PIECE]).data)


@lru_cache(maxsize=1)
def _load(folder: Path) -> Prepared:
    again = f"rm -r {folder}, and the same command again"
    rows = artefact.read_npz(folder / "rows.npz", rerun=again)
    plain = artefact.read_json(folder / "prepared.json", rerun=again)
    images = np.load(folder / "images.npy", mmap_mode="r")
    names = tuple(plain["class_names"])
    return Prepared(
        images=images,
        class_names=names,
        data_digest=plain["data"],
        fold_digest=plain["folds"],
        weights=rows.get("weights"),
        ids=rows["ids"],
        labels=rows["labels"],
        folds=rows["folds"],
        groups=rows["groups"],
    )
