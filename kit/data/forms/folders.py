"""Image files by their labels: one folder a class, several folders of such, labels in file names."""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from kit.data.forms.form import Form, Opener, names_of
from kit.data.forms.groups import groups_in_names
from kit.data.forms.levels import class_pattern, look_inside, refuse_parts
from kit.data.forms.name_groups import known_groups
from kit.data.forms.spellings import one_spelling
from kit.data.sources.columns import shown
from kit.data.sources.file_names import found_by, labels_in_names
from kit.data.sources.files import Files, is_hidden, open_files, open_several
from kit.data.sources.folders import class_depth, class_folders
from kit.data.sources.labels import plain
from kit.errors import DataError


def look_at_files(path: Path) -> Form:
    """A folder or zip with one folder a class, at any depth, or with labels in file names; DataError for neither."""
    files = open_files(path)
    names = files.names
    kind = "folder" if path.is_dir() else "zip"
    if (in_names := _in_names(kind, path, files, names)) is not None:
        return in_names
    refuse_parts(names, path)
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


def _by_folder(kind: str, path: Path, files: Files, names: list[str], inside: list[str]) -> Form:
    """Labels by the class folders of the paths `inside`."""
    label_pattern, group_pattern = class_pattern(inside, str(path))
    if label_pattern:
        folders = found_by(inside, label_pattern, "label_pattern", path)
    else:
        folders = np.array([unicodedata.normalize("NFC", folder) for folder in class_folders(inside)])
    loose = [name for name, folder in zip(names, folders) if not folder]
    if loose:
        raise DataError(
            f"{path}: images must lie in one folder a class, but {len(loose):,} of {len(names):,} lie outside (such as "
            f"{loose[0]!r}). Move them into the folder of their class, or out of {path}; where a table has the labels, "
            f"give --data that CSV"
        )
    values, said = one_spelling(folders)
    classes, labels = names_of(values)
    if len(classes) < 2:
        table = " Where a table in it has the labels, unpack it, and give --data that table" if path.is_file() else ""
        raise DataError(f"{path}: two or more classes need a folder each, but all images lie in {classes[0]!r}.{table}")
    found = Form(kind, str(path), classes, labels, opener(files, names), doubts=said)
    if files.others:
        found.doubts.append(f"Other files are left out: {files.others}.")
    if label_pattern:
        outer = class_folders(inside)
        found.data |= {"label_pattern": label_pattern, "group_pattern": group_pattern}
        found.doubts.append(
            f"Folders such as {str(outer[0])!r} hold folders of the same names: these are taken for the classes, and "
            f"images of one of the {len(np.unique(outer)):,} stay in one fold."
        )
        return found
    look_inside(inside, found)
    if "group_pattern" not in found.data and not known_groups(names, found):
        groups_in_names(names, found)
    if inside is names:
        found.doubts += _empty_folders(path, inside, found.classes)
    return found


def _empty_folders(path: Path, inside: list[str], classes: tuple[str, ...]) -> list[str]:
    """A doubt about folders beside the class folders that hold no image."""
    around = path.joinpath(*PurePosixPath(inside[0]).parts[: class_depth(inside)])
    there = [one.name for one in around.iterdir() if one.is_dir()] if around.is_dir() else []
    known = set(map(plain, classes))
    empty = sorted(name for name in there if plain(name) not in known and not is_hidden(name))
    return [f"Folders without an image are no classes: {shown(empty)}."] if empty else []


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
