"""Contests that hand out a folder, or a zip, with one subfolder a class; or unlabelled images in one."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from kit.data.sources.decoding import decode_all
from kit.data.sources.files import open_files
from kit.data.sources.imageset import ImageSet
from kit.data.sources.request import Request
from kit.errors import DataError, did_you_mean


def read_folder(request: Request) -> ImageSet:
    """Images under `<path>/<class>/`, at any depth below; ids are the names relative to `path`.

    Folders around all classes (`train/<class>/`) are looked through. DataError for a folder outside of the
    class list and for a class without a folder.
    """
    files = open_files(request.path)
    names = files.names
    labels = _labels(names, request) if request.labelled else None
    decoded = decode_all(files, names, request.spec, request.on_error, request.allocate)
    return ImageSet(
        ids=np.array(names)[decoded.rows],
        images=decoded.images,
        labels=None if labels is None else labels[decoded.rows],
        class_names=request.contest.classes,
        notes=decoded.notes,
        sizes=decoded.sizes,
        bounds=decoded.bounds,
    )


def _labels(names: list[str], request: Request) -> np.ndarray:
    """Labels (N,) int64 from the first folder of each name that is below the folders common to all."""
    classes = request.contest.classes
    known = {name.casefold(): index for index, name in enumerate(classes)}
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(part) > depth + 1 for part in parts) and len({part[depth] for part in parts}) == 1:
        if parts[0][depth].casefold() in known:
            break
        depth += 1
    folders = np.array([part[depth] if len(part) > depth else "" for part in parts])
    unique, inverse = np.unique(folders, return_inverse=True)
    for folder in unique:
        if folder.casefold() not in known:
            raise _outside(str(folder), request)
    absent = [name for name in classes if name.casefold() not in {str(one).casefold() for one in unique}]
    if absent:
        raise DataError(
            f"{request.path}: every class needs a folder with images, but {', '.join(absent)} has none. "
            f"Add it, or take the class out of the contest file."
        )
    return np.array([known[folder.casefold()] for folder in unique], dtype=np.int64)[inverse]


def _outside(folder: str, request: Request) -> DataError:
    classes = request.contest.classes
    if not folder:
        return DataError(
            f"{request.path}: images must lie in one folder a class ({', '.join(classes)}), but some lie "
            "outside. "
            f'Sort them in, or use kind = "csv" where a table has the labels.'
        )
    return DataError(
        f"{request.path}: folders must be named after classes ({', '.join(classes)}), but one is {folder!r}."
        f"{did_you_mean(folder, classes)} Rename it, or fix the contest's class list."
    )
