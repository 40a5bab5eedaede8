"""Which image belongs to which id of a sample submission.

Imports the standard library alone, because it travels in the zip of a notebook. Syntax: Python 3.7.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Optional, Sequence


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

    An id may begin with the name of the `folder` that holds the images. Ambiguous where an id fits several.
    """
    tables = [{}, {}, {}, {}]  # type: List[Dict[str, List[str]]]
    for name in names:
        bare = os.path.splitext(name)[0]
        for table, key in zip(tables, (name, os.path.basename(name), bare, os.path.basename(bare))):
            table.setdefault(key, []).append(name)
    found = []
    for one in ids:
        plain = str(one).replace("\\", "/")
        plain = plain[2:] if plain.startswith("./") else plain
        inner = plain[len(folder) + 1 :] if folder and plain.startswith(folder + "/") else plain
        found.append(_find(plain, tables) or _find(inner, tables))
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
