"""Family compression: what lossy formats leave. Strength is 100 minus the quality that the encoder takes."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image


def jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Stored as JPEG with halved chroma and read back."""
    return _stored(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, round(100 - strength)])


def webp(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Stored as lossy WebP and read back."""
    return _stored(image, ".webp", [cv2.IMWRITE_WEBP_QUALITY, round(100 - strength)])


def _stored(image: Image, suffix: str, options: list[int]) -> Image:
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None, f"{suffix}: this OpenCV cannot write or read it"
    return decoded
