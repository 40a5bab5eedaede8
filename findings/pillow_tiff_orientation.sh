#!/usr/bin/env bash
# One orientation tag, five formats: Pillow 13.0.0 and OpenCV 5.0.0 each turn other files.
#
# Pillow turns a TIFF when it loads it and no other format; OpenCV's IMREAD_UNCHANGED turns TIFFs alone, IMREAD_COLOR all but AVIF.
# So "Pillow never turns, IMREAD_COLOR always does" fails for one format each. With Pillow 10.0.0 `ImageOps.exif_transpose`, the usual remedy,
# turns a TIFF that loading has already turned a second time; from 10.1.0 on it does not.
# The kit: one decoder that turns each format once with every Pillow (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__)
turned = {}
image = Image.fromarray(np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8)).convert("RGB")
for form in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
    path = f"{sys.argv[1]}/image.{form.lower()}"
    tag = Image.Exif()  # a new one for each: saving as AVIF takes the entry out of it
    tag[0x0112] = 6  # a quarter turn: 40 wide and 30 high becomes 30 wide and 40 high
    image.save(path, form, exif=tag)
    turned[form] = [
        np.asarray(Image.open(path)).shape[0] == 40,
        np.asarray(ImageOps.exif_transpose(Image.open(path))).shape[0] == 40,
        cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED).shape[0] == 40,
        cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR).shape[0] == 40,
    ]
    print(f"{form:<5}", "Pillow {}, exif_transpose {}, OpenCV unchanged {}, colour {}".format(*turned[form]))
for form in ("JPEG", "PNG", "WEBP"):
    assert turned[form] == [False, True, False, True], form
assert turned["AVIF"] == [False, True, False, False]
assert turned["TIFF"] == [True, True, True, True]
PYTHON
"$folder/venv/bin/pip" install --quiet pillow==10.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import PIL
from PIL import Image, ImageOps

sizes = {form: ImageOps.exif_transpose(Image.open(f"{sys.argv[1]}/image.{form}")).size for form in ("jpeg", "png", "webp", "tiff")}
print("Pillow", PIL.__version__, "exif_transpose:", sizes)
assert sizes.pop("tiff") == (40, 30), "turned twice"
assert set(sizes.values()) == {(30, 40)}
PYTHON
