"""Which image belongs to which id of a sample submission.

Imports the standard library alone, because it travels in the zip of a notebook. Syntax: Python 3.7.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set

Tables = List[Dict[str, List[str]]]
"""Image names by what an id may call them, the surest first."""


class Ambiguous(ValueError):
    """An id that leads to several images."""


def image_files(folder: str, suffixes: Iterable[str]) -> List[str]:
    """Sorted paths, relative to `folder` with forward slashes, of the image files in it, at any depth.

    Where none has the suffix of an image, those without a suffix are taken. Where some lie in a folder named test
    (test, test_images), those alone: an id may have a training image too.
    """
    found = []
    for where, _, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder).replace(os.sep, "/") for name in files]
    known = set(suffixes)
    images = sorted(name for name in found if os.path.splitext(name)[1].lower() in known)
    images = images or sorted(name for name in found if not os.path.splitext(name)[1])
    tests = [name for name in images if any(part.lower().startswith("test") for part in name.split("/")[:-1])]
    return tests or images


def match(ids: Iterable[Any], names: Iterable[str], folder: str = "") -> List[Optional[str]]:
    """For each id its image: by path, by file name, and by both without suffix; None where there is none.

    An id may begin with the name of the `folder` that holds the images. Where no id leads to an image, they may have
    been written elsewhere: outer folders that all ids begin with, and an ending that all have and no image has, are
    left aside. Ambiguous where an id fits several.
    """
    names = list(names)
    tables = _tables(names)
    plain = [_plain(one) for one in ids]
    found = _found(plain, tables, folder)
    if not all(found):
        numbered, folded = _by_number(plain, names), _without_case(names)
        found = [name or numbered.get(one) or folded.get(one.lower()) for one, name in zip(plain, found)]
    if any(found) or not plain:
        return found
    for shorter in _shorter(plain, {os.path.splitext(name)[1].lower() for name in names}):
        found = _found(shorter, tables, folder)
        if any(found):
            return found
    return found


def _without_case(names: List[str]) -> Dict[str, str]:
    """Images by path and by file name in small letters, where no two have one: a camera's 1.JPG is a table's 1.jpg."""
    found = {}  # type: Dict[str, List[str]]
    for name in names:
        for key in {name.lower(), os.path.basename(name).lower()}:
            found.setdefault(key, []).append(name)
    return {key: some[0] for key, some in found.items() if len(some) == 1}


def _by_number(ids: List[str], names: List[str]) -> Dict[str, str]:
    """Images by the ids that are their numbers without leading zeros, as a table saved anew has them: 12, 00012.jpg.

    None where an id or an image is called otherwise, or two images have one number.
    """
    bare = [os.path.splitext(os.path.basename(name))[0] for name in names]
    if not all(one.isdecimal() for one in [*ids, *bare]) or len({int(one) for one in bare}) < len(bare):
        return {}
    return {str(int(one)): name for one, name in zip(bare, names)}


def _plain(one: Any) -> str:
    path = str(one).replace("\\", "/")
    return path[2:] if path.startswith("./") else path


def _shorter(ids: List[str], endings: Set[str]) -> Iterator[List[str]]:
    """The ids without what all have in common: ever more of the outer folders, then an ending that no image has.

    The innermost folder stays, since it may tell images of one name apart.
    """
    parts = [one.split("/") for one in ids]
    levels = zip(*(some[:-1] for some in parts))
    common = sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, levels))
    common = max(0, min(common, *(len(some) - 2 for some in parts)))
    ending = {os.path.splitext(one)[1].lower() for one in ids}
    cut = len(ending) == 1 and not ending & {"", *endings}
    for without in (lambda one: one, lambda one: os.path.splitext(one)[0])[: 2 if cut else 1]:
        for depth in range(common + 1):
            yield [without("/".join(some[depth:])) for some in parts]


def _tables(names: List[str]) -> Tables:
    """Names by path, by file name, and by both without suffix."""
    tables = [{}, {}, {}, {}]  # type: List[Dict[str, List[str]]]
    for name in names:
        bare = os.path.splitext(name)[0]
        for table, key in zip(tables, (name, os.path.basename(name), bare, os.path.basename(bare))):
            table.setdefault(key, []).append(name)
    return tables


def _found(ids: Iterable[str], tables: Tables, folder: str) -> List[Optional[str]]:
    found = []
    for one in ids:
        inner = one[len(folder) + 1 :] if folder and one.startswith(folder + "/") else one
        found.append(_find(one, tables) or _find(inner, tables))
    return found


def _find(one: str, tables: Sequence[Dict[str, List[str]]]) -> Optional[str]:
    for table in tables:
        found = table.get(one, [])
        if len(found) > 1:
            shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
            raise Ambiguous("an id must lead to one image, but %r fits %s" % (one, shown))
        if found:
            return found[0]
    return None
