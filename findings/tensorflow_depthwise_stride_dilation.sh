#!/usr/bin/env bash
# TensorFlow 2.17.0 (CPU): a depthwise convolution with stride 2 and dilation 2 runs without a word, and its values are wrong.
#
# Each of the two alone is right, and so is the full convolution with both: only `tf.nn.depthwise_conv2d` with both above one differs from the
# sum that defines it, by as much as the values themselves. Networks converted from PyTorch (DeepLab-like, some EfficientNets) have such layers.
# The kit: its TensorFlow runtime goes another way there, and a grid of arguments is held against torch (kit/inference/runtimes/).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.17.0 numpy==1.26.4
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x = rng.normal(size=(1, 9, 9, 2)).astype(np.float32)
kernel = rng.normal(size=(3, 3, 2, 1)).astype(np.float32)
full = np.zeros((3, 3, 2, 2), np.float32)
full[:, :, 0, 0], full[:, :, 1, 1] = kernel[:, :, 0, 0], kernel[:, :, 1, 0]


def by_definition(stride, dilation):
    side = (9 - 2 * dilation - 1) // stride + 1
    out = np.zeros((1, side, side, 2), np.float32)
    for i, j, a, b in np.ndindex(side, side, 3, 3):
        out[0, i, j] += x[0, i * stride + a * dilation, j * stride + b * dilation] * kernel[a, b, :, 0]
    return out


print("tensorflow", tf.__version__)
for stride, dilation in ((1, 1), (2, 1), (1, 2), (2, 2)):
    wanted = by_definition(stride, dilation)
    one = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "VALID", dilations=[dilation, dilation]).numpy()
    two = tf.nn.conv2d(x, full, [1, stride, stride, 1], "VALID", dilations=[1, dilation, dilation, 1]).numpy()
    off = float(np.abs(one - wanted).max())
    print(f"stride {stride}, dilation {dilation}: depthwise off by {off:.3f}, full by {np.abs(two - wanted).max():.3f}")
    assert np.abs(two - wanted).max() < 1e-4
    assert (off > 0.5) == (stride == dilation == 2)
PYTHON
