#!/usr/bin/env bash
# Pillow 13.0.0 and OpenCV 5.0.0: a colour TIFF of 16 bits whose planes lie one after another is read as noise, without a word.
#
# tifffile writes such a file for an array (3, H, W) by default, GDAL with INTERLEAVE=BAND. Pillow takes the bytes of 16 bits for pixels of 8;
# OpenCV's IMREAD_UNCHANGED mixes planes and bytes, its IMREAD_COLOR is right to 8 bits. Planes of 8 bits are read rightly by all of them.
# The kit: reads the planes itself where they are not compressed, and refuses them where they are (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io

import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__)
ramp = np.add.outer(np.arange(40) * 400, np.arange(60) * 600)
colour = np.stack([ramp, 50000 - ramp, ramp // 2], axis=2).astype(np.uint16)


def tiff(array):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.ascontiguousarray(np.moveaxis(array, 2, 0)), photometric="rgb", planarconfig="separate")
    return buffer.getvalue()


def off(read, wanted):
    """Mean difference in grey levels of 255."""
    return float(np.abs(read.astype(float) - wanted).mean()) * 255 / (65535 if wanted.dtype == np.uint16 else 255)


deep, shallow = tiff(colour), tiff((colour >> 8).astype(np.uint8))
assert np.array_equal(np.moveaxis(tifffile.imread(io.BytesIO(deep)), 0, 2), colour)
pillow = np.asarray(Image.open(io.BytesIO(deep)))
print("16 bits, Pillow:", pillow.dtype, f"off by {off(pillow, (colour >> 8).astype(np.uint8)):.0f} of 255 levels on average")
whole = cv2.imdecode(np.frombuffer(deep, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
print("16 bits, OpenCV:", whole.dtype, f"off by {off(whole, colour):.0f} of 255 levels on average")
assert off(pillow, (colour >> 8).astype(np.uint8)) > 20 and off(whole, colour) > 20
for name, read in (
    ("Pillow", np.asarray(Image.open(io.BytesIO(shallow)))),
    ("OpenCV", cv2.imdecode(np.frombuffer(shallow, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]),
):
    print(f"8 bits, {name}: off by {off(read, (colour >> 8).astype(np.uint8)):.0f}")
    assert np.array_equal(read, (colour >> 8).astype(np.uint8))
PYTHON
