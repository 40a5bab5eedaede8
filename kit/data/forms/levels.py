"""Which level of folders holds the classes, and which one patients: 8863/benign/1.png, cat/patient_3/1.png."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from kit.data.forms.form import Form
from kit.data.forms.groups import doubt_pattern, keep_by_pattern, repeats
from kit.data.sources.columns import shown
from kit.data.sources.folders import class_depth
from kit.data.sources.places import part_of
from kit.errors import DataError

CALLED = re.compile(
    r"(?i)^(patient|subject|person|participant|user|writer|signer|actor|speaker|driver|case|slide|specimen|animal|donor|"
    r"scan|study|series|session|video|fold|pt|p|s)"
    r"[ _-]*[a-z]*[ _-]*\d+[a-z]?$"
)
"""Folders called as patients, slides and folds are: patient_12, P012."""
NUMBERED = re.compile(r"(?i)^[a-z]{0,3}[ _-]*\d+[a-z]?$")
"""Folders that may be: 8863, ab12."""


def class_pattern(names: Sequence[str], path: str) -> tuple[str, str]:
    """label_pattern and group_pattern where the classes lie in folders of patients; two empty ones elsewhere.

    DataError where folders that are called as no patients hold the same many folders: either may be the classes.
    """
    depth = class_depth(names)
    pairs = _pairs(names, depth)
    outer, inner = (sorted({pair[place] for pair in pairs}) for place in (0, 1))
    if "" in inner or len(outer) < 2 or len(inner) < 2 or any(map(part_of, inner)):
        return "", ""
    shared = len(set(pairs)) / (len(outer) * len(inner))
    if all(map(CALLED.match, inner)):
        return "", ""
    if shared >= 0.5 and _individuals(outer, len(inner)):
        return _pattern(depth + 1), _pattern(depth)
    if shared >= 0.9 and len(inner) > len(outer) and not all(map(NUMBERED.match, inner)):
        raise DataError(
            f"{path}: which folders are the classes is not clear: {shown(outer, 4)} each hold {shown(inner, 4)}. Give "
            f"--data one of them, such as {path}/{outer[0]}, where they hold the same images in other forms; where "
            f"each is a person or a place, call them subject_1 and so on"
        )
    return "", ""


def refuse_parts(names: Sequence[str], path: Path) -> None:
    """DataError for training and test images in one zip, or under one folder, and for class folders that are there
    twice: in none of these are the outer folders the classes.
    """
    pairs = _pairs(names, class_depth(names))
    heads = sorted({outer for outer, _ in pairs})
    if len(heads) > 1 and all(map(part_of, heads)):
        what = "Unpack it, and give --data the folder" if path.is_file() else "Give --data the folder"
        raise DataError(
            f"{path}: folders must be named after classes, but {' and '.join(heads)} are parts of a data set. {what} "
            f"that holds them"
        )
    for head in heads:
        inner = sorted({inside for outer, inside in pairs if outer == head})
        if len(inner) > 1 and set(inner) <= set(heads) - {head}:
            raise DataError(
                f"{path}: {head} holds folders called as those beside it ({shown(inner, 4)}): the same images once "
                f"more, or other ones. Take it out, or give --data {path}/{head} alone"
            )


def look_inside(names: Sequence[str], found: Form) -> None:
    """What the folders in the class folders may be: patients become group_pattern, classes of their own a doubt."""
    depth = class_depth(names)
    inner = np.array([pair[1] for pair in _pairs(names, depth)])
    named = inner[inner != ""]
    if len(named) < len(inner) / 2 or len(np.unique(named)) < 2:
        return
    called, several = all(map(CALLED.match, named)), (inner != "").all() and repeats(inner)
    if several and (called or (all(map(NUMBERED.match, named)) and len(np.unique(named)) > len(found.classes))):
        pattern, example = _pattern(depth + 1), f"in the class folders, such as {str(named[0])!r},"
        doubt = f"If folders {example} are one patient or scene each"
        if called:
            keep_by_pattern(pattern, inner, found, f"Folders {example} each stay in one fold.", doubt)
        else:
            doubt_pattern(pattern, doubt, found)
    elif not all(map(part_of, named)):
        found.doubts.append(
            f"The class folders hold folders, such as {shown(sorted(set(named)), 3)}. If these are the classes, name "
            f"them in `classes`, and set label_pattern = {json.dumps(_pattern(depth + 1))} in [data]."
        )


def _pairs(names: Sequence[str], depth: int) -> list[tuple[str, str]]:
    """Of each image its class folder and the one inside, "" where there is none."""
    folders = [(*PurePosixPath(name).parts[:-1], "", "")[depth : depth + 2] for name in names]
    return [(pair[0], pair[1]) for pair in folders]


def _individuals(names: Sequence[str], classes: int) -> bool:
    """Whether folders are called as patients are, or are numbered, not from 0 or 1 on, and far more than classes."""
    if all(map(CALLED.match, names)):
        return True
    numbers = sorted(int(re.sub(r"\D", "", name) or -1) for name in names)
    counted = numbers in (list(range(len(names))), list(range(1, len(names) + 1)))
    return all(map(NUMBERED.match, names)) and not counted and len(names) > 2 * classes


def _pattern(depth: int) -> str:
    """What finds the folder at that depth in a path."""
    return rf"^(?:[^/]+/){{{depth}}}([^/]+)/" if depth else "^([^/]+)/"
