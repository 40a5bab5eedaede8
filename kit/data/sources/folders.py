"""Contests that hand out a folder, or a zip, with one subfolder a class; or unlabelled images in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from kit.data.sources.columns import shown
from kit.data.sources.decoding import decode_all
from kit.data.sources.files import open_files
from kit.data.sources.imageset import ImageSet
from kit.data.sources.labels import to_indices
from kit.data.sources.request import Request
from kit.errors import DataError, did_you_mean


def read_folder(request: Request) -> ImageSet:
    """Images under `<path>/<class>/`, at any depth below, or with their label in the file name; ids are the names
    relative to `path`.

    Folders around all classes (`train/<class>/`) are looked through. DataError for a folder outside of the
    class list and for a class without a folder.
    """
    files = open_files(request.path)
    names = files.names
    notes: list[str] = []
    labels = _labels(names, request, notes) if request.labelled else None
    decoded = decode_all(files, names, request.spec, request.on_error, request.allocate)
    return ImageSet(
        ids=np.array(names)[decoded.rows],
        images=decoded.images,
        labels=None if labels is None else labels[decoded.rows],
        class_names=request.contest.classes,
        notes=(*notes, *decoded.notes),
        sizes=decoded.sizes,
        bounds=decoded.bounds,
    )


def _labels(names: list[str], request: Request, notes: list[str]) -> np.ndarray:
    """Labels (N,) int64: by [data] label_pattern, by folders, or by the class name that every file name begins with."""
    if request.config.label_pattern:
        return _by_pattern(names, re.compile(request.config.label_pattern), request)
    folders = class_folders(names, request.contest.classes)
    if (folders == "").any() or not set(map(str.casefold, folders)) & _known(request).keys():
        started = _by_start(names, request)
        if started is not None:
            notes.append("labels taken from what the file names begin with")
            return started
    return _by_folder(folders, request)


def _known(request: Request) -> dict[str, int]:
    return {name.casefold(): index for index, name in enumerate(request.contest.classes)}


def class_folders(names: list[str], classes: Sequence[str]) -> np.ndarray:
    """(N,) str: the first folder of each name that is below the folders common to all; "" where there is none."""
    known = {name.casefold() for name in classes}
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(part) > depth + 1 for part in parts) and len({part[depth] for part in parts}) == 1:
        if parts[0][depth].casefold() in known:
            break
        depth += 1
    return np.array([part[depth] if len(part) > depth else "" for part in parts])


def _by_folder(folders: np.ndarray, request: Request) -> np.ndarray:
    known = _known(request)
    unique, inverse = np.unique(folders, return_inverse=True)
    for folder in unique:
        if folder.casefold() not in known:
            raise _outside(str(folder), request)
    found = {str(one).casefold() for one in unique}
    absent = [name for name in request.contest.classes if name.casefold() not in found]
    if absent:
        raise DataError(
            f"{request.path}: every class needs a folder with images, but {shown(absent)} has none. "
            f"Add it, or take the class out of the contest file."
        )
    return np.array([known[folder.casefold()] for folder in unique], dtype=np.int64)[inverse]


def _by_pattern(names: list[str], pattern: re.Pattern[str], request: Request) -> np.ndarray:
    """Labels by the first group of a pattern, looked for in the file's name, then in its path."""
    matches = [pattern.search(PurePosixPath(name).name) or pattern.search(name) for name in names]
    silent = [name for name, match in zip(names, matches) if match is None or not match.group(1)]
    if silent:
        raise DataError(
            f"{request.path}: [data] label_pattern must fit every file name, but {len(silent):,} of {len(names):,} do "
            f"not ({shown(silent, 5)}). Fix {request.config.label_pattern!r}."
        )
    return to_indices(np.array([match.group(1) for match in matches if match]), request.contest.classes)


def _by_start(names: list[str], request: Request) -> np.ndarray | None:
    """Labels of names such as cat.12.jpg, cat_12.jpg, Cat 12.jpg; None unless all names and all classes are such."""
    longest = sorted(_known(request).items(), key=lambda pair: -len(pair[0]))
    labels = []
    for name in names:
        stem = PurePosixPath(name).stem.casefold()
        fits = (label for start, label in longest if stem.startswith(start) and not stem[len(start) :][:1].isalpha())
        label = next(fits, None)
        if label is None:
            return None
        labels.append(label)
    return np.array(labels, dtype=np.int64) if len(set(labels)) == len(longest) else None


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
