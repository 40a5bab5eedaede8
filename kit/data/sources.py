"""From a contest's [data] section to an `ImageSet`: the reader by name, behind the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kit.artefact import sha256_file
from kit.config import ContestConfig
from kit.data import array_source, cache, folder_source
from kit.data.decoding import Allocate
from kit.data.imageset import ImageSet, check
from kit.data.request import Request
from kit.errors import DataError
from kit.workspace import Workspace


def _read_practice(request: Request) -> ImageSet:
    """The embedded contest, drawn by the kit."""
    from kit.data import practice

    images, labels, class_names = practice.training_set()
    out = request.allocate(images.shape)
    out[:] = images
    ids = np.array([f"{row:05d}" for row in range(len(images))])
    sizes = np.full((len(images), 2), images.shape[1], dtype=np.int64)
    return ImageSet(ids, out, np.asarray(labels, np.int64), tuple(class_names), sizes=sizes)


READERS: dict[str, Callable[[Request], ImageSet]] = {
    "practice": _read_practice,
    "npz": array_source.read_npz,
    "medmnist": array_source.read_medmnist,
    "folder": folder_source.read_folder,
    "zip": folder_source.read_folder,
}


def load(contest: ContestConfig, path: Path | None, workspace: Workspace) -> ImageSet:
    """The contest's training data; `path` overrides [data] path.

    Decoded once into the workspace's cache. DataError for whatever the data break: see the readers.
    """
    kind = contest.data.kind
    place = Path(path if path is not None else contest.data.path).expanduser()
    if kind != "practice" and str(place) == ".":
        raise DataError(f'{contest.name}: where the data lie is not said. Give --data PATH or set [data] path = "...".')

    def make(allocate: Allocate) -> ImageSet:
        return check(READERS[kind](Request(contest, place, allocate)))

    image_set = cache.cached(workspace.cache / "data", _key(contest, place), make, contest.classes)
    if len(np.unique(image_set.need_labels())) < 2:
        raise DataError(
            f"{place}: at least two classes must occur, but all {len(image_set):,} images are "
            f"{contest.classes[int(image_set.need_labels()[0])]!r}. Check the data and the contest's class "
            "list."
        )
    return image_set


def _key(contest: ContestConfig, place: Path) -> str:
    if contest.data.kind == "practice":
        source = "".join(sha256_file(file) for file in sorted(Path(__file__).parent.glob("practice*.py")))
    elif place.exists():
        source = str(place.resolve()) + cache.fingerprint(place)
    else:
        source = str(place)
    return cache.key_of(source, contest.data.model_dump(mode="json"), contest.classes, contest.image_size)
