"""From a contest's [data] section to an `ImageSet`: the reader by name, behind the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kit.artefact import sha256_file
from kit.config import ContestConfig
from kit.data.practice import contest as practice
from kit.data.sources import arrays, cache, folders, tables
from kit.data.sources.decoding import Allocate
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.imageset import ImageSet, check
from kit.data.sources.places import kind_of
from kit.data.sources.request import Request
from kit.errors import DataError
from kit.inference.decode import Range
from kit.workspace import Workspace


def _read_practice(request: Request) -> ImageSet:
    """The embedded contest, drawn by the kit."""
    images, labels, class_names = practice.training_set()
    out = request.allocate(images.shape)
    out[:] = images
    ids = np.array([f"{row:05d}" for row in range(len(images))])
    sizes = np.full((len(images), 2), images.shape[1], dtype=np.int64)
    return ImageSet(ids, out, np.asarray(labels, np.int64), tuple(class_names), sizes=sizes)


READERS: dict[str, Callable[[Request], ImageSet]] = {
    "practice": _read_practice,
    "npz": arrays.read_npz,
    "medmnist": arrays.read_medmnist,
    "csv": tables.read_csv,
    "folder": folders.read_folder,
    "zip": folders.read_folder,
    "parquet": tables.read_csv,
    "hdf5": arrays.read_npz,
}


def load(contest: ContestConfig, path: Path | None, workspace: Workspace) -> ImageSet:
    """The contest's training data; `path` overrides [data] path.

    Decoded once into the workspace's cache. DataError for whatever the data break: see the readers.
    """
    kind = contest.data.kind
    place = Path(path if path is not None else contest.data.path).expanduser()
    if kind != "practice" and path is None and not contest.data.path:
        raise DataError(
            f"{contest.name}: the place of the data is missing. Give --data PATH or set [data] path in its file."
        )
    image_set = _cached(contest, kind, place, workspace, labelled=True)
    if len(np.unique(image_set.need_labels())) < 2:
        raise DataError(
            f"{place}: at least two classes must occur, but all {len(image_set):,} images are "
            f"{contest.classes[int(image_set.need_labels()[0])]!r}. "
            f"Check the data and the contest's class list."
        )
    return image_set


def form_of_test(path: Path) -> str:
    """The reader of unlabelled images at a path."""
    return kind_of(path) or "folder"


def load_test(
    contest: ContestConfig, path: Path | None, workspace: Workspace, record: DecodingRecord | None = None
) -> ImageSet:
    """The contest's test images, from `path` or [data] test, whatever their form; unlabelled.

    Decoded as the training images were, by `record` or the workspace's. Damaged ones are decoded as far as they
    go, else left out with a note.
    MedMNIST's come from its own test split. DataError when the contest names none.
    """
    bounds = (record or DecodingRecord.read(workspace, contest)).range
    if contest.data.kind == "medmnist" and path is None and not contest.data.test:
        data = contest.data.model_copy(update={"splits": ("test",)})
        contest = contest.model_copy(update={"data": data})
        return _cached(contest, "medmnist", Path(data.path).expanduser(), workspace, False, bounds)
    if path is None and not contest.data.test:
        raise DataError(f"{contest.name}: has no test images. Give --test PATH or set [data] test in its file.")
    place = Path(path if path is not None else contest.data.test).expanduser()
    return _cached(contest, form_of_test(place), place, workspace, False, bounds)


def _cached(
    contest: ContestConfig, kind: str, place: Path, workspace: Workspace, labelled: bool, bounds: Range | None = None
) -> ImageSet:
    def make(allocate: Allocate) -> ImageSet:
        return check(READERS[kind](Request(contest, place, allocate, labelled, bounds)))

    data = contest.data.model_dump(mode="json", exclude={"sample"})
    source = source_of(kind, place, contest, labelled)
    key = cache.key_of(source, data, contest.classes, contest.image_size, labelled, bounds)
    return cache.cached(workspace.cache / "data", key, make, contest.classes)


def source_of(kind: str, place: Path, contest: ContestConfig, labelled: bool) -> str:
    """What the images at a place depend on, as text that changes whenever they may."""
    if kind == "practice":
        return "".join(sha256_file(file) for file in sorted(Path(practice.__file__).parent.glob("*.py")))
    if not place.exists():
        return str(place)
    read = [place]
    if kind in ("csv", "parquet"):
        read = tables.paths(place, contest.data, labelled)
    elif form_of_test(place) in ("npz", "hdf5") and labelled and (beside := arrays.label_path(place, contest.data)):
        read.append(beside)
    return str(place.resolve()) + "".join(cache.fingerprint(one) for one in read if one.exists())
