"""The contest's rows as files that every process of a machine maps: images lie in memory once, not once a worker."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kit import artefact
from kit.data.prepared import Prepared

SMALL = ("ids", "labels", "folds", "groups")


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
    if not (folder / "prepared.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_images(folder / "images.npy", prepared.images)
        artefact.write_npz(folder / "rows.npz", **given)
        plain = {"class_names": prepared.class_names, "data": prepared.data_digest, "folds": prepared.fold_digest}
        artefact.write_json(folder / "prepared.json", plain)
    return SharedData(folder)


def _write_images(path: Path, images: np.ndarray) -> None:
    """(N, S, S, 3) uint8 in pieces, so that no second copy of them lies in memory."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    mapped = np.lib.format.open_memmap(partial, mode="w+", dtype=images.dtype, shape=images.shape)
    for start in range(0, len(images), 1024):
        mapped[start : start + 1024] = images[start : start + 1024]
    mapped.flush()
    os.replace(partial, path)


@lru_cache(maxsize=1)
def _load(folder: Path) -> Prepared:
    again = f"rm -r {folder}, and the same command again"
    rows = artefact.read_npz(folder / "rows.npz", rerun=again)
    plain = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
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
