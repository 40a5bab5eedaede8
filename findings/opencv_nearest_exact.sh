#!/usr/bin/env bash
# OpenCV 4.14.0 and 5.0.0: INTER_NEAREST_EXACT enlarges differently in the two, and exactly in neither.
#
# The flag is documented as bit exact, with "the same results as the nearest neighbor method in PIL, scikit-image or Matlab". A new pixel's centre
# falls on the border of two old ones wherever (2 i + 1) old / (2 new) is whole; exact arithmetic gives the second of them each time. OpenCV 4.14
# and OpenCV 5.0 each take now the one and now the other: from 64 to 96 pixels, 17 of 96 come from another place after an upgrade,
# and pixelated images of 96 px differ by up to 88 levels. Of the 3,969 pairs of sizes from 2 to 64, 4.14 differs from Pillow 13 in 730, 5.0 in
# none, and all three differ from exact arithmetic in more than 600.
# The kit: its shifts pick pixels by whole numbers, (2 i + 1) old // (2 new), in numpy (kit/shifts/resolution.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 pillow==13.0.0
cat > "$folder/look.py" <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image

sys.path.insert(0, sys.argv[1])
import cv2


def ramp(old):
    return np.arange(old, dtype=np.uint8)[None]


def opencv(old, new):
    return cv2.resize(ramp(old), (new, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0].tolist()


def pillow(old, new):
    return np.asarray(Image.fromarray(ramp(old)).resize((new, 1), Image.Resampling.NEAREST))[0].tolist()


def exact(old, new):
    return [(2 * at + 1) * old // (2 * new) for at in range(new)]


pairs = [(old, new) for old in range(2, 65) for new in range(2, 65)]
print("opencv", cv2.__version__, "pillow", PIL.__version__)
print("  4 -> 10", opencv(4, 10), "exact", exact(4, 10))
enlarged = sum(one != other for one, other in zip(opencv(64, 96), exact(64, 96)))
print("  64 -> 96:", enlarged, "of 96 are not the exact ones")
other = sum(opencv(*pair) != pillow(*pair) for pair in pairs)
inexact = sum(opencv(*pair) != exact(*pair) for pair in pairs)
print("  pairs of sizes:", len(pairs), "other than Pillow:", other, "inexact:", inexact)
wanted = {"4": ([0, 0, 0, 1, 1, 2, 2, 2, 3, 3], 0, 730, 622), "5": ([0, 0, 1, 1, 1, 2, 2, 2, 3, 3], 17, 0, 624)}
assert (opencv(4, 10), enlarged, other, inexact) == wanted[cv2.__version__[0]]
PYTHON
for version in 4.14.0.94 5.0.0.93; do
    "$folder/venv/bin/pip" install --quiet --no-deps --target "$folder/$version" opencv-python-headless==$version
    "$folder/venv/bin/python" "$folder/look.py" "$folder/$version"
done
