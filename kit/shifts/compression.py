"""Family compression: what lossy formats leave. Strength is how often the encoder's quality, 100, is halved."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image


def jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Stored as JPEG with halved chroma and read back."""
    return _stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, strength)


def webp(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Stored as lossy WebP and read back."""
    return _stored(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, strength)


def _stored(image: Image, suffix: str, option: int, halvings: float) -> Image:
    quality = max(1, round(100.0 * 2.0**-halvings))
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [option, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None, f"{suffix}: this OpenCV cannot write or read it"
    return decoded
