"""Contests that hand out image files in one folder a class, as `kit init` sees them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from kit.data.sources.files import Files, open_files
from kit.errors import DataError
from kit.data.sources.file_names import labels_in_names
from kit.data.forms.form import Form, Opener, names_of
from kit.data.forms.groups import groups_in_names


def look_at_files(path: Path) -> Form:
    """A folder or zip with one folder a class, at any depth; DataError where images lie loose."""
    files = open_files(path)
    names = files.names
    kind = "folder" if path.is_dir() else "zip"
    if (in_names := _in_names(kind, path, files, names)) is not None:
        return in_names
    classes, labels = names_of(np.array(class_folders(names, path)))
    found = Form(kind, str(path), classes, labels, opener(files, names))
    found.facts.append(f"{len(names):,} image files in {len(classes)} class folders.")
    if len(classes) < 2:
        raise DataError(f"{path}: two or more classes need a folder each, but all images lie in {classes[0]!r}")
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


def class_folders(names: Sequence[str], path: Path) -> list[str]:
    """For each file its first folder below those that all share."""
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(part) > depth + 1 for part in parts) and len({part[depth] for part in parts}) == 1:
        depth += 1
    loose = [name for name, part in zip(names, parts) if len(part) <= depth]
    if loose:
        raise DataError(
            f"{path}: images must lie in one folder a class, but {len(loose):,} of {len(names):,} lie outside (such as "
            f"{loose[0]!r}). Where a table has the labels, give --data that CSV"
        )
    return [part[depth] for part in parts]


def opener(files: Files, names: Sequence[str]) -> Opener:
    """Opens row by row what `names` names."""

    def open_image(row: int) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(files.read(names[row]))) as image:
                return np.asarray(image.convert("RGBA") if image.mode == "P" else image)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{names[row]}: {error}") from error

    return open_image
