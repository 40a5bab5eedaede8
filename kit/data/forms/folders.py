"""Image files by their labels: one folder a class, several folders of such, labels in file names."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from kit.data.forms.form import Form, Opener, names_of
from kit.data.forms.groups import groups_in_names
from kit.data.forms.spellings import one_spelling
from kit.data.sources.file_names import labels_in_names
from kit.data.sources.files import Files, open_files, open_several
from kit.data.sources.folders import class_folders
from kit.data.sources.places import TEST, TRAIN, VALIDATION
from kit.errors import DataError

PARTS = frozenset(name.casefold() for name in (*TRAIN, *VALIDATION, *TEST))
"""Names of folders that hold parts of a data set, not classes."""


def look_at_files(path: Path) -> Form:
    """A folder or zip with one folder a class, at any depth, or with labels in file names; DataError for neither."""
    files = open_files(path)
    names = files.names
    kind = "folder" if path.is_dir() else "zip"
    if (in_names := _in_names(kind, path, files, names)) is not None:
        return in_names
    _refuse_parts(class_folders(names), path)
    found = _by_folder(kind, path, files, names, names)
    found.facts.append(f"{len(names):,} image files in {len(found.classes)} class folders.")
    return found


def look_at_splits(path: Path, parts: list[str]) -> Form:
    """Folders beside each other, such as train and val, of class folders each."""
    files = open_several([path / part for part in parts])
    names = files.names
    found = _by_folder("folder", path, files, names, [name.partition("/")[2] for name in names])
    found.data["images"] = tuple(parts)
    counts = Counter(name.partition("/")[0] for name in names)
    listed = ", ".join(f"{part} ({counts[part]:,} images)" for part in parts)
    found.facts.append(f"{len(found.classes)} class folders in each of {listed}: all of them are training data.")
    found.doubts.append(
        f"Folds are drawn anew over {' and '.join(parts)}. To hold out {parts[-1]} alone, set [folds] kind to column."
    )
    return found


def _refuse_parts(folders: np.ndarray, path: Path) -> None:
    """DataError for training and test images in one zip, or under one folder: these are no classes."""
    heads = sorted(set(folders.tolist()))
    if len(heads) > 1 and all(head.casefold() in PARTS for head in heads):
        what = "Unpack it, and give --data the folder" if path.is_file() else "Give --data the folder"
        raise DataError(
            f"{path}: folders must be named after classes, but {' and '.join(heads)} are parts of a data set. {what} "
            f"that holds them"
        )


def _by_folder(kind: str, path: Path, files: Files, names: list[str], inside: list[str]) -> Form:
    """Labels by the class folders of the paths `inside`."""
    folders = class_folders(inside)
    loose = [name for name, folder in zip(names, folders) if not folder]
    if loose:
        raise DataError(
            f"{path}: images must lie in one folder a class, but {len(loose):,} of {len(names):,} lie outside (such as "
            f"{loose[0]!r}). Where a table has the labels, give --data that CSV"
        )
    values, said = one_spelling(folders)
    classes, labels = names_of(values)
    if len(classes) < 2:
        raise DataError(f"{path}: two or more classes need a folder each, but all images lie in {classes[0]!r}")
    found = Form(kind, str(path), classes, labels, opener(files, names), doubts=said)
    if files.others:
        found.doubts.append(f"Other files are left out: {files.others}.")
    groups_in_names(names, found)
    return found


def _in_names(kind: str, path: Path, files: Files, names: list[str]) -> Form | None:
    """Images in one folder whose names begin with their labels; None where they are not such."""
    if len({PurePosixPath(name).parent for name in names}) > 1:
        return None
    told = labels_in_names(names)
    if told is None:
        return None
    pattern, values = told
    classes, labels = names_of(values)
    found = Form(kind, str(path), classes, labels, opener(files, names), {"label_pattern": pattern})
    found.facts.append(f"{len(names):,} image files whose names begin with {len(classes)} labels.")
    return found


def opener(files: Files, names: Sequence[str]) -> Opener:
    """Opens row by row what `names` names."""

    def open_image(row: int) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(files.read(names[row]))) as image:
                return np.asarray(image.convert("RGBA") if image.mode == "P" else image)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{names[row]}: {error}") from error

    return open_image
