"""File names that tell which images were made of one: copies that were augmented, tiles of a slide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from kit.data.forms.form import Form
from kit.data.forms.groups import FEWEST, keep_by_pattern, repeats

KINDS = r"aug|augmented|(?:new)?\d+deg|[hv]?flip|mirror|mirrored|rot|rotate|rotated|zoom|zoomed|blur|blurred|noise"
COPY = rf"[ _-]+(?i:{KINDS})(?:[A-Z][A-Za-z]*)?(?:[ _-]?\d+)?"
"""What the name of a copy ends with: _flipLR, _new30degFlipLR, _aug_3; "rotten" is none."""
AUGMENTED = (r"^(.+?)\.rf\.[0-9a-f]{8,}(?:\.[^.]*)?$", rf"^(.+?)(?:{COPY})*(?:\.[^.]*)?$")
"""Names of such copies, and of images that have none: the first group is the image's. Roboflow writes the first."""
TELLTALE = re.compile(rf"\.rf\.[0-9a-f]{{8,}}(?:\.|$)|{COPY}(?:[ _.-]|$)")
MOST = 64
"""Copies of an image; more have another reason to be called alike."""
PIECES = {
    "tiles": r"^(.+?)[_-]+[xX][_-]?\d+[_-]+[yY][_-]?\d+",
    "frames or slices": r"^(.+?)[ _-]*(?i:frame|slice)[ _-]*\d+",
}
"""Names of what is cut from one: slide7_x0_y512.png, film3_frame0042.jpg."""
SHARE = 0.02
"""Of the names that must show what only copies have."""


def known_groups(names: Sequence[str], found: Form) -> bool:
    """Whether the names tell that several images were made of one, which becomes group_pattern, or a doubt."""
    bare = [PurePosixPath(name).name for name in names]
    copies = sum(bool(TELLTALE.search(name)) for name in bare) >= max(1, SHARE * len(bare))
    for pattern in AUGMENTED if copies else ():
        heads = _heads(bare, pattern)
        if heads is not None and 1 < np.unique(heads, return_counts=True)[1].max() <= MOST:
            found.data["group_pattern"] = pattern
            found.facts.append(
                f"{len(names):,} files are {len(np.unique(heads)):,} images and copies that were augmented, by their "
                f"names: those of one image, such as {str(heads[0])!r}, stay in one fold."
            )
            return True
    return any(_pieces(what, pattern, bare, found) for what, pattern in PIECES.items())


def _pieces(what: str, pattern: str, names: Sequence[str], found: Form) -> bool:
    heads = _heads(names, pattern)
    if heads is None or not repeats(heads):
        return False
    told = f"{what} of {len(np.unique(heads)):,} images"
    few = f"Files seem to be {told}, fewer than {FEWEST} of some class. To keep those of one in one fold"
    keep_by_pattern(pattern, heads, found, f"Files are {told}: those of one stay in one fold.", few)
    return True


def _heads(names: Sequence[str], pattern: str) -> np.ndarray | None:
    """(N,) str: the first group of a pattern in each name; None unless all fit."""
    matches = [re.match(pattern, name) for name in names]
    fitting = [match.group(1) for match in matches if match]
    return np.array(fitting) if len(fitting) == len(names) else None
