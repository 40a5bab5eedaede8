#!/usr/bin/env bash
# torch 2.14.1 and Pillow 13.0.0: bicubic resizing of bytes and of floats are two operations, and only one of them is Pillow's.
#
# `interpolate(mode="bicubic", antialias=True)` of a uint8 tensor equals Pillow to one level. Of the same image as floats, then rounded and clamped, it
# differs by up to 30 levels where contrast is hard, since bytes are rounded and clamped after the first of the two directions and floats only at the end.
# Without `antialias` the two differ by up to 41, and neither is near Pillow even when it enlarges (another cubic: a = -0.75, not -0.5). So a
# transform that turns an image into floats before it is resized, and one that does so afterwards, show a network different images.
# The kit: images are resized as bytes, by Pillow, once and everywhere by the same file (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import PIL
import torch
from PIL import Image
from torch.nn.functional import interpolate

print("torch", torch.__version__, "pillow", PIL.__version__)
image = (np.random.default_rng(0).integers(0, 2, (64, 64, 3)) * 255).astype(np.uint8)
tensor = torch.from_numpy(image).permute(2, 0, 1)[None]


def resized(x, antialias):
    made = interpolate(x, size=(96, 96), mode="bicubic", antialias=antialias)
    return made.float().round().clamp(0, 255)[0].permute(1, 2, 0).numpy()


pillow = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC)).astype(float)
apart = {}
for antialias in (True, False):
    bytes_, floats = resized(tensor, antialias), resized(tensor.float(), antialias)
    pairs = {"bytes and floats": (bytes_, floats), "bytes and Pillow": (bytes_, pillow), "floats and Pillow": (floats, pillow)}
    for name, (one, other) in pairs.items():
        apart[antialias, name] = int(abs(one - other).max())
        print(f"antialias={antialias!s:<5}  {name:<17}  up to {apart[antialias, name]:2d} levels")
assert apart[True, "bytes and Pillow"] <= 1
assert apart[True, "bytes and floats"] > 20 and apart[True, "floats and Pillow"] > 20
assert apart[False, "bytes and floats"] > 30 and apart[False, "bytes and Pillow"] > 15
PYTHON
