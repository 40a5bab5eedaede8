"""Networks as graphs of ATen operators, built out of TensorFlow's: no PyTorch. Python 3.7 syntax.

A value is a tensor and the order its axes lie in: images stay in TensorFlow's layout (N, H, W, C) while
the graph speaks of (N, C, H, W), and permutations cost nothing until an operator needs a particular order.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

NHWC = (0, 2, 3, 1)


class Value:
    """`tensor`, whose axis j is the graph's dimension `order[j]`; constants are numpy arrays."""

    def __init__(self, tensor: Any, order: Optional[Sequence[int]] = None) -> None:
        self.tensor = tensor
        self.order = tuple(range(len(tensor.shape)) if order is None else order)

    @property
    def rank(self) -> int:
        return len(self.order)

    @property
    def shape(self) -> List[int]:
        """The sizes in the graph's order."""
        return [int(self.tensor.shape[self.axis(d)]) for d in range(self.rank)]

    def axis(self, dimension: int) -> int:
        """Where a dimension of the graph (from the end where negative) lies."""
        return self.order.index(dimension % self.rank)

    def to(self, order: Sequence[int]) -> Any:
        """The tensor with its axes in `order`."""
        order = tuple(order)
        if order == self.order:
            return self.tensor
        moved = [self.order.index(d) for d in order]
        if isinstance(self.tensor, np.ndarray):
            return np.transpose(self.tensor, moved)
        long = [axis for axis in moved if self.tensor.shape[axis] != 1]
        if long == sorted(long):
            return tf.reshape(self.tensor, [self.tensor.shape[axis] for axis in moved])
        return tf.transpose(self.tensor, moved)

    def plain(self) -> Any:
        """The tensor in the graph's own order."""
        return self.to(range(self.rank))

    def like(self, other: "Value") -> Any:
        """The tensor with axes added in front and ordered as `other`, for broadcasting."""
        missing = other.rank - self.rank
        tensor = self.tensor
        if missing:
            shape = [1] * missing + list(tensor.shape)
            tensor = tensor.reshape(shape) if isinstance(tensor, np.ndarray) else tf.reshape(tensor, shape)
        order = list(range(missing)) + [d + missing for d in self.order]
        return Value(tensor, order).to(other.order)


def broadcast(*values: Any) -> Tuple[List[Any], Sequence[int]]:
    """Operands in one order, that of the largest; numbers stay numbers."""
    widest = max(
        (v for v in values if isinstance(v, Value)), key=lambda v: (v.rank, not isinstance(v.tensor, np.ndarray))
    )
    return [v.like(widest) if isinstance(v, Value) else v for v in values], widest.order


def pointwise(function: Callable) -> Callable:
    """An operator of one value that leaves its shape alone."""
    return lambda x: Value(function(x.tensor), x.order)


def binary(function: Callable) -> Callable:
    """An operator of two values that broadcast."""

    def apply(a: Any, b: Any, alpha: float = 1) -> Any:
        if alpha != 1:
            b = Value(b.tensor * alpha, b.order) if isinstance(b, Value) else b * alpha
        if not isinstance(a, Value) and not isinstance(b, Value):
            return function(a, b)
        (left, right), order = broadcast(a, b)
        return Value(function(left, right), order)

    return apply


# ---------------------------------------------------------------------------------------------- networks
def conv2d(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):  # type: ignore[no-untyped-def]
    kernel = np.transpose(weight.plain(), (2, 3, 1, 0))
    image = x.to(NHWC)
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel.shape)]
    # TensorFlow's SAME is PyTorch's padding at stride 1 alone; elsewhere it pads more behind than before.
    same = stride == [1, 1] and [2 * p for p in padding] == reach
    if not same and any(padding):
        image = tf.pad(image, [[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]])
    mode = "SAME" if same and any(reach) else "VALID"
    channels = image.shape[3]
    if groups == 1:
        y = tf.nn.conv2d(image, kernel, stride, mode, dilations=dilation)
    elif groups == channels:
        y = depthwise(image, kernel.reshape(*kernel.shape[:2], channels, -1), stride, mode, dilation)
    else:
        parts = zip(tf.split(image, groups, axis=3), np.split(kernel, groups, axis=3))
        y = tf.concat([tf.nn.conv2d(p, k, stride, mode, dilations=dilation) for p, k in parts], axis=3)
    return Value(y if bias is None else tf.nn.bias_add(y, bias.plain()), NHWC)


def depthwise(image: Any, kernel: np.ndarray, stride: List[int], mode: str, dilation: List[int]) -> Any:
    """kernel (H, W, C, multiplier). What TensorFlow's own gets wrong or refuses is done at stride 1, then thinned.

    Wrong, without a word: a stride with a dilation, both above 1. Refused: strides that differ by axis.
    """
    if stride[0] == stride[1] and (stride == [1, 1] or dilation == [1, 1]):
        return tf.nn.depthwise_conv2d(image, kernel, [1, *stride, 1], mode, dilations=dilation)
    y = tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], mode, dilations=dilation)
    return y[:, :: stride[0], :: stride[1]]


def conv2d_padding(x, weight, bias=None, stride=(1, 1), padding="valid", dilation=(1, 1), groups=1):  # type: ignore[no-untyped-def]
    """Padding in words; PyTorch knows "same" at stride 1 alone, where an odd pixel is padded behind."""
    if padding == "valid":
        return conv2d(x, weight, bias, stride, 0, dilation, groups)
    reach = [d * (k - 1) for d, k in zip(pair(dilation), weight.shape[2:])]
    image = tf.pad(x.to(NHWC), [[0, 0], *([r // 2, r - r // 2] for r in reach), [0, 0]])
    return conv2d(Value(image, NHWC), weight, bias, stride, 0, dilation, groups)


def pair(value: Any) -> List[int]:
    value = list(value) if isinstance(value, (list, tuple)) else [value]
    return value * 2 if len(value) == 1 else value


def batch_norm(x, weight, bias, mean, variance, training, momentum, eps, cudnn):  # type: ignore[no-untyped-def]
    scale = 1.0 / np.sqrt(variance.plain().astype(np.float64) + eps)
    scale = scale * (weight.plain() if weight is not None else 1.0)
    shift = (bias.plain() if bias is not None else 0.0) - mean.plain() * scale
    shape = [-1] + [1] * (x.rank - 2)
    scale, shift = (Value(v.astype(np.float32).reshape(shape)) for v in (scale, shift))
    return Value(x.tensor * scale.like(x) + shift.like(x), x.order)


def linear(x, weight, bias=None):  # type: ignore[no-untyped-def]
    order = [d for d in x.order if d != x.rank - 1] + [x.rank - 1]
    tensor = x.to(order)
    kernel = weight.plain().T
    flat = tf.reshape(tensor, [-1, kernel.shape[0]]) if x.rank != 2 else tensor
    y = tf.matmul(flat, kernel)
    y = y if bias is None else tf.nn.bias_add(y, bias.plain())
    return Value(y if x.rank == 2 else tf.reshape(y, [*tensor.shape[:-1], kernel.shape[1]]), order)


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5, cudnn=True):  # type: ignore[no-untyped-def]
    axes = [x.axis(-1 - d) for d in range(len(shape))]
    mean = tf.reduce_mean(x.tensor, axes, keepdims=True)
    centred = x.tensor - mean
    y = centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + eps)
    return scaled(Value(y, x.order), weight, bias)


def scaled(x: Value, weight: Optional[Value], bias: Optional[Value]) -> Value:
    y = x.tensor if weight is None else x.tensor * weight.like(x)
    return Value(y if bias is None else y + bias.like(x), x.order)


def group_norm(x, groups, weight=None, bias=None, eps=1e-5, cudnn=True):  # type: ignore[no-untyped-def]
    """By each channel's moments, which TensorFlow finds without moving pixels, and one multiplication and addition."""
    image = x.to(NHWC)
    n, _, _, c = image.shape
    means, variances = (tf.reshape(v, [n, groups, c // groups]) for v in tf.nn.moments(image, [1, 2]))
    mean = tf.reduce_mean(means, 2, keepdims=True)
    variance = tf.reduce_mean(variances + tf.square(means - mean), 2, keepdims=True)
    scale = tf.repeat(tf.math.rsqrt(variance + eps), c // groups, axis=2)
    scale, mean = (tf.reshape(v, [n, 1, 1, c]) for v in (scale, tf.repeat(mean, c // groups, axis=2)))
    scale = scale if weight is None else scale * weight.plain()
    shift = -mean * scale if bias is None else bias.plain() - mean * scale
    return Value(image * scale + shift, NHWC)


def attention(q, k, v, mask=None, dropout=0.0, causal=False, scale=None, enable_gqa=False):  # type: ignore[no-untyped-def]
    if enable_gqa:
        raise ValueError("not run by this runtime: attention with groups of queries")
    q, k, v = q.plain(), k.plain(), v.plain()
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = tf.matmul(q * scale, k, transpose_b=True)
    if causal:
        scores += np.triu(np.full(scores.shape[-2:], -3e38, np.float32), 1)
    if mask is not None:
        kept = mask.plain()
        scores = tf.where(kept, scores, -3e38) if kept.dtype in (np.bool_, tf.bool) else scores + kept
    return Value(tf.matmul(tf.nn.softmax(scores), v))


# ---------------------------------------------------------------------------------------------- pooling
def pool(kind: str, x: Value, kernel: Any, stride: Any, padding: Any, ceil: bool, counted: bool) -> Value:
    """Average or maximum of windows, with PyTorch's padding."""
    kernel, stride, padding = pair(kernel), pair(stride or kernel), pair(padding)
    image = x.to(NHWC)
    sides = []
    for size, k, s, p in zip(image.shape[1:3], kernel, stride, padding):
        steps = (size + 2 * p - k + (s - 1 if ceil else 0)) // s + 1
        # A window must begin inside of the image or its padding before it.
        steps -= ceil and (steps - 1) * s >= size + p
        sides.append([p, max(0, (steps - 1) * s + k - size - p)])
    pads = [[0, 0], *sides, [0, 0]]
    padded = any(any(side) for side in sides)
    if kind == "max":
        image = tf.pad(image, pads, constant_values=-3e38) if padded else image
        return Value(tf.nn.max_pool2d(image, kernel, stride, "VALID"), NHWC)
    total = tf.nn.avg_pool2d(tf.pad(image, pads) if padded else image, kernel, stride, "VALID")
    if not padded:
        return Value(total, NHWC)
    inside = np.ones((1, image.shape[1], image.shape[2], 1), np.float32)
    if counted:
        inside = np.pad(inside, [[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]], constant_values=1)
        sides = [[0, max(0, b - p)] for (_, b), p in zip(sides, padding)]
    share = tf.nn.avg_pool2d(np.pad(inside, [[0, 0], *sides, [0, 0]]), kernel, stride, "VALID").numpy()
    return Value(total / share, NHWC)


def avg_pool2d(x, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor=None):  # type: ignore[no-untyped-def]
    if divisor is None:
        return pool("avg", x, kernel, stride, padding, ceil_mode, count_include_pad)
    image = Value(tf.pad(x.to(NHWC), [[0, 0], *([p, p] for p in pair(padding)), [0, 0]]), NHWC)
    if ceil_mode:
        raise ValueError("not run by this runtime: avg_pool2d with ceil_mode and a divisor")
    mean = pool("avg", image, kernel, stride, 0, False, True)
    return Value(mean.tensor * (float(np.prod(pair(kernel))) / divisor), NHWC)


def max_pool2d(x, kernel, stride=None, padding=0, dilation=1, ceil_mode=False):  # type: ignore[no-untyped-def]
    if pair(dilation) == [1, 1]:
        return pool("max", x, kernel, stride, padding, ceil_mode, True)
    if ceil_mode:
        raise ValueError("not run by this runtime: max_pool2d with ceil_mode and a dilation")
    kernel, stride, dilation = pair(kernel), pair(stride or kernel), pair(dilation)
    pads = [[0, 0], *([p, p] for p in pair(padding)), [0, 0]]
    image = tf.pad(x.to(NHWC), pads, constant_values=-3e38)
    y = tf.nn.pool(image, kernel, "MAX", strides=[1, 1], padding="VALID", dilations=dilation)
    return Value(y[:, :: stride[0], :: stride[1]], NHWC)


def adaptive_avg_pool2d(x, size):  # type: ignore[no-untyped-def]
    image = x.to(NHWC)
    if pair(size) == [1, 1]:
        return Value(tf.reduce_mean(image, [1, 2], keepdims=True), NHWC)
    have, want = [int(side) for side in image.shape[1:3]], pair(size)
    if all(h % w == 0 for h, w in zip(have, want)):
        kernel = [h // w for h, w in zip(have, want)]
        return Value(tf.nn.avg_pool2d(image, kernel, kernel, "VALID"), NHWC)
    rows, columns = (windows(h, w) for h, w in zip(have, want))
    return Value(tf.einsum("ph,nhwc,qw->npqc", rows, image, columns), NHWC)


def windows(source: int, target: int) -> np.ndarray:
    """(target, source) weights of the means of windows that overlap where `target` does not divide `source`."""
    weights = np.zeros((target, source), np.float32)
    for place in range(target):
        first, last = place * source // target, -(-(place + 1) * source // target)
        weights[place, first:last] = 1 / (last - first)
    return weights


def reduced(function: Callable) -> Callable:
    """A reduction over dimensions, kept with size 1 or taken out."""

    def apply(x: Value, dims: Any = None, keepdim: bool = False, **unused: Any) -> Value:
        dims = [d % x.rank for d in (range(x.rank) if dims is None else dims if isinstance(dims, list) else [dims])]
        y = function(x.tensor, [x.axis(d) for d in dims], keepdims=keepdim)
        if keepdim:
            return Value(y, x.order)
        return Value(y, ranked([d for d in x.order if d not in dims]))

    return apply


def ranked(order: Sequence[int]) -> List[int]:
    """An order with gaps, renumbered from 0."""
    return [sorted(order).index(d) for d in order]


# ---------------------------------------------------------------------------------------------- shapes
def reshape(x, shape):  # type: ignore[no-untyped-def]
    tensor = x.plain()
    return Value(tensor.reshape(shape) if isinstance(tensor, np.ndarray) else tf.reshape(tensor, shape))


def flatten(x, start=0, end=-1):  # type: ignore[no-untyped-def]
    shape = x.shape
    end = end % x.rank
    return reshape(x, [*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]])


def permute(x, dims):  # type: ignore[no-untyped-def]
    return Value(x.tensor, [[d % x.rank for d in dims].index(d) for d in x.order])


def transpose(x, a, b):  # type: ignore[no-untyped-def]
    dims = list(range(x.rank))
    dims[a], dims[b] = dims[b], dims[a]
    return permute(x, dims)


def unsqueeze(x, dim):  # type: ignore[no-untyped-def]
    dim = dim % (x.rank + 1)
    order = [d + (d >= dim) for d in x.order]
    return Value(x.tensor[None], [dim, *order])


def squeeze(x, dims):  # type: ignore[no-untyped-def]
    dims = [d % x.rank for d in (dims if isinstance(dims, list) else [dims]) if x.shape[d] == 1]
    return Value(tf.squeeze(x.tensor, [x.axis(d) for d in dims]), ranked([d for d in x.order if d not in dims]))


def concatenate(values, dim=0):  # type: ignore[no-untyped-def]
    first = next((v for v in values if not isinstance(v.tensor, np.ndarray)), values[0])
    return Value(tf.concat([v.to(first.order) for v in values], first.axis(dim)), first.order)


def stack(values, dim=0):  # type: ignore[no-untyped-def]
    return concatenate([unsqueeze(v, dim) for v in values], dim)


def split(x, sizes, dim=0):  # type: ignore[no-untyped-def]
    size = x.shape[dim]
    sizes = sizes if isinstance(sizes, list) else [min(sizes, size - s) for s in range(0, size, sizes)]
    return [Value(part, x.order) for part in tf.split(x.tensor, sizes, x.axis(dim))]


def chunk(x, count, dim=0):  # type: ignore[no-untyped-def]
    return split(x, -(-x.shape[dim] // count), dim)


def slice_(x, dim=0, start=None, end=None, step=1):  # type: ignore[no-untyped-def]
    cut = [slice(None)] * x.rank
    cut[x.axis(dim)] = slice(start, None if end is None or end >= x.shape[dim] else end, step)
    return Value(x.tensor[tuple(cut)], x.order)


def select(x, dim, index):  # type: ignore[no-untyped-def]
    cut = [slice(None)] * x.rank  # type: List[Any]
    cut[x.axis(dim)] = index
    return Value(x.tensor[tuple(cut)], ranked([d for d in x.order if d != dim % x.rank]))


def unbind(x, dim=0):  # type: ignore[no-untyped-def]
    return [select(x, dim, index) for index in range(x.shape[dim])]


def expand(x, sizes):  # type: ignore[no-untyped-def]
    shape = [1] * (len(sizes) - x.rank) + x.shape
    wanted = [have if want == -1 else want for have, want in zip(shape, sizes)]
    return Value(tf.broadcast_to(x.plain(), wanted))


def index(x, indices):  # type: ignore[no-untyped-def]
    (dim,) = [d for d, i in enumerate(indices) if i is not None]
    rows = indices[dim].plain()
    y = tf.gather(x.plain(), rows, axis=dim)
    return Value(y)


def pad(x, widths, mode="constant", value=0.0):  # type: ignore[no-untyped-def]
    pads = [[0, 0]] * x.rank
    for back in range(len(widths) // 2):
        pads[x.axis(-1 - back)] = widths[2 * back : 2 * back + 2]
    tensor = x.tensor
    for axis, (before, behind) in enumerate(pads):
        kept = np.arange(max(0, -before), int(tensor.shape[axis]) - max(0, -behind))  # negative widths cut
        if mode != "constant":
            kept = np.pad(kept, [max(0, before), max(0, behind)], PAD_MODES[mode])
        if len(kept) != tensor.shape[axis] or mode != "constant":
            tensor = tf.gather(tensor, kept, axis=axis)
    if mode == "constant":
        pads = [[max(0, before), max(0, behind)] for before, behind in pads]
        tensor = tf.pad(tensor, pads, constant_values=value or 0.0)
    return Value(tensor, x.order)


PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # type: Dict[str, Any]
"""PyTorch's words for padding -> numpy's."""


def roll(x, shifts, dims):  # type: ignore[no-untyped-def]
    return Value(tf.roll(x.tensor, shifts, [x.axis(d) for d in dims]), x.order)


def matmul(a, b):  # type: ignore[no-untyped-def]
    return Value(tf.matmul(a.plain(), b.plain()))


def vector_norm(x, order=2, dims=None, keepdim=False, dtype=None):  # type: ignore[no-untyped-def]
    def norm(tensor: Any, axes: List[int], keepdims: bool) -> Any:
        if order in (math.inf, -math.inf):
            return (tf.reduce_max if order > 0 else tf.reduce_min)(tf.abs(tensor), axes, keepdims)
        if order == 2:
            return tf.sqrt(tf.reduce_sum(tf.square(tensor), axes, keepdims))
        return tf.pow(tf.reduce_sum(tf.pow(tf.abs(tensor), float(order)), axes, keepdims), 1 / order)

    return reduced(norm)(x, dims, keepdim)


def upsample_nearest(x, size=None, factors=None):  # type: ignore[no-untyped-def]
    image = x.to(NHWC)
    size = size or [int(s * f) for s, f in zip(image.shape[1:3], factors)]
    for axis, want in ((1, size[0]), (2, size[1])):
        have = int(image.shape[axis])
        if want % have == 0 and not factors:
            image = tf.repeat(image, want // have, axis=axis)
            continue
        step = np.float32(1 / factors[axis - 1] if factors else have / want)
        nearest = np.floor(np.arange(want, dtype=np.float32) * step).astype(np.int64)
        image = tf.gather(image, np.minimum(nearest, have - 1), axis=axis)
    return Value(image, NHWC)


def upsample_bilinear(x, size=None, align_corners=False, factors=None):  # type: ignore[no-untyped-def]
    image = x.to(NHWC)
    size = size or [int(s * f) for s, f in zip(image.shape[1:3], factors)]
    steps = [1 / f for f in factors] if factors else [have / want for have, want in zip(image.shape[1:3], size)]
    sides = zip(image.shape[1:3], size, steps)
    rows, columns = (bilinear(int(have), want, step, align_corners) for have, want, step in sides)
    return Value(tf.einsum("ph,nhwc,qw->npqc", rows, image, columns), NHWC)


def bilinear(source: int, target: int, step: float, align_corners: bool) -> np.ndarray:
    """(target, source) weights of bilinear resizing along one axis, `step` source pixels a pixel, edges repeated."""
    if align_corners:
        place = np.linspace(0, source - 1, target)
    else:
        place = np.clip((np.arange(target) + 0.5) * step - 0.5, 0, source - 1)
    return np.maximum(0.0, 1.0 - np.abs(np.arange(source)[None, :] - place[:, None])).astype(np.float32)


def gelu(x, approximate="none"):  # type: ignore[no-untyped-def]
    return Value(tf.nn.gelu(x.tensor, approximate == "tanh"), x.order)


def clamp(x, low=None, high=None):  # type: ignore[no-untyped-def]
    low, high = (-3e38 if low is None else low), (3e38 if high is None else high)
    if (low, high) == (0.0, 6.0):
        return Value(tf.nn.relu6(x.tensor), x.order)
    return Value(tf.clip_by_value(x.tensor, low, high), x.order)


def hard_sigmoid(t: Any) -> Any:
    return tf.nn.relu6(t + 3.0) * (1 / 6)


def softmax(x, dim, dtype=None):  # type: ignore[no-untyped-def]
    order = [d for d in x.order if d != dim % x.rank] + [dim % x.rank]
    return Value(tf.nn.softmax(x.to(order)), order)


OPERATORS = {
    "conv2d.default": conv2d,
    "conv2d.padding": conv2d_padding,
    "batch_norm.default": batch_norm,
    "linear.default": linear,
    "layer_norm.default": layer_norm,
    "group_norm.default": group_norm,
    "scaled_dot_product_attention.default": attention,
    "avg_pool2d.default": avg_pool2d,
    "max_pool2d.default": max_pool2d,
    "adaptive_avg_pool2d.default": adaptive_avg_pool2d,
    "mean.dim": reduced(tf.reduce_mean),
    "sum.dim_IntList": reduced(tf.reduce_sum),
    "amax.default": reduced(tf.reduce_max),
    "linalg_vector_norm.default": vector_norm,
    "reshape.default": reshape,
    "reshape_as.default": lambda x, y: reshape(x, y.shape),
    "flatten.using_ints": flatten,
    "permute.default": permute,
    "transpose.int": transpose,
    "unsqueeze.default": unsqueeze,
    "squeeze.dim": squeeze,
    "squeeze.dims": squeeze,
    "cat.default": concatenate,
    "stack.default": stack,
    "split.Tensor": split,
    "split_with_sizes.default": split,
    "chunk.default": chunk,
    "slice.Tensor": slice_,
    "select.int": select,
    "unbind.int": unbind,
    "expand.default": expand,
    "index.Tensor": index,
    "pad.default": pad,
    "constant_pad_nd.default": lambda x, widths, value=0.0: pad(x, widths, value=value),
    "roll.default": roll,
    "matmul.default": matmul,
    "bmm.default": matmul,
    "upsample_nearest2d.vec": upsample_nearest,
    "upsample_bilinear2d.vec": upsample_bilinear,
    "relu.default": pointwise(tf.nn.relu),
    "silu.default": pointwise(tf.nn.silu),
    "sigmoid.default": pointwise(tf.sigmoid),
    "tanh.default": pointwise(tf.tanh),
    "square.default": pointwise(tf.square),
    "neg.default": pointwise(tf.negative),
    "gelu.default": gelu,
    "hardtanh.default": clamp,
    "clamp.default": clamp,
    "clamp_min.default": clamp,
    "hardsigmoid.default": pointwise(hard_sigmoid),
    "hardswish.default": pointwise(lambda t: t * hard_sigmoid(t)),
    "leaky_relu.default": lambda x, slope=0.01: Value(tf.nn.leaky_relu(x.tensor, slope), x.order),
    "softmax.int": softmax,
    "pow.Tensor_Scalar": lambda x, power: Value(tf.pow(x.tensor, float(power)), x.order),
    "add.Tensor": binary(lambda a, b: a + b),
    "sub.Tensor": binary(lambda a, b: a - b),
    "mul.Tensor": binary(lambda a, b: a * b),
    "div.Tensor": binary(lambda a, b: a / b),
    "getitem": lambda values, place: values[place],
    "sym_size.int": lambda x, dim: x.shape[dim],
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "neg": lambda a: -a,
}  # type: Dict[str, Callable]


# ---------------------------------------------------------------------------------------------- TFLite
def delegated_gelu(x, approximate="none"):  # type: ignore[no-untyped-def]
    """GELU out of operators that TFLite's XNNPACK delegate runs; at most 1.2e-5 off the exact one.

    The normal distribution is written as the sigmoid of an odd polynomial, fitted on -4.8 to 4.8 for least error.
    """
    inner = tf.clip_by_value(x.tensor, -4.8, 4.8)
    square = inner * inner
    odd = inner * (1.59538024 + square * (0.0734616255 + square * (-5.10198674e-4 - 1.72153367e-5 * square)))
    return Value(x.tensor * tf.sigmoid(odd), x.order)


def channel_mean(tensor: Any) -> Any:
    """(N, H, W, C) -> (N, H, W, 1) as a convolution: the delegate takes means over H and W alone."""
    channels = tensor.shape[3]
    return tf.nn.conv2d(tensor, np.full((1, 1, channels, 1), 1 / channels, np.float32), 1, "VALID")


def delegated_layer_norm(x, shape, weight=None, bias=None, eps=1e-5, cudnn=True):  # type: ignore[no-untyped-def]
    """LayerNorm over the last dimension out of operators that the delegate runs."""
    if len(shape) != 1 or x.rank not in (3, 4):
        return layer_norm(x, shape, weight, bias, eps)
    order = [d for d in x.order if d != x.rank - 1] + [x.rank - 1]
    tensor = x.to(order)
    image = tensor if x.rank == 4 else tensor[:, None]
    centred = image - channel_mean(image)
    y = centred / tf.sqrt(channel_mean(centred * centred) + eps)
    return scaled(Value(y if x.rank == 4 else tf.reshape(y, tensor.shape), order), weight, bias)


DELEGATED = dict(OPERATORS)
DELEGATED.update({"gelu.default": delegated_gelu, "layer_norm.default": delegated_layer_norm})


def run_graph(
    graph: Dict[str, Any], weights: Dict[str, np.ndarray], image: Any, operators: Dict[str, Callable]
) -> Any:
    """Logits (N, C) for an image tensor (N, H, W, 3) of known sizes."""
    values = {graph["input"]: Value(image, NHWC)}  # type: Dict[str, Any]

    def given(argument: Any) -> Any:
        if isinstance(argument, dict):
            if "n" in argument:
                return values[argument["n"]]
            return Value(weights[argument["w"]]) if "w" in argument else argument["dtype"]
        return [given(item) for item in argument] if isinstance(argument, list) else argument

    for name, op, args, kwargs in graph["nodes"]:
        keywords = {key: given(item) for key, item in kwargs.items()}
        values[name] = operators[op](*given(args), **keywords)
    return values[graph["output"]].plain()


Call = Callable[[np.ndarray], np.ndarray]


CHOICES = {}  # type: Dict[str, bool]
"""Whether TFLite is the faster, by the nodes of a graph: what one fold has measured holds for all."""


class Network:
    """(n, 3, size, size) float32 -> (n, C) logits for n up to `rows`, by TensorFlow or TFLite; on request in bfloat16.

    Traced once for `rows` images of fixed sizes, so that shapes are numbers; fewer are filled up with zeros. TFLite
    takes a second or two to convert and then is the faster for most networks of convolutions, so it is tried, once a
    recipe, when there is much to do: it must be faster on one batch, and agree.
    """

    def __init__(self, graph: Dict[str, Any], arrays: Dict[str, np.ndarray], size: int, rows: int) -> None:
        self.graph, self.arrays, self.shape = graph, arrays, (rows, size, size, 3)
        self.key = repr(graph["nodes"])
        self.expected = 0
        self.call = self.by_tensorflow()
        self.half = None  # type: Optional[Call]
        self.settled = False

    def expect(self, images: int) -> None:
        """Says that so many images, views counted, are to come."""
        self.expected += images

    def __call__(self, x: np.ndarray, half: bool = False) -> np.ndarray:
        if not self.settled and self.expected > WORTH_CONVERTING:
            self.settle(self.filled(x))
        if half and self.half is None:
            self.half = self.by_bfloat16()
        call = self.half if half else self.call
        return call(self.filled(x))[: len(x)]  # type: ignore[misc]

    def filled(self, x: np.ndarray) -> np.ndarray:
        """The images in TensorFlow's layout, zeros behind them."""
        image = np.zeros(self.shape, dtype=np.float32)
        image[: len(x)] = x.transpose(0, 2, 3, 1)
        return image

    def traced(self, operators: Dict[str, Callable]) -> Any:
        signature = [tf.TensorSpec(self.shape, tf.float32)]
        function = tf.function(lambda image: run_graph(self.graph, self.arrays, image, operators), signature)
        return function.get_concrete_function()

    def by_tensorflow(self) -> Call:
        call = self.traced(OPERATORS)
        return lambda image: call(tf.constant(image)).numpy()

    def by_bfloat16(self) -> Call:
        """By TensorFlow, which puts what oneDNN is faster at into bfloat16."""
        call = self.traced(OPERATORS)

        def run(image: np.ndarray) -> np.ndarray:
            tf.config.optimizer.set_experimental_options({HALF: True})
            try:
                return call(tf.constant(image)).numpy()
            finally:
                tf.config.optimizer.set_experimental_options({HALF: False})

        return run

    def by_tflite(self) -> Call:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([self.traced(DELEGATED)])
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        interpreter = tf.lite.Interpreter(model_content=converter.convert(), num_threads=threads)
        interpreter.allocate_tensors()
        given = interpreter.get_input_details()[0]["index"]
        made = interpreter.get_output_details()[0]["index"]

        def call(image: np.ndarray) -> np.ndarray:
            interpreter.set_tensor(given, image)
            interpreter.invoke()
            return interpreter.get_tensor(made)

        return call

    def settle(self, image: np.ndarray) -> None:
        """Take TFLite where it is faster and agrees; TensorFlow stays where the conversion fails."""
        self.settled = True
        if not CHOICES.get(self.key, True):
            return
        try:
            other = self.by_tflite()
            agrees = np.abs(other(image) - self.call(image)).max() < 1e-2
        except Exception as error:
            print("TFLite is left out: %s" % str(error)[:200], file=sys.stderr)
            agrees = False
        if self.key not in CHOICES:
            CHOICES[self.key] = bool(agrees and timed(other, image) < timed(self.call, image))
        if agrees and CHOICES[self.key]:
            self.call = other


HALF = "auto_mixed_precision_onednn_bfloat16"
"""What TensorFlow calls it; read at every call."""

WORTH_CONVERTING = 1500
"""Images, views counted, after which a network's conversion pays."""


def timed(call: Call, image: np.ndarray) -> float:
    """Seconds of the faster of two calls."""
    seconds = []
    for _ in range(2):
        start = time.time()
        call(image)
        seconds.append(time.time() - start)
    return min(seconds)


def build(graph: Dict[str, Any], arrays: Dict[str, np.ndarray], dead: List[List[str]], size: int, rows: int) -> Network:
    """The network of a graph for up to `rows` images of `size`."""
    return Network(graph, arrays, size, rows)
