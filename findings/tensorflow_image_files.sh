#!/usr/bin/env bash
# TensorFlow 2.17.0: `tf.io.decode_image` sees other pixels than Pillow 13.0.0 in every JPEG, and the numbers of colours in a BMP with a palette.
#
# JPEG: `decode_jpeg` takes a fast, rougher inverse transform unless told dct_method="INTEGER_ACCURATE", with which it is equal to Pillow, bit
# for bit; `decode_image` cannot be told. A palette BMP comes as one channel of indices, and with channels=3 as these indices three times:
# nearly black, no error. Palette
# PNGs are right. So a network trained on files read by one and run on files read by the other sees other images.
# The kit: one decoder, Pillow's, from training to the platform (kit/inference/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.17.0 numpy==1.26.4 pillow==13.0.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

print("tensorflow", tf.__version__, "Pillow", PIL.__version__)
coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
photo = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)


def encoded(image, form, **more):
    buffer = io.BytesIO()
    image.save(buffer, form, **more)
    return buffer.getvalue(), np.asarray(Image.open(buffer).convert("RGB")).astype(int)


def off(read, wanted):
    """Largest and mean difference in grey levels."""
    return int(np.abs(read.numpy() - wanted).max()), float(np.abs(read.numpy() - wanted).mean())


data, wanted = encoded(photo, "JPEG", quality=95, subsampling=0)
fast = off(tf.io.decode_image(data, channels=3), wanted)
accurate = off(tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"), wanted)
print("JPEG, decode_image: largest difference {}, mean {:.2f}".format(*fast))
print("JPEG, decode_jpeg, accurate: largest difference {}, mean {:.2f}".format(*accurate))
assert fast[0] >= 4 and fast[1] > 0.5 and accurate == (0, 0.0)
palette = photo.quantize(16)
for form in ("BMP", "PNG"):
    data, wanted = encoded(palette, form)
    read = tf.io.decode_image(data, channels=3)
    print(f"palette {form}: channels unasked {tf.io.decode_image(data).shape[-1]}, largest value {int(tf.reduce_max(read))},",
          "largest difference {}, mean {:.0f}".format(*off(read, wanted)))
    assert (off(read, wanted)[1] > 50) == (form == "BMP")
PYTHON
