"""Decoded images on disk as one memory-mapped uint8 array, so that the second start is quick.

`<cache>/data/<digest>/` holds the images, ids and labels of that digest, shared by all sources that yield
them; `<cache>/data/<key>/` what one source says beyond (groups, splits, sizes, notes) and its digest. The key
changes with any file's path, size or time, with the contest's [data] section, classes and image size, and with
`VERSION`. Everything is safe to delete.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.data.sources.decoding import Allocate
from kit.data.sources.files import image_paths
from kit.data.sources.imageset import ImageSet, content_digest
from kit.errors import ArtefactError, DiskError
from kit.lock import alone, remove_left_overs, temporary_folder
from kit.storage import reading

VERSION = 8
"""Raised when the rules of decoding change."""

Make = Callable[[Allocate], ImageSet]


def fingerprint(path: Path) -> str:
    """Hex digest of the names, sizes and times of a file, or of all images under a folder; nothing is read."""
    files = sorted(str(file) for _, file in image_paths(path)) if path.is_dir() else [str(path)]
    stats = [(name, os.stat(name)) for name in files]
    lines = [f"{name!r} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}" for name, stat in stats]
    return artefact.sha256_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def key_of(*parts: Any) -> str:
    """Hex digest of JSON values that decide what decoding yields."""
    return artefact.sha256_bytes(json.dumps([VERSION, *parts], sort_keys=True).encode())


def cached(folder: Path, key: str, make: Make, class_names: tuple[str, ...]) -> ImageSet:
    """What `make` yields, from `folder` where it was made before; a broken cache is made again."""
    source = folder / key
    remove_left_overs(folder, "*.lock")
    with contextlib.suppress(ArtefactError, *artefact.BROKEN):
        return _read(folder, source, class_names)
    with alone(folder / f"{key[:16]}.lock"):  # decoding takes minutes: who comes second reads what the first wrote
        with contextlib.suppress(ArtefactError, *artefact.BROKEN):
            return _read(folder, source, class_names)
        with temporary_folder(folder, ".decoding-") as temporary:
            image_set = _fill(temporary, make)
            _replace(folder / image_set.digest, temporary, image_set.digest, class_names)
        _write_beyond(source, image_set)
        return _read(folder, source, class_names)


def _replace(target: Path, made: Path, digest: str, class_names: tuple[str, ...]) -> None:
    """Another source of the same images may have written them, and another process may be reading them."""
    with contextlib.suppress(ArtefactError, *artefact.BROKEN):
        _open(target, digest, class_names)
        return
    if target.exists():
        shutil.rmtree(target)
    made.rename(target)


def by_digest(folder: Path, digest: str, class_names: tuple[str, ...]) -> ImageSet | None:
    """The images with that digest of content, None where `folder` does not hold them whole."""
    try:
        return _open(folder / digest, digest, class_names)
    except (ArtefactError, *artefact.BROKEN):
        return None


def _fill(folder: Path, make: Make) -> ImageSet:
    file = folder / "images.npy"

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        try:
            images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
            if hasattr(os, "posix_fallocate"):  # else a full disk is a SIGBUS at a later write, which ends the process
                with open(file, "r+b") as opened:
                    os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
            return images
        except OSError as error:
            raise DiskError(f"{file}: cannot be written ({error}). Free space and run again.") from error

    image_set = make(allocate)
    labels = {} if image_set.labels is None else {"labels": image_set.labels}
    artefact.write_npz(folder / "rows.npz", ids=image_set.ids, **labels)
    return image_set


def _open(folder: Path, digest: str, class_names: tuple[str, ...]) -> ImageSet:
    rows = artefact.read_npz(folder / "rows.npz")
    with reading(folder / "images.npy"):
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)[: len(rows["ids"])]
    if len(images) != len(rows["ids"]):
        raise ValueError(f"{folder}: {len(images)} images and {len(rows['ids'])} ids")
    if content_digest(rows["ids"], images, rows.get("labels")) != digest:
        raise ValueError(f"{folder}: changed since it was written")
    return ImageSet(rows["ids"], images, rows.get("labels"), class_names, digest=digest)


def _write_beyond(source: Path, image_set: ImageSet) -> None:
    """What a source says beyond images and labels, which another source of the same images may say differently."""
    beyond = {"groups": image_set.groups, "splits": image_set.splits, "sizes": image_set.sizes}
    given = {name: values for name, values in beyond.items() if values is not None}
    artefact.write_npz(source / "beyond.npz", **given)
    record = {"digest": image_set.digest, "notes": image_set.notes, "bounds": image_set.bounds}
    artefact.write_json(source / "source.json", record)


def _read(folder: Path, source: Path, class_names: tuple[str, ...]) -> ImageSet:
    record = artefact.read_json(source / "source.json")
    digest = str(record["digest"])
    beyond = artefact.read_npz(source / "beyond.npz")
    groups, splits, sizes = (beyond.get(name) for name in ("groups", "splits", "sizes"))
    stored = _open(folder / digest, digest, class_names)
    bounds = record["bounds"] and tuple(record["bounds"])
    return replace(stored, notes=tuple(record["notes"]), groups=groups, splits=splits, sizes=sizes, bounds=bounds)
