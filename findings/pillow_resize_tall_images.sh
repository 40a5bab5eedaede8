#!/usr/bin/env bash
# Pillow 13.0.0: tall images are resized to other pixels than with Pillow 12.2.0, in a fifth of the pixels where they are rough.
#
# A resize is two passes, across and down, and the pixels between are rounded and clipped to eight bits. Pillow 12 goes across first, Pillow 13 down
# first where that is less work. With a bicubic or Lanczos filter, whose overshoot is clipped, the order shows. Wide images come out as before.
# A network trained under one release and run under the other sees other images.
# The kit: its decoder makes the two passes itself, across first, and a test holds digests of the pixels (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/look.py" <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image

noise = np.random.default_rng(0).integers(0, 256, (500, 333, 3), dtype=np.uint8)
ramp = (np.add.outer(np.arange(500) * 0.3, np.arange(333) * 0.3)[..., None] + [0, 3, 9]).astype(np.uint8)


def small(image, kind):
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((224, 224), kind))


made = {}
for name, kind in (("Lanczos", Image.Resampling.LANCZOS), ("bicubic", Image.Resampling.BICUBIC)):
    made[f"tall noise, {name}"] = small(noise, kind)
    made[f"wide noise, {name}"] = small(noise.transpose(1, 0, 2), kind)
    made[f"tall ramp, {name}"] = small(ramp, kind)
if sys.argv[2] == "keep":
    np.savez(sys.argv[1], **made)
    print("Pillow", PIL.__version__)
    sys.exit()
before = np.load(sys.argv[1])
off = {name: np.abs(image.astype(int) - before[name]) for name, image in made.items()}
print("Pillow", PIL.__version__)
for name, each in off.items():
    print(f"{name:<22} largest difference {each.max():>3}, pixels that differ {(each > 0).mean():.0%}")
assert off["tall noise, bicubic"].max() > 4 and (off["tall noise, bicubic"] > 0).mean() > 0.1
assert off["tall noise, Lanczos"].max() > 10
assert off["wide noise, bicubic"].max() == off["wide noise, Lanczos"].max() == 0
PYTHON
"$folder/venv/bin/pip" install --quiet pillow==12.2.0 numpy==2.4.6
"$folder/venv/bin/python" "$folder/look.py" "$folder/before.npz" keep
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
"$folder/venv/bin/python" "$folder/look.py" "$folder/before.npz" compare
