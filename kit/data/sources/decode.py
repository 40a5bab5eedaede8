"""One image file to (S, S, 3) uint8 RGB, and images in arrays to the same.

Rules, each counted and told: the camera's orientation tag is applied; grey is repeated into three channels;
transparency is dropped, as Pillow does; 16 bits are divided by 257; CMYK, palettes and other modes are
converted by Pillow; sizes are changed with an antialiased bicubic filter by the contest's `resize` rule.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from kit.errors import DataError

SUFFIXES = frozenset([".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"])

RESIZE: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "squash": lambda image, size: image.resize((size, size), Image.Resampling.BICUBIC),
    "crop": lambda image, size: ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC),
    "pad": lambda image, size: ImageOps.pad(image, (size, size), Image.Resampling.BICUBIC),
}
"""squash: the whole image, aspect lost; crop: the largest central square; pad: black borders."""


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Pillow's warning about decompression bombs (over 89 million pixels) raises, like its error does."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(data: bytes, size: int, resize: str, counts: Counter[str]) -> tuple[np.ndarray, tuple[int, int]]:
    """The image (size, size, 3) uint8 and its original (height, width); DataError says why it is
    unreadable.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = ImageOps.exif_transpose(opened)
            if opened.getexif().get(0x0112, 1) != 1:
                counts["turned by their orientation tag"] += 1
            rgb = _to_rgb(image, counts)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError("decompression bomb: more than 89 million pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise DataError(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    original = (rgb.height, rgb.width)
    return np.asarray(_resized(rgb, size, resize, counts)), original


def _resized(image: Image.Image, size: int, resize: str, counts: Counter[str]) -> Image.Image:
    if image.size == (size, size):
        return image
    counts[f"resized to {size}x{size} ({resize}, bicubic)"] += 1
    return RESIZE[resize](image, size)


def _to_rgb(image: Image.Image, counts: Counter[str]) -> Image.Image:
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        counts["of more than 8 bits a channel reduced to 8"] += 1
        values = np.asarray(image)
        scale = _scale(values) if image.mode == "F" else 1 / 257
        return Image.fromarray(_eight_bits(values, scale)).convert("RGB")
    counts[f"of mode {image.mode} converted to RGB"] += 1
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray, scale: float) -> np.ndarray:
    return np.clip(np.round(values * scale), 0, 255).astype(np.uint8)


def _scale(values: np.ndarray) -> float:
    """What takes the numbers to 0..255: 255 for booleans and floats in 0..1, 1 up to 255, 1/257 up to
    65,535.
    """
    if values.dtype == np.bool_:
        return 255.0
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("pixels must be finite, but there are NaN or infinite ones. Fix these images.")
    if low < 0 or high > 65535:
        raise DataError(f"pixels must lie in 0..255, 0..1 or 0..65535, but span {low:g}..{high:g}. Rescale them.")
    if values.dtype.kind == "f" and high <= 1:
        return 255.0
    return 1.0 if high <= 255 else 1 / 257


def from_array(images: np.ndarray, out: np.ndarray, resize: str, counts: Counter[str]) -> None:
    """Images in an array of any usual layout into `out` (N, S, S, 3) uint8; DataError names shape or
    values.

    Layouts: (N, H, W), (N, H, W, C) and (N, C, H, W) with C of 1, 3 or 4. Converted in pieces, so that no
    second copy of the whole array is made.
    """
    last = channels_last(images, counts)
    scale = 1.0 if last.dtype == np.uint8 else _scale(last)
    if last.dtype != np.uint8:
        counts[f"converted from {last.dtype} to uint8 (times {scale:g})"] += len(last)
    if last.shape[3] != 3:
        counts["of one channel made RGB" if last.shape[3] == 1 else "without their alpha channel"] += len(last)
    for start in range(0, len(last), 1024):
        piece = last[start : start + 1024]
        piece = piece if piece.dtype == np.uint8 else _eight_bits(piece, scale)
        out[start : start + 1024] = _fit(_three_channels(piece), out.shape[1], resize, counts)


def _three_channels(images: np.ndarray) -> np.ndarray:
    return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images[..., :3]


def _fit(images: np.ndarray, size: int, resize: str, counts: Counter[str]) -> np.ndarray:
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([np.asarray(_resized(Image.fromarray(one), size, resize, counts)) for one in images])


def channels_last(images: np.ndarray, counts: Counter[str]) -> np.ndarray:
    """A view (N, H, W, C) of the array; DataError for other layouts, other types and empty images."""
    if images.dtype.kind not in "biuf":
        raise DataError(f"images must be numbers, but got dtype {images.dtype}. Convert them to uint8.")
    if 0 in images.shape:
        raise DataError(f"images must not be empty, but got shape {images.shape}. Check [data] images.")
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] in (1, 3, 4):
        return images
    if images.ndim == 4 and images.shape[1] in (1, 3, 4):
        counts["with channels first turned to channels last"] += len(images)
        return images.transpose(0, 2, 3, 1)
    raise DataError(
        f"images must have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels, "
        f"but got {images.shape}. Check [data] images."
    )
