#!/usr/bin/env bash
# Grey TIFFs in which zero is white (radiographs, scans): who turns them depends on the reader, the bits and the flag.
#
# Pillow 13.0.0 turns them in 8 bits and leaves them in 16. OpenCV 5.0.0 does the same with IMREAD_UNCHANGED, and turns both with IMREAD_COLOR;
# imageio 2.38.1 turns neither. A set of both depths, or one read by two of them, is half negatives.
# The kit: turned whatever the bits, after the values have been scaled (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/look.py" <<'PYTHON'
import io
import sys
from pathlib import Path

import cv2
import imageio
import imageio.v3
import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__, "imageio", imageio.__version__)
files = {bits: Path(sys.argv[1], f"grey{bits}.tif").read_bytes() for bits in (8, 16)}


def opencv(flag):
    return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), flag)


readers = {
    "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data))),
    "OpenCV, unchanged": opencv(cv2.IMREAD_UNCHANGED),
    "OpenCV, colour": opencv(cv2.IMREAD_COLOR),
    "imageio": lambda data: imageio.v3.imread(data, extension=".tif"),
}
turned = {}
for name, read in readers.items():
    for bits, data in files.items():
        got = read(data)
        turned[name, bits] = bool(got.reshape(16, 16, -1)[0, 0, 0] > got.reshape(16, 16, -1)[-1, -1, 0])
    print(f"{name:<18} zero is white in 8 bits: {turned[name, 8]!s:<6} in 16 bits: {turned[name, 16]}")
assert [turned["Pillow", bits] for bits in (8, 16)] == [True, False]
assert [turned["OpenCV, unchanged", bits] for bits in (8, 16)] == [True, False]
assert [turned["OpenCV, colour", bits] for bits in (8, 16)] == [True, True]
assert [turned["imageio", bits] for bits in (8, 16)] == [False, False]
PYTHON
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 imageio==2.38.1 tifffile==2026.3.3
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import tifffile

for bits in (8, 16):
    ramp = (np.arange(256).reshape(16, 16) * (257 if bits == 16 else 1)).astype(f"uint{bits}")
    tifffile.imwrite(f"{sys.argv[1]}/grey{bits}.tif", ramp, photometric="miniswhite")
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$folder"
