"""Decoded pictures on disk as one memory-mapped uint8 array, so that the second start is quick.

`<cache>/data/<digest>/` holds images.npy, rest.npz and notes.json; `<cache>/data/<key>.json` leads from a
source, as it lies on disk, to its digest. The key changes with any file's path, size or time, with the
contest's [data] section, classes and image size, and with `VERSION`. Everything is safe to delete.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.data.decoding import Allocate
from kit.data.imageset import ImageSet
from kit.errors import ArtefactError, DiskError

VERSION = 1
"""Raised when the rules of decoding change."""

Make = Callable[[Allocate], ImageSet]


def fingerprint(path: Path) -> str:
    """Hex digest of the names, sizes and times of a file, or of all files under a folder; nothing is read."""
    if path.is_dir():
        stats = [(name, os.stat(name)) for name in sorted(_all_files(str(path)))]
    else:
        stats = [(str(path), os.stat(path))]
    lines = [f"{name!r} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}" for name, stat in stats]
    return artefact.sha256_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def _all_files(folder: str) -> list[str]:
    return [os.path.join(where, file) for where, _, files in os.walk(folder) for file in files]


def key_of(*parts: Any) -> str:
    """Hex digest of JSON values that decide what decoding yields."""
    return artefact.sha256_bytes(json.dumps([VERSION, *parts], sort_keys=True).encode())


def cached(folder: Path, key: str, make: Make, class_names: tuple[str, ...]) -> ImageSet:
    """What `make` yields, from `folder` where it was made before; a broken cache is made again."""
    pointer = folder / f"{key}.json"
    if pointer.exists():
        with contextlib.suppress(ArtefactError, OSError, ValueError, KeyError):
            return _open(folder / artefact.read_json(pointer)["digest"], class_names)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".decoding-", dir=folder))
    try:
        digest = _fill(temporary, make)
        target = folder / digest
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    artefact.write_json(pointer, {"digest": digest})
    return _open(target, class_names)


def by_digest(folder: Path, digest: str, class_names: tuple[str, ...]) -> ImageSet | None:
    """The pictures with that digest of content, None where `folder` does not hold them whole."""
    try:
        return _open(folder / digest, class_names)
    except (ArtefactError, OSError, ValueError, KeyError):
        return None


def _fill(folder: Path, make: Make) -> str:
    file = folder / "images.npy"

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        try:
            return np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
        except OSError as error:
            raise DiskError(f"{file}: cannot be written ({error}). Free space and run again.") from error

    image_set = make(allocate)
    optional = {"labels": image_set.labels, "groups": image_set.groups, "splits": image_set.splits}
    optional["sizes"] = image_set.sizes
    arrays = {name: array for name, array in optional.items() if array is not None}
    artefact.write_npz(folder / "rest.npz", ids=image_set.ids, **arrays)
    artefact.write_json(folder / "notes.json", {"digest": image_set.digest, "notes": image_set.notes})
    return image_set.digest


def _open(folder: Path, class_names: tuple[str, ...]) -> ImageSet:
    rest = artefact.read_npz(folder / "rest.npz")
    notes = artefact.read_json(folder / "notes.json")
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)[: len(rest["ids"])]
    if len(images) != len(rest["ids"]):
        raise ValueError(f"{folder}: {len(images)} images and {len(rest['ids'])} ids")
    return ImageSet(
        ids=rest["ids"],
        images=images,
        labels=rest.get("labels"),
        class_names=class_names,
        notes=tuple(notes["notes"]),
        groups=rest.get("groups"),
        splits=rest.get("splits"),
        sizes=rest.get("sizes"),
        digest=notes["digest"],
    )
