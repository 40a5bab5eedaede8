"""Contests that hand out a folder, or a zip, with one subfolder a class; or unlabelled images in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from kit.data.sources.columns import shown
from kit.data.sources.decoding import decode_all
from kit.data.sources.file_names import by_class_name, by_pattern, found_by
from kit.data.sources.files import open_files, open_several
from kit.data.sources.imageset import ImageSet
from kit.data.sources.labels import plain
from kit.data.sources.request import Request
from kit.errors import DataError, did_you_mean


def read_folder(request: Request) -> ImageSet:
    """Images under `<path>/<class>/`, at any depth below, or with their label in the file name; ids are the names
    relative to `path`.

    Folders around all classes (`train/<class>/`) are looked through. Of several folders in [data] images
    (`train/<class>/`, `val/<class>/`) the first part of an id names the folder, which is the row's split. DataError
    for a folder outside of the class list and for a class without a folder.
    """
    parts = request.config.image_places if request.labelled and request.config.images else ()
    files = open_several([request.path / part for part in parts]) if parts else open_files(request.path)
    names = files.names
    inside = [name.partition("/")[2] for name in names] if len(parts) > 1 else names
    notes = [f"other files are left out: {files.others}"] if files.others else []
    labels = _labels(inside, request, notes) if request.labelled else None
    pattern = request.config.group_pattern if request.labelled else ""
    groups = found_by(inside, pattern, "group_pattern", request.path) if pattern else None
    decoded = decode_all(files, names, request.spec, request.on_error, request.allocate)
    return ImageSet(
        ids=np.array(names)[decoded.rows],
        images=decoded.images,
        labels=None if labels is None else labels[decoded.rows],
        class_names=request.contest.classes,
        notes=(*notes, *decoded.notes),
        sizes=decoded.sizes,
        bounds=decoded.bounds,
        splits=np.array([name.partition("/")[0] for name in names])[decoded.rows] if len(parts) > 1 else None,
        groups=None if groups is None else groups[decoded.rows],
    )


def _labels(names: list[str], request: Request, notes: list[str]) -> np.ndarray:
    """Labels (N,) int64: by [data] label_pattern, by folders, or by the class name that every file name begins with."""
    if request.config.label_pattern:
        return by_pattern(names, request.config.label_pattern, request.contest.classes, request.path)
    folders = class_folders(names, request.contest.classes)
    if (folders == "").any() or not set(map(plain, folders)) & _known(request).keys():
        started = by_class_name(names, request.contest.classes)
        if started is not None:
            notes.append("labels taken from what the file names begin with")
            return started
    return _by_folder(folders, request)


def _known(request: Request) -> dict[str, int]:
    return {plain(name): index for index, name in enumerate(request.contest.classes)}


def class_folders(names: Sequence[str], classes: Sequence[str] = ()) -> np.ndarray:
    """(N,) str: the first folder of each name that is below the folders common to all; "" where there is none."""
    depth = class_depth(names, classes)
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    return np.array([part[depth] if len(part) > depth else "" for part in parts])


def class_depth(names: Sequence[str], classes: Sequence[str] = ()) -> int:
    """How many folders lie around all class folders."""
    known = {name.casefold() for name in classes}
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(part) > depth + 1 for part in parts) and len({part[depth] for part in parts}) == 1:
        if parts[0][depth].casefold() in known:
            break
        depth += 1
    return depth


def _by_folder(folders: np.ndarray, request: Request) -> np.ndarray:
    """Labels (N,) int64: of the class that a folder is named after, else of the one spelled alike but for its case."""
    classes, folded = request.contest.classes, _known(request)
    exact = {name: index for index, name in enumerate(classes)}
    unique, inverse = np.unique(folders, return_inverse=True)
    found = [exact.get(str(one), folded.get(plain(one), -1)) for one in unique]
    if -1 in found:
        raise _outside(str(unique[found.index(-1)]), request)
    absent = [name for index, name in enumerate(classes) if index not in found]
    if absent:
        raise DataError(
            f"{request.path}: every class needs a folder with images, but {shown(absent)} has none. "
            f"Add it, or take the class out of the contest file."
        )
    return np.array(found, dtype=np.int64)[inverse]


def _outside(folder: str, request: Request) -> DataError:
    classes = request.contest.classes
    if not folder:
        return DataError(
            f"{request.path}: images must lie in one folder a class ({shown(classes)}), but some lie outside. "
            f'Sort them in, set [data] label_pattern = "^([a-z]+)" where file names hold the label, or use '
            f'kind = "csv" where a table has the labels.'
        )
    return DataError(
        f"{request.path}: folders must be named after classes ({shown(classes)}), but one is {folder!r}."
        f"{did_you_mean(folder, classes)} Rename it, or fix the contest's class list."
    )
