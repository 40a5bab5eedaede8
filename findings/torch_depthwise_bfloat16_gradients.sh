#!/usr/bin/env bash
# torch 2.14.1 on a CPU: two gradients of depthwise convolutions take tens of times as long as what they compute asks for.
#
# 1. Strided, in bfloat16, with respect to the input: 96 channels of 48x48, kernel 3, stride 2, 32 images: 68 ms on one thread of a Xeon
#    with bfloat16 units (AMX), where float32 takes 4 ms, and where the forward pass, as many multiplications, takes 1 ms in bfloat16.
# 2. With respect to the weights, of any kernel but 3x3: 240 channels of 12x12: 5x5 takes 17 ms in float32 and 51 ms in bfloat16, and
#    3x3 takes 0.3 ms; 25/9 times as much would be 1 ms.
# Networks of such layers (MobileNetV2, EfficientNet-Lite, ConvNeXt) therefore train slower in bfloat16 than in float32 there, with a
# faster forward pass; it looks as if bfloat16 did not pay for them. Both gradients can be had from fast kernels: the first as a
# convolution of the gradient, spread over the strides, with the turned kernel; the second in tiles of 3x3 weights.
# The kit: kit/train/depthwise.py does that in bfloat16; MobileNetV2 then trains at 1.5 times the rate of float32, not at 0.7.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import time

import torch

torch.set_num_threads(1)
print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability())


def seconds(channels, side, kernel, stride, dtype, which):
    """The shortest of five: "forward", or the gradient with respect to the "input" or the "weights"."""
    x = torch.randn(32, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel).to(dtype)
    forward = lambda: torch.conv2d(x, weight, None, stride, kernel // 2, 1, channels)  # noqa: E731
    grad = torch.ones_like(forward())
    mask = [which == "input", which == "weights", False]
    backward = lambda: torch.ops.aten.convolution_backward(  # noqa: E731
        grad, x, weight, None, [stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], channels, mask
    )
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        forward() if which == "forward" else backward()
        taken.append(time.perf_counter() - start)
    return min(taken)


def told(what, slow, quick):
    print(f"{what}: {1000 * slow:.1f} ms, against {1000 * quick:.1f} ms")
    assert slow > 5 * quick, "it is no longer slow"


half, single = torch.bfloat16, torch.float32
told("input's gradient at stride 2, bfloat16 against float32",
     seconds(96, 48, 3, 2, half, "input"), seconds(96, 48, 3, 2, single, "input"))
told("the same, bfloat16, against its forward pass",
     seconds(96, 48, 3, 2, half, "input"), seconds(96, 48, 3, 2, half, "forward"))
for name, dtype in (("float32", single), ("bfloat16", half)):
    told(f"weights' gradient, {name}, 5x5 against 3x3",
         seconds(240, 12, 5, 1, dtype, "weights"), 25 / 9 * seconds(240, 12, 3, 1, dtype, "weights"))
PYTHON
