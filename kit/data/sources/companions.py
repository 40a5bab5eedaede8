"""Masks, thumbnails and the like beside the images that they belong to: images, but none of the contest's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

KINDS = "mask|annotation|segmentation|seg|trimap|groundtruth|ground_truth|gt|overlay|preview|thumbnail|thumb"
ANYWHERE = re.compile(rf"(?i){KINDS}")
"""What all paths of such images hold, and few others."""
FOLDER = re.compile(rf"(?i)^(lung|lesion|cell|binary|image|img)?[ _-]?({KINDS})s?$")
"""Folders of such images."""
ENDING = re.compile(rf"(?i)[ _.-]+({KINDS})s?([ _-]?\d+)?$")
"""How the names of such images end, before the suffix: 12_mask.png, 12_mask_1.png."""
IMAGES = re.compile(r"(?i)^(image|img|photo|pic|original|raw|rgb)s?$")
"""Folders of the images themselves, beside those."""


def companions(names: Sequence[str]) -> list[str]:
    """Those of the image files `names` that belong to another one: its path but for a folder or an ending of masks.

    `cat/masks/1.png` belongs to `cat/images/1.jpg` or `cat/1.jpg`, `1_mask.png` to `1.png`. One without such another
    is an image like all others: a class may be called Mask.
    """
    bare = {name: _image_of(name) for name in names if ANYWHERE.search(name)}
    suspects = [name for name in bare if bare[name] != _plain(name)]
    if not suspects:
        return []
    images = {_plain(name) for name in set(names) - set(suspects)}
    return [name for name in suspects if bare[name] in images]


def _plain(name: str) -> str:
    """The path without suffix and without folders that only say that images are in them."""
    path = PurePosixPath(name)
    return "/".join([part for part in path.parts[:-1] if not IMAGES.match(part)] + [path.stem])


def _image_of(name: str) -> str:
    """`_plain` of the image that one would belong to if it were a mask."""
    *folders, stem = _plain(name).split("/")
    return "/".join([part for part in folders if not FOLDER.match(part)] + [ENDING.sub("", stem)])
