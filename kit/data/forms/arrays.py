"""Contests that hand out arrays, recognised: which array holds what."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from kit.data.forms.form import Form, names_of, opener_of
from kit.data.forms.groups import group_key
from kit.data.sources.array_keys import a_value_an_image, choose_images, choose_labels, test_images
from kit.data.sources.arrays import MEDMNIST_SPLITS, as_images, check_count, label_files, only_array, open_arrays
from kit.data.sources.hdf5 import is_hdf5
from kit.data.sources.idx import is_idx, labels_beside, read_idx, test_file
from kit.data.sources.labels import as_text, whole
from kit.errors import DataError

BY_NUMBER = "The classes are named by their numbers: put their real names into `classes`, in the same order."


def look_at_npz(path: Path) -> Form:
    """An npz with arrays of any name, or MedMNIST's with its splits."""
    arrays = open_arrays(path)
    if {f"{split}_{what}" for split in MEDMNIST_SPLITS[:2] for what in ("images", "labels")} <= arrays.keys():
        return _medmnist(path, arrays)
    notes: list[str] = []
    images_key = choose_images(arrays, "", path, notes)
    images = as_images(arrays[images_key], path, notes)
    files = label_files(path, len(images)) if len(arrays) == 1 else []
    if len(files) == 1:
        arrays |= {files[0].name: only_array(files[0])}
        labels_key = files[0].name
    else:
        labels_key = choose_labels(arrays, "", images_key, path, notes)
    found = _labelled("hdf5" if is_hdf5(path) else "npz", path, images, arrays[labels_key])
    if images_key != "images":
        found.data["images"] = images_key
    if labels_key != "labels":
        found.data["labels"] = labels_key
    if test_images(arrays):
        found.test = str(path)
        found.facts.append(f"Test images are those of the key {test_images(arrays)!r}.")
    one_each = {key: array for key, array in arrays.items() if array.size == len(images) and key != labels_key}
    group_key({key: as_text(array.reshape(-1)) for key, array in one_each.items()}, found)
    return found


def look_at_array(path: Path) -> Form:
    """`X.npy`, with its labels in the one other npy of the folder that has a label a row."""
    images = open_arrays(path)["images"]
    beside = [labels_beside(path)] if is_idx(path) else sorted(path.parent.glob("*.npy"))
    fitting = [one for one in beside if one != path and _fits(one, len(images))]
    if images.ndim < 3 or len(fitting) != 1:
        listed = ", ".join(one.name for one in fitting) or "none"
        raise DataError(
            f"{path}: an npy of images needs the npy of its labels beside it, one value an image, but {listed} fits "
            f"{images.shape}. Put both into one npz with the keys images and labels"
        )
    found = _labelled("npz", path, images, open_arrays(fitting[0])["images"])
    found.data["labels"] = fitting[0].name
    found.facts.append(f"The labels come from {fitting[0].name} beside the images.")
    test = test_file(path) if is_idx(path) else None
    found.test = "" if test is None else str(test)
    return found


def look_at_medmnist(path: Path) -> Form:
    """A data set of the `medmnist` package by its name; its file is downloaded on the first reading."""
    import medmnist

    told = medmnist.INFO[path.name]
    classes = tuple(told["label"][str(place)] for place in range(len(told["label"])))
    blank = np.zeros((28, 28, 3), dtype=np.uint8)
    found = Form("medmnist", path.name, classes, np.zeros(0, dtype=np.int64), lambda row: blank)
    found.facts.append(f"{path.name} of the medmnist package: {told['n_samples']['train']:,} training images.")
    found.doubts.append("The images were not looked at: they are downloaded on the first run. Set image_size.")
    return found


def package_names() -> frozenset[str]:
    """Names of the data sets of the `medmnist` package; none where it is not installed."""
    if importlib.util.find_spec("medmnist") is None:
        return frozenset()
    import medmnist

    return frozenset(medmnist.INFO)


def _medmnist(path: Path, arrays: dict[str, np.ndarray]) -> Form:
    splits = MEDMNIST_SPLITS[:2]
    images = np.concatenate([arrays[f"{split}_images"] for split in splits])
    labels = np.concatenate([arrays[f"{split}_labels"] for split in splits])
    found = _labelled("medmnist", path, images, labels)
    found.facts.append("MedMNIST's train and val are read as training data, its test as unlabelled test images.")
    return found


def _labelled(kind: str, path: Path, images: np.ndarray, raw: np.ndarray) -> Form:
    """`raw` labels: (N,), (N, 1) or one-hot (N, C)."""
    check_count(raw, images, path)
    if raw.ndim > 2 and raw.size > len(raw):
        raw = raw.reshape(len(raw), -1)
    if raw.ndim == 2 and raw.shape[1] > 1:
        if not (np.isin(raw, (0, 1)).all() and (raw.sum(axis=1) == 1).all()):
            raise DataError(
                f"{path}: labels must be one class an image, but their array {raw.shape} holds several or none a row. "
                f"The kit does not train on several labels an image"
            )
        classes, labels = tuple(map(str, range(raw.shape[1]))), raw.argmax(axis=1).astype(np.int64)
    else:
        flat = raw.reshape(-1)
        try:
            classes, labels = names_of(whole(flat) if flat.dtype.kind == "f" else flat)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    found = Form(kind, str(path), classes, labels, opener_of(images, path))
    found.facts.append(f"An array of {len(images):,} images, {images.shape} of {images.dtype}.")
    if classes == tuple(map(str, range(len(classes)))):
        found.doubts.append(BY_NUMBER)
    return found


def _fits(path: Path, rows: int) -> bool:
    try:
        array = read_idx(path) if is_idx(path) else np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return False
    return array.ndim > 0 and a_value_an_image(array.shape) and len(array) == rows
