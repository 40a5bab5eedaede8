"""Heat over an image: bright where a network looked."""

from __future__ import annotations

import numpy as np
from PIL import Image

DIM = 0.25
"""Brightness of places that count for nothing."""


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """`image` (H, W, 3) uint8, dimmed by `heat` (h, w) in 0..1 where that is low: (H, W, 3) uint8."""
    height, width = image.shape[:2]
    hot = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    kept = DIM + (1 - DIM) * np.clip(hot, 0.0, 1.0)[..., None]
    return np.round(image * kept).astype(np.uint8)
