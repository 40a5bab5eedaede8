"""Contests that hand out arrays: npz, npy, and MedMNIST's npz with its split keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kit.array_file import BROKEN, load_arrays
from kit.config import DataConfig
from kit.data.sources.array_keys import a_value_an_image, choose_images, choose_labels, is_flat, missing
from kit.data.sources.decoding import PIECE, conversions, scaling
from kit.data.sources.embedded_images import shaped
from kit.data.sources.hdf5 import is_hdf5, read_hdf5
from kit.data.sources.idx import is_idx, labels_beside, read_idx
from kit.data.sources.imageset import ImageSet
from kit.data.sources.labels import as_text, to_indices
from kit.data.sources.request import Request
from kit.errors import DataError, did_you_mean
from kit.inference import decode
from kit.storage import reading

MEDMNIST_SPLITS = ("train", "val", "test")
LABELS_FILE = re.compile(r"(?i)label|target|(^|[_.-])y([_.-]|$)")
"""Names of files that hold labels alone: kmnist-train-labels.npz, train_y.h5."""
MEDMNIST_SIZES = (28, 64, 128, 224)
"""Pixels a side; of those the smallest that the contest's images fit in is downloaded."""


def read_npz(request: Request) -> ImageSet:
    """An npz with keys of any name, or `X.npy` with its labels in the file that [data] labels names."""
    arrays = open_arrays(request.path)
    notes: list[str] = []
    config = request.config
    wanted = config.image_key if request.labelled else ""
    image_key = choose_images(arrays, wanted, request.path, notes, test=not request.labelled)
    images = as_images(arrays[image_key], request.path, notes)
    ids = np.array([f"{row:0{len(str(max(len(images) - 1, 1)))}d}" for row in range(len(images))])
    if not request.labelled:
        given = arrays.get("ids", np.arange(len(images)))
        ids = as_text(given) if given.shape == (len(images),) else ids
        return from_arrays(request, [images], ids, None, None, notes)
    groups, splits = (_column(arrays, key, images, request) for key in (config.group_column, config.fold_column))
    beside = config.labels and config.labels not in arrays and (request.path.parent / config.labels).is_file()
    if request.path.suffix == ".npy" or is_idx(request.path) or beside:
        arrays = _label_file(request)
    label_key = choose_labels(arrays, config.labels, image_key, request.path, notes)
    labels = _labels(arrays[label_key], images, request)
    return replace(from_arrays(request, [images], ids, labels, splits, notes), groups=groups)


def as_images(array: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """An array of images (N, H, W, ...), made of flat pixels (N, P) where it holds such; DataError for any other."""
    if array.ndim >= 3:
        return array
    if not is_flat(array):
        raise DataError(f"{path}: images must be an array of shape (N, H, W) or more, but got {array.shape}. Fix it.")
    return shaped(array, path, notes)


def read_medmnist(request: Request) -> ImageSet:
    """MedMNIST's npz: the splits of [data] splits one after the other, named in ids and in the split
    column.
    """
    path = request.path if request.path.is_file() else _package_file(request)
    arrays = open_arrays(path)
    wanted = request.config.splits or MEDMNIST_SPLITS[:2]
    for split in wanted:
        for key in (f"{split}_images", f"{split}_labels"):
            if key not in arrays:
                raise missing(path, key, list(arrays))
    images = [arrays[f"{split}_images"] for split in wanted]
    counts = [len(part) for part in images]
    width = len(str(max(counts)))
    ids = np.array([f"{split}/{row:0{width}d}" for split, n in zip(wanted, counts) for row in range(n)])
    parts = [_labels(arrays[f"{split}_labels"], part, request) for split, part in zip(wanted, images)]
    labels = np.concatenate(parts) if request.labelled else None
    return from_arrays(request, images, ids, labels, np.repeat(np.array(wanted), counts), [])


def from_arrays(
    request: Request,
    parts: Sequence[np.ndarray],
    ids: np.ndarray,
    labels: np.ndarray | None,
    splits: np.ndarray | None,
    notes: list[str],
) -> ImageSet:
    """Images in `parts`, arrays of any usual layout, one after the other; DataError for what are no images."""
    counts: Counter[str] = Counter()
    out = request.allocate((len(ids), request.size, request.size, 3))
    try:
        whole = [decode.channels_last(part, counts) for part in parts]
        bounds = request.bounds or _bounds(whole)
        spec = dict(request.spec, range=bounds)
        start = 0
        for part in whole:
            for first in range(0, len(part), PIECE):
                piece = part[first : first + PIECE]
                out[start : start + len(piece)] = decode.from_array(piece, spec, counts)
                start += len(piece)
    except decode.Unreadable as error:
        raise DataError(f"{request.path}: {error}") from error
    notes += [*conversions(counts), *scaling(bounds, out)]
    sizes = np.concatenate([np.full((len(part), 2), part.shape[1:3], dtype=np.int64) for part in whole])
    return ImageSet(ids, out, labels, request.contest.classes, tuple(notes), splits=splits, sizes=sizes, bounds=bounds)


def _bounds(parts: Sequence[np.ndarray]) -> decode.Range | None:
    """The value range over all parts; None where they are all of 8 bits."""
    seen = decode.Seen()
    for part in parts:
        if decode.is_deep(part):
            seen.merge(decode.seen_in(part))
    return seen.range()


def open_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz or HDF5 file, or the one of an npy as `images`; DataError for pickled objects and broken
    files.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give the right one by --data or [data] path.")
    if is_idx(path):
        return {"images": read_idx(path)}
    if is_hdf5(path):
        return read_hdf5(path)
    try:
        with reading(path):
            opened = load_arrays(path)
        return {"images": opened} if isinstance(opened, np.ndarray) else opened
    except BROKEN as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(
                f"{path}: holds pickled Python objects, which could run code and are never loaded. "
                f"Save plain arrays: numeric images, and labels of numbers or fixed-width strings."
            ) from error
        raise DataError(f"{path}: not a readable npz or npy ({error}). Copy or download it again.") from error
    except Exception as error:  # zip and zlib raise a dozen classes for a broken archive
        raise DataError(f"{path}: not a readable npz ({type(error).__name__}: {error}). Download it again") from error


def _label_file(request: Request) -> dict[str, np.ndarray]:
    place = label_path(request.path, request.config)
    if place is None:
        raise DataError(f'{request.path}: an .npy holds no labels. Set [data] labels = "y.npy", the file beside it.')
    return {request.config.labels or place.name: only_array(place)}


def label_path(path: Path, config: DataConfig) -> Path | None:
    """The file beside `path` that holds the labels, where [data] labels names a file and no key, or of IDX files; None
    where neither is so.
    """
    if config.labels:
        return path.parent / config.labels
    return labels_beside(path) if is_idx(path) else None


def only_array(path: Path) -> np.ndarray:
    """The one array of a file of labels; DataError where it holds several."""
    arrays = open_arrays(path)
    if len(arrays) != 1:
        raise DataError(f"{path}: a file of labels must hold one array, but has {', '.join(arrays)}. Save them alone")
    return next(iter(arrays.values()))


def label_files(path: Path, rows: int) -> list[Path]:
    """Files beside one of images that are called as labels are, and hold a value or a row an image."""
    fitting = []
    for one in sorted(path.parent.glob(f"*{path.suffix}")):
        if one == path or not LABELS_FILE.search(one.stem):
            continue
        arrays = open_arrays(one)
        if len(arrays) == 1 and all(_is_of(array, rows) for array in arrays.values()):
            fitting.append(one)
    return fitting


def _is_of(array: np.ndarray, rows: int) -> bool:
    """Whether an array holds a value or a row an image."""
    return array.ndim > 0 and len(array) == rows and a_value_an_image(array.shape)


def _column(arrays: dict[str, np.ndarray], key: str, images: np.ndarray, request: Request) -> np.ndarray | None:
    """The user's own groups or folds (N,) str, where the contest file names their key."""
    if not key:
        return None
    if key not in arrays:
        raise missing(request.path, key, list(arrays))
    if arrays[key].size != len(images):
        raise DataError(
            f"{request.path}: {key!r} must hold one value an image, but has shape {arrays[key].shape} for "
            f"{len(images):,} images. Fix it, or name another key in [data]."
        )
    return as_text(arrays[key].reshape(-1))


def _labels(raw: np.ndarray, images: np.ndarray, request: Request) -> np.ndarray:
    check_count(raw, images, request.path)
    return to_indices(raw, request.contest.classes)


def check_count(raw: np.ndarray, images: np.ndarray, path: Path) -> None:
    """DataError unless there is a label, or a row of them, an image."""
    count = len(raw) if raw.ndim else 1
    if count != len(images):
        raise DataError(
            f"{path}: there must be one label an image, but there are {len(images):,} images and {count:,} labels. "
            f"Fix the file, or name other keys in [data]."
        )


def _package_file(request: Request) -> Path:
    """The npz of the flag [data] path, downloaded by the `medmnist` package where it is not there yet."""
    flag = request.path.name
    try:
        import medmnist
    except ImportError as error:
        raise DataError(
            f"{request.path}: no such file, and the package medmnist, which could download {flag!r}, is not "
            f"installed. Run `pip install medmnist`, or give the npz by --data or [data] path."
        ) from error
    if flag not in medmnist.INFO:
        raise DataError(
            f"[data] path must be an npz or a MedMNIST name, but got {flag!r}."
            f"{did_you_mean(flag, medmnist.INFO)} Names: {', '.join(medmnist.INFO)}."
        )
    root = Path(request.config.image_key or "~/.medmnist").expanduser()
    root.mkdir(parents=True, exist_ok=True)
    size = next((size for size in MEDMNIST_SIZES if size >= request.size), MEDMNIST_SIZES[-1])
    try:
        getattr(medmnist, medmnist.INFO[flag]["python_class"])("train", download=True, root=str(root), size=size)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise DataError(f"{flag}: {said} Or give the npz by --data or [data] path.") from error
    return root / (f"{flag}.npz" if size == MEDMNIST_SIZES[0] else f"{flag}_{size}.npz")
