#!/usr/bin/env bash
# TensorFlow 2.17.0 (CPU): a convolution of an empty batch has the shape of its input, whatever the kernel and the stride.
#
# No images in should be no maps out, of the kernel's channels and the stride's size, as with one image and as in torch. Instead (0, 8, 8, 3)
# comes out of `tf.nn.conv2d` with four channels and stride 2, and of a depthwise one: what follows (a dense layer, a concatenation)
# fails or is built for the wrong size. Pooling of an empty batch is right.
# The kit: no batch without an image is run (kit/inference/model.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.17.0 numpy==1.26.4
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
kernel, own = np.zeros((3, 3, 3, 4), np.float32), np.zeros((3, 3, 3, 1), np.float32)
layers = {
    "conv2d": lambda x: tf.nn.conv2d(x, kernel, 2, "SAME"),
    "depthwise_conv2d": lambda x: tf.nn.depthwise_conv2d(x, own, [1, 2, 2, 1], "SAME"),
    "max_pool2d": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
}
for name, layer in layers.items():
    none, one = (tuple(layer(np.zeros((rows, 8, 8, 3), np.float32)).shape) for rows in (0, 1))
    print(f"{name:<17} one image {one}, none {none}")
    assert (none[1:] == one[1:]) == (name == "max_pool2d"), name
PYTHON
