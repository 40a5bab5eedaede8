"""Whether an image is another one saved anew: shown by saving the other one anew."""

from __future__ import annotations

import cv2
import numpy as np

QUALITIES = (*range(30, 100, 5), 98)
"""Of JPEG; between two of them the files differ by less than `CLOSE`."""
CLOSE, FAINT = 1.0, 0.1
"""Grey levels that the two may differ by, on average, and as a share of the image's own contrast."""
EMPTY = 3.0
"""Grey levels of contrast below which an image proves nothing."""
NEAR = 12.0
"""Grey levels beyond which no quality is tried."""


def reencoded(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether one of the images (S, S, 3) uint8, saved as JPEG at some quality, is the other."""
    if _differ(one, other) > NEAR:
        return False
    contrast = min(float(one.std()), float(other.std()))
    if contrast < EMPTY:
        return False
    close = min(CLOSE, FAINT * contrast)
    return any(
        _differ(_saved(first, quality), second) <= close
        for first, second in ((one, other), (other, one))
        for quality in QUALITIES
    )


def _differ(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def _saved(image: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])
