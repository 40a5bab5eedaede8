"""What the images look like: sizes, modes, imbalance, and how alike they are. A sample is opened, never all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kit.data.forms.form import Form
from kit.errors import DataError
from kit.inference.decode import three_channels

SAMPLE = 400
"""Images that are opened."""
THUMBNAIL, ENOUGH = 16, 128
"""Pixels of the small copies that are compared, and of what they are made of, at least."""
ALIKE = 0.94
"""Correlation of two thumbnails from which cleaning may take their images for copies."""
MANY_ALIKE = 0.05
"""Share of the images with such a partner from which it is worth saying."""
UNEVEN = 3.0
"""Largest class over smallest from which accuracy hides the small ones."""
LARGEST, STEP = 256, 32
"""Largest size, since no recipe starts with more than 224 and all training images lie in memory: 20,000 of 512 px are
16 GB; and what sizes are multiples of."""
FULL = 224
"""Pixels up to which images keep what they show, as networks see that many: what is lost here is lost for all."""
FEW = 20
"""Images of a class below which its scores mean little."""


@dataclass(frozen=True)
class Survey:
    """The looks of the images; `image_size` is what the contest file starts with."""

    image_size: int
    resize: str
    lines: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Looked:
    """What is kept of an image that was opened: 400 photographs of a camera would fill 14 GB."""

    width: int
    height: int
    mode: str
    thumbnail: np.ndarray
    """(THUMBNAIL ** 2,) float64."""


def survey(found: Form, seed: int = 0) -> Survey:
    """Opens up to 400 images, classes in their shares; DataError where none can be read."""
    rows = np.random.default_rng(seed).permutation(len(found))[:SAMPLE]
    images, broken = [], []
    for row in rows.tolist():
        try:
            images.append(_looked(found.open_image(row)))
        except DataError as error:
            broken.append(str(error))
    if not images:
        if len(found) == 0:
            return Survey(28, "squash", (), ())
        raise DataError(f"{found.path}: none of {len(rows):,} images can be read ({broken[0]}). Check the files")
    size, resize, lines, doubts = _sizes(images)
    lines += [_modes(images), *_balance(found, doubts), _similarity(images, doubts)]
    if broken:
        found.data["on_error"] = "skip"
        doubts.append(f"{len(broken)} of {len(rows)} images cannot be read (first: {broken[0]}). They are skipped.")
    return Survey(size, resize, tuple(lines), tuple(doubts))


def _looked(image: np.ndarray) -> Looked:
    last = _last(image)
    return Looked(last.shape[1], last.shape[0], _mode(last), _thumbnail(last))


def _sizes(images: list[Looked]) -> tuple[int, str, list[str], list[str]]:
    shapes = Counter((image.width, image.height) for image in images)
    sides = np.array(list(shapes.elements()))
    size, doubts = _one_size(sides), []
    if len(shapes) == 1 and len(set(next(iter(shapes)))) == 1:
        lines = [f"Every image looked at is {size}x{size}."]
    else:
        listed = ", ".join(f"{width}x{height} ({count})" for (width, height), count in shapes.most_common(3))
        lines = [f"Sizes (width x height) of {len(images)} images: {len(shapes)} different, most often {listed}."]
    if len(shapes) > 1:
        doubts.append(f"Images differ in size: {size} keeps what most of them show. Smaller is faster.")
    if size > LARGEST:
        doubts.append(
            f"The images are of about {size} pixels: {LARGEST} is taken, as the kit's recipes see no more. Raise it "
            f"for recipes of your own that do, or where the platform passes larger arrays."
        )
        size = LARGEST
    aspects = sides[:, 0] / sides[:, 1]
    long = float(np.maximum(aspects, 1 / aspects).max())
    resize = "squash"
    if long > 1.1:
        doubts.append(f'Sides differ up to {long:.1f} times: resize = "squash" distorts; "crop" and "pad" do not.')
    return size, resize, lines, doubts


def _one_size(sides: np.ndarray) -> int:
    """The size of a square for images of width and height (N, 2).

    Equal squares keep their size. Else as many pixels as three in four of the images have, in steps of 32; above FULL
    no more than the shorter side has.
    """
    if (sides == sides[0, 0]).all():
        return int(sides[0, 0])
    pixels = float(np.quantile(np.sqrt(sides.prod(axis=1)), 0.75))
    shorter = float(np.median(sides.min(axis=1))) // STEP * STEP
    wanted = min(pixels, max(shorter, FULL))
    step = STEP if wanted >= STEP else 1
    return int(np.ceil(wanted / step)) * step


def _modes(images: list[Looked]) -> str:
    names = Counter(image.mode for image in images)
    return "Modes: " + ", ".join(f"{name} ({count})" for name, count in names.most_common()) + "."


def _mode(image: np.ndarray) -> str:
    """Of an image (H, W, C)."""
    channels = {1: "grey", 2: "grey with transparency", 3: "RGB", 4: "RGBA or CMYK"}.get(image.shape[2], "other")
    grey = channels == "RGB" and bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    depth = "" if image.dtype in (np.uint8, np.bool_) else f", {image.dtype}"
    return ("grey stored as RGB" if grey else channels) + depth


def _last(image: np.ndarray) -> np.ndarray:
    """(H, W, C)."""
    return image[..., None] if image.ndim == 2 else image


def _balance(found: Form, doubts: list[str]) -> list[str]:
    counts = np.bincount(found.labels, minlength=len(found.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    ratio = counts[most] / max(1, counts[least])
    if ratio >= UNEVEN:
        words, names = ("ROC AUC, ", '"roc_auc", ') if len(counts) == 2 else ("", "")
        doubts.append(
            f"Classes are uneven ({ratio:.1f} times): if the contest judges by {words}macro F1 or balanced accuracy, "
            f'set metric = {names}"macro_f1" or "balanced_accuracy".'
        )
    if counts[least] < FEW:
        doubts.append(f"Class {found.classes[least]!r} has {counts[least]} images: its scores will mean little.")
    return [
        f"{len(found):,} labelled images of {len(counts)} classes: from {counts[least]:,} ({found.classes[least]}) to "
        f"{counts[most]:,} ({found.classes[most]}), {ratio:.1f} times as many."
    ]


def _similarity(images: list[Looked], doubts: list[str]) -> str:
    """How similar each image is to its nearest neighbour in the sample, by the correlation of small grey copies."""
    if len(images) < 3:
        return "Too few images to say how similar they are."
    flat = np.stack([image.thumbnail for image in images])
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    similar = flat @ flat.T
    np.fill_diagonal(similar, -1)
    nearest = similar.max(axis=1)
    share = float((nearest >= ALIKE).mean())
    if share >= MANY_ALIKE:
        doubts.append(
            f"{share:.0%} of the sample have a near copy (similarity {ALIKE} or more): `kit clean` keeps copies in one "
            f"fold. If all are that similar (aligned X-rays) and clean.png shows different ones as copies, raise "
            f"`similarity` in [clean]."
        )
    return (
        f"Similarity of an image to its nearest of {len(images)}: median {np.median(nearest):.2f}; {share:.0%} at "
        f"{ALIKE} or more."
    )


def _thumbnail(image: np.ndarray) -> np.ndarray:
    step = max(1, min(image.shape[:2]) // ENOUGH)
    some = image[::step, ::step]
    some = three_channels(some[None])[1][0] if some.shape[2] == 4 and some.dtype == np.uint8 else some[..., :3]
    values = some.astype(np.float64).mean(axis=2)
    span = values.max() - values.min()
    grey = ((values - values.min()) / (span or 1.0) * 255).astype(np.uint8)
    small = Image.fromarray(grey).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).reshape(-1)
