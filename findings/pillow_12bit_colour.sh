#!/usr/bin/env bash
# Pillow 13.0.0: a PNG of 16 bits a channel keeps all of them if it is grey, and the upper 8 alone if it is coloured.
#
# Scanners and microscopes store 12-bit values (0..4095) in 16-bit files. Read with Pillow, a coloured one comes as mode RGB, uint8, its values
# 0..15: nearly black, 16 levels left, no warning. The same values in grey come as I;16 whole, and `convert("RGB")` then clips
# them at 255: nearly white. OpenCV's IMREAD_UNCHANGED gives all bits of both.
# The kit: one decoder that reads the samples of 16-bit colour PNGs and TIFFs itself, and one value range a data set (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==4.13.0.92
"$folder/venv/bin/python" - <<'PYTHON'
import io

import cv2
import numpy as np
import PIL
from PIL import Image

values = (np.arange(144).reshape(6, 8, 3) * 28).astype(np.uint16)  # 0..4004: 12 bits


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


colour = np.asarray(Image.open(io.BytesIO(png(values))))
grey = Image.open(io.BytesIO(png(values[..., 0])))
print("Pillow", PIL.__version__)
print("colour:", colour.dtype, "largest", colour.max(), "distinct", len(np.unique(colour)), "of", len(np.unique(values)))
print("grey:  ", np.asarray(grey).dtype, "largest", np.asarray(grey).max())
print("grey, convert('RGB'): share of pixels at 255:", (np.asarray(grey.convert("RGB")) == 255).mean().round(3))
whole = cv2.imdecode(np.frombuffer(png(values), np.uint8), cv2.IMREAD_UNCHANGED)
assert np.array_equal(whole, values), "OpenCV keeps all bits"
assert colour.dtype == np.uint8 and colour.max() == 15 and len(np.unique(colour)) == 16
assert np.array_equal(np.asarray(grey), values[..., 0])
assert (np.asarray(grey.convert("RGB")) == 255).mean() > 0.9
PYTHON
