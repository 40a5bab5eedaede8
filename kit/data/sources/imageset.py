"""What every source yields: images with ids, in one shape and one order, with a digest of their content."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kit.artefact import sha256_arrays
from kit.errors import DataError


@dataclass(frozen=True)
class ImageSet:
    """Images as the source gave them, decoded and of one size; nothing is dropped yet.

    `groups`, `splits` and `sizes` are what the source says beyond the labels: a patient or slide, a user's
    own fold, and height and width before resizing.
    """

    ids: np.ndarray
    """(N,) str, unique."""
    images: np.ndarray
    """(N, S, S, 3) uint8, RGB; may be a memory map."""
    labels: np.ndarray | None
    """(N,) int64 indices into `class_names`; None for unlabelled images."""
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Conversions done, with counts."""
    groups: np.ndarray | None = None
    """(N,) str."""
    splits: np.ndarray | None = None
    """(N,) str."""
    sizes: np.ndarray | None = None
    """(N, 2) int64, pixels."""
    bounds: tuple[float, float] | None = None
    """The values that became 0 and 255 in images of more than 8 bits; None where there are none."""
    digest: str = field(default="")
    """sha256 of ids, images and labels."""

    def __post_init__(self) -> None:
        assert self.images.dtype == np.uint8, self.images.dtype
        assert self.images.ndim == 4, self.images.shape
        assert self.images.shape[3] == 3, self.images.shape
        if not self.digest:
            object.__setattr__(self, "digest", content_digest(self.ids, self.images, self.labels))

    def __len__(self) -> int:
        return len(self.ids)

    def need_labels(self) -> np.ndarray:
        """The labels (N,) int64; DataError for an unlabelled set."""
        if self.labels is None:
            raise DataError(
                "training data must have labels, but the source has none. "
                "Check [data] kind, path and labels in the contest file."
            )
        return self.labels


def content_digest(ids: np.ndarray, images: np.ndarray, labels: np.ndarray | None) -> str:
    """Hex sha256 over ids, images and labels."""
    return sha256_arrays(ids, images, np.zeros(0, np.int64) if labels is None else labels)


def check_ids(ids: np.ndarray) -> None:
    """DataError when some of the ids (N,) str repeat."""
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        twice = ", ".join(unique[counts > 1][:5])
        raise DataError(
            f"ids must be unique, but {np.sum(counts > 1):,} occur more than once ({twice}). "
            f"Remove the repeated rows, or name another column in [data] id_column."
        )


def check(image_set: ImageSet) -> ImageSet:
    """`image_set` unchanged; DataError when ids repeat or lengths differ."""
    check_ids(image_set.ids)
    lengths = {"ids": len(image_set.ids), "images": len(image_set.images)}
    lengths |= {"labels": len(image_set.labels)} if image_set.labels is not None else {}
    if len(set(lengths.values())) > 1:
        named = ", ".join(f"{count:,} {name}" for name, count in lengths.items())
        raise DataError(f"there must be one id and one label an image, but there are {named}. Fix the data.")
    if not len(image_set):
        raise DataError("there must be at least one image, but there is none. Check [data] path.")
    return image_set
