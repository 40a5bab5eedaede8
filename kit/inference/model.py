"""The submission: this file runs on the platform, and scored the out-of-fold rows before.

It imports numpy alone at load time, torch where a torch runtime is used, and nothing of the kit. What
differs between submissions is data in `manifest.json`, which lies beside this file. Syntax: Python 3.7.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

if TYPE_CHECKING:
    import torch

VIEWS = ("identity", "rot90", "rot180", "rot270", "hflip", "vflip", "transpose", "antitranspose")
"""The eight symmetries of the square; `apply_view` holds their arithmetic."""

WINDOWS = {
    "scale0.8": (0.8, 0.0, 0.0),
    "scale0.9": (0.9, 0.0, 0.0),
    "scale1.1": (1.1, 0.0, 0.0),
    "scale1.2": (1.2, 0.0, 0.0),
    "up": (1.0, 1 / 16, 0.0),
    "down": (1.0, -1 / 16, 0.0),
    "left": (1.0, 0.0, 1 / 16),
    "right": (1.0, 0.0, -1 / 16),
    "crop_tl": (8 / 7, -1 / 16, -1 / 16),
    "crop_tr": (8 / 7, -1 / 16, 1 / 16),
    "crop_bl": (8 / 7, 1 / 16, -1 / 16),
    "crop_br": (8 / 7, 1 / 16, 1 / 16),
    "crop_centre": (8 / 7, 0.0, 0.0),
}
"""Views through a window: magnification, and how far it lies below and right of the centre, in sides."""

TINTS = {"darker": (1.0, -0.2), "lighter": (1.0, 0.2), "flatter": (0.85, 0.0), "stronger": (1.15, 0.0)}
"""Views of the normalised image: factor and addend, in standard deviations."""

PIXELS_A_BATCH = 16 * 96 * 96
"""Most input pixels a network sees at once on a CPU: more of them leave its caches, and take up to twice as long."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
"""Parameters of glibc's mallopt(3)."""

PIXELS_A_GPU_BATCH = 256 * 96 * 96

MOST_AT_ONCE = 16
"""Most batches side by side: each needs memory for its activations."""

CONVOLUTIONS, NORMS = ("Conv2d", "Conv2dSame"), ("BatchNorm2d", "BatchNormAct2d")
"""Layers that are merged for prediction; others of their kind may do more with their weights."""

DOUBT = 0.1
"""Images whose two likeliest classes are nearer than this in bfloat16 are re-evaluated in float32."""

IN_HALF = ("timm", "torch", "tensorflow")
"""Runtimes that can be asked for bfloat16."""

ENOUGH_FOR_HALF = 256
"""Fewest images for which it is worth finding out whether bfloat16 is faster."""

KEPT_MB = 400
"""Most memory for networks that wait for the next call."""

CHANNELS = (1, 3, 4)
"""Of the images in arrays."""

GROUND, FAINT = 128, 32
"""Grey level under transparent pixels; how far from it an image must go, which else is laid on white."""

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
"""Element types of a safetensors file, as numpy names them; it has no bfloat16."""


# ------------------------------------------------------------------------------------------------ images
def as_array(X: Any) -> np.ndarray:
    """X as a numpy array, not copied where it is one; lists, torch and TensorFlow tensors are taken too."""
    if hasattr(X, "detach"):
        X = X.detach().cpu()
    return np.asarray(X)


def as_batch(X: Any) -> np.ndarray:
    """Images as a C-contiguous (N, H, W, 3) array, uint8 or float32, values 0..255; X is never written
    to.

    Accepts any number type and (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1, 3 or 4, as training arrays
    may have them. The scale is never guessed: a batch of dark images stays dark. ValueError for another shape.
    """
    X = as_array(X)
    if X.ndim == 3 and X.shape[-1] != 3:
        X = X[..., None]
    if X.ndim == 4 and X.shape[-1] not in CHANNELS and X.shape[1] in CHANNELS:
        X = X.transpose(0, 2, 3, 1)
    if X.ndim != 4 or X.shape[-1] not in CHANNELS:
        raise ValueError("X must be (N, H, W, 3) with values 0..255, but got shape %s" % (X.shape,))
    if X.shape[-1] == 1:
        X = np.repeat(X, 3, axis=-1)
    if X.dtype != np.uint8:
        X = np.clip(np.nan_to_num(X.astype(np.float32)), 0, 255)
    if X.shape[-1] == 4:
        X = three_channels(X)
    return X if X.flags.c_contiguous and X.flags.writeable else X.copy(order="C")


def three_channels(X: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) of (N, H, W, 4), values 0..255: a fourth channel that is mostly all or nothing is a transparency,
    and the colours are laid on grey or white; any other is left out. As `decode.py` does with training arrays.
    """
    colours, last = X[..., :3].copy(), X[..., 3]
    sharp = ((last == 0) | (last == 255)).mean(axis=(1, 2)) >= 0.5
    for row in np.flatnonzero(sharp & (last.max(axis=(1, 2)) == 255) & (last.min(axis=(1, 2)) < 255)):
        opaque, own = last[row, ..., None] / 255.0, colours[row].astype(np.float64)
        colours[row] = np.round(GROUND + opaque * (own - GROUND))
        if np.abs(colours[row] - float(GROUND)).max() < FAINT:
            colours[row] = np.round(255 + opaque * (own - 255))
    return colours


def in_range(X: np.ndarray, low: float, high: float) -> np.ndarray:
    """(N, ...) uint8 of arrays of another type whose values low..high became 0..255 in training; uint8 as it is."""
    if X.dtype == np.uint8:
        return X
    out = np.empty(X.shape, dtype=np.uint8)
    for start in range(0, len(X), 256):
        x = np.nan_to_num(X[start : start + 256].astype(np.float64), nan=low)
        out[start : start + 256] = np.clip(np.round((x - low) * (255.0 / (high - low))), 0, 255)
    return out


def resize_matrix(source: int, target: int) -> np.ndarray:
    """(target, source) float32 weights of antialiased bilinear resizing along one axis, half-pixel centres.

    Equals `torch.nn.functional.interpolate(mode="bilinear", antialias=True)`; as a matrix product it runs,
    and rounds, alike in every runtime.
    """
    scale = source / target
    centre = (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(source)[None, :] - centre[:, None]) / max(scale, 1.0)
    weights = np.maximum(0.0, 1.0 - distance)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def normalised(x: Any, size: int, mean: Sequence[float], std: Sequence[float]) -> Any:
    """(N, 3, H, W) floats 0..255, tensor or array -> (N, 3, size, size): over 255, resized, (x - mean) / std."""
    x = x / 255.0
    height, width = x.shape[2:]
    if width != size:
        x = x @ alike(resize_matrix(width, size), x).swapaxes(0, 1)
    if height != size:
        x = alike(resize_matrix(height, size), x) @ x
    centre = alike(np.array(mean, dtype=np.float32).reshape(1, 3, 1, 1), x)
    spread = alike(np.array(std, dtype=np.float32).reshape(1, 3, 1, 1), x)
    return (x - centre) / spread


def alike(constant: np.ndarray, x: Any) -> Any:
    """A constant of the kind and on the device of `x`, a tensor or an array."""
    if isinstance(x, np.ndarray):
        return constant
    import torch

    return torch.from_numpy(constant).to(x.device)


def preprocess(batch: Any, size: int, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """What every network sees: (N, H, W, 3), 0..255 -> (N, 3, size, size) float32, normalised,
    channels_last.

    `batch` is a tensor (on any device) or an array. Scaled to 0..1, resized where H, W are not `size`, then
    (x - mean) / std per channel.
    """
    import torch

    x = normalised(torch.as_tensor(batch).permute(0, 3, 1, 2).float(), size, mean, std)
    return x.contiguous(memory_format=torch.channels_last)


def window_matrix(size: int, factor: float, offset: float) -> np.ndarray:
    """(size, size) float32 bilinear weights along one axis of a window of `WINDOWS`; edges are repeated."""
    centre = (size - 1) / 2
    place = np.clip((np.arange(size) - centre) / factor + centre + offset * size, 0, size - 1)
    return np.maximum(0.0, 1.0 - np.abs(np.arange(size)[None, :] - place[:, None])).astype(np.float32)


def apply_view(x: Any, name: str) -> Any:
    """One view of a (N, C, S, S) tensor or array; rotations turn counter-clockwise, as `torch.rot90` does.

    KeyError for an unknown name.
    """
    if name in TINTS:
        return x * TINTS[name][0] + TINTS[name][1]
    if name in WINDOWS:
        factor, down, right = WINDOWS[name]
        rows = alike(window_matrix(x.shape[2], factor, down), x)
        columns = alike(window_matrix(x.shape[3], factor, right), x)
        return rows @ x @ columns.swapaxes(0, 1)
    if name not in VIEWS:
        known = VIEWS + tuple(WINDOWS) + tuple(TINTS)
        raise KeyError("view must be one of %s, but got %r" % (", ".join(known), name))
    if name in ("rot90", "rot270", "transpose", "antitranspose"):
        x = x.swapaxes(2, 3)
    flips = {"rot90": (2,), "rot180": (2, 3), "rot270": (3,), "hflip": (3,), "vflip": (2,)}
    axes = flips.get(name, (2, 3) if name == "antitranspose" else ())
    if not axes:
        return x
    return np.flip(x, axes) if isinstance(x, np.ndarray) else x.flip(axes)


# ------------------------------------------------------------------------------------------------ networks
SCALE = "::scale"
"""Ending of the name of a tensor that another, stored in eight bits, is multiplied by."""


def read_arrays(path: str) -> Dict[str, np.ndarray]:
    """`parse_arrays` of a safetensors file."""
    with open(path, "rb") as file:
        return parse_arrays(file.read(), path)


def parse_arrays(content: bytes, name: str) -> Dict[str, np.ndarray]:
    """The tensors of a safetensors file by name, eight-bit ones and bfloat16 as float32; ValueError names a
    file that is cut short.

    Read by hand, because a platform need not have the safetensors package.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:start].decode("utf-8"))
        header.pop("__metadata__", None)
        return tensors(content, header, start, name)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        if name in str(error):
            raise
        raise ValueError("%s is no safetensors file (%s: %s)" % (name, type(error).__name__, error)) from error


def tensors(content: bytes, header: Dict[str, Any], start: int, name: str) -> Dict[str, np.ndarray]:
    """The tensors that a safetensors header describes, whose bytes begin at `start`."""
    arrays = {}
    for key, entry in header.items():
        first, last = (start + offset for offset in entry["data_offsets"])
        if not start <= first <= last <= len(content):
            raise ValueError("%s is cut short: %s ends at byte %d of %d" % (name, key, last, len(content)))
        # Copied out: a tensor needs writable memory at a multiple of its element size.
        array = np.frombuffer(bytearray(content[first:last]), dtype=DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        arrays[key] = array.reshape(entry["shape"])
    for key in [key for key in arrays if key.endswith(SCALE)]:
        arrays[key[: -len(SCALE)]] = arrays[key[: -len(SCALE)]] * arrays.pop(key)
    return arrays


def load_module(path: str) -> Any:
    """The Python file at `path` as a module of its own, without touching `sys.path`."""
    name = "submission_" + os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sibling(base: str, folder: str) -> str:
    """Path of a Python file that a submission carries: beside its manifest, else where the kit has it."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [folder, here, os.path.join(here, "..", "nets"), os.path.join(here, "runtimes")]
    for place in places:
        if os.path.isfile(os.path.join(place, base)):
            return os.path.normpath(os.path.join(place, base))
    raise FileNotFoundError("%s is needed, and in none of %s" % (base, ", ".join(places)))


def build_net(net: Dict[str, Any], folder: str) -> torch.nn.Module:
    """The network {"name", "args", "num_classes"} with random weights."""
    library, _, name = net["name"].rpartition("/")
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False, num_classes=net["num_classes"], **net["args"])
    if library == "torchvision":
        from torchvision.models import get_model

        return get_model(name, weights=None, num_classes=net["num_classes"], **net["args"])
    return load_module(sibling(net["name"].split("/")[-1] + ".py", folder)).build(net["num_classes"], **net["args"])


def load_net(spec: Dict[str, Any], folder: str) -> torch.nn.Module:
    """The trained network of a member: spec holds "net" and "weights" (a safetensors file in `folder`)."""
    return fill_net(spec["net"], str(folder), read_arrays(os.path.join(str(folder), spec["weights"])))


def fill_net(net: Dict[str, Any], folder: str, arrays: Dict[str, np.ndarray]) -> torch.nn.Module:
    """The network `net` with these weights, in inference mode, float32 also where they are of half precision.

    The global random state is left as it was.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        built = build_net(net, folder)
    built.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return built.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)


def quickened(net: torch.nn.Module, size: int) -> torch.nn.Module:
    """`net` of `fill_net` for prediction on a CPU: BatchNorms that alone follow a convolution are multiplied into it.

    Changed in place, and left as it was where its logits for noise of (1, 3, size, size) are not the same then. On
    other devices it stays as it is.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if next(net.parameters()).device.type != "cpu":
        return net
    made = {}  # type: Dict[int, Any]
    pairs = []  # type: List[Any]
    seen = []  # type: List[torch.nn.Module]

    def after(module: torch.nn.Module, given: Any, output: Any) -> None:
        made[id(output)] = module, output  # kept, so that its id is not given to another
        seen.append(module)

    def before(module: torch.nn.Module, given: Any) -> None:
        seen.append(module)
        if id(given[0]) in made:
            pairs.append((made[id(given[0])][0], module))

    kinds = {module: type(module).__name__ for module in net.modules()}
    hooks = [module.register_forward_hook(after) for module, kind in kinds.items() if kind in CONVOLUTIONS]
    hooks += [module.register_forward_pre_hook(before) for module, kind in kinds.items() if kind in NORMS]
    noise = torch.sin(torch.arange(3.0 * size * size) ** 1.5).reshape(1, 3, size, size)
    with torch.inference_mode():
        wanted = net(noise)
    for hook in hooks:
        hook.remove()
    names = {module: name for name, module in net.named_modules()}
    changed = []  # type: List[Any]
    for convolution, norm in pairs:
        if seen.count(convolution) == seen.count(norm) == 1:
            rest = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
            fused = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
            changed += [(names[convolution], convolution, fused), (names[norm], norm, torch.nn.Sequential(*rest))]
    for name, _, new in changed:
        put_module(net, name, new)
    with torch.inference_mode():
        found = net(noise)
    if not torch.allclose(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max() + 1)):
        for name, old, _ in changed:
            put_module(net, name, old)
    return net.to(memory_format=torch.channels_last)


def put_module(net: torch.nn.Module, name: str, module: torch.nn.Module) -> None:
    """Puts `module` in the place `name` of `net`."""
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent) if parent else net, leaf, module)


def keep_freed_memory() -> bool:
    """Tells glibc to keep the memory that a process frees; whether it took it. Other C libraries are left alone.

    Else every large activation goes back to the kernel, and comes again page by page, zeroed: networks of many
    small layers then take twice as long (`python benchmarks/allocator.py`).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 256 << 20), (M_ARENA_MAX, 1))
    taken = [mallopt(name, value) == 1 for name, value in settings]
    return all(taken)


def rows_a_batch(size: int, pixels: int = PIXELS_A_BATCH) -> int:
    """Most images that a network sees at once; more than 256 make nothing faster."""
    return max(1, min(256, pixels // size**2))


def rows_at_once(size: int, device: str, half: bool = False) -> int:
    """The same on a device of that type; numbers of half the length leave room for twice as many."""
    pixels = PIXELS_A_BATCH if device == "cpu" else PIXELS_A_GPU_BATCH
    return rows_a_batch(size, 2 * pixels if half else pixels)


def net_logits(
    net: torch.nn.Module, X: Any, spec: Dict[str, Any], batch_size: Optional[int] = None, half: bool = False
) -> np.ndarray:
    """Logits (N, V, C) float32 of `net` for images X (N, H, W, 3), one slice for each of spec["views"].

    spec: "size", "mean", "std", "views". Runs on the device of `net`, in float32, or with `half` in bfloat16
    on a CPU, at most `batch_size` images at a time; the views of a batch are made one after the other,
    never all at once.
    """
    import torch

    device = next(net.parameters()).device
    half = half and device.type == "cpu"
    batch_size = batch_size or rows_at_once(spec["size"], device.type, half)
    workers = at_once(len(X)) if device.type == "cpu" else 1
    batch_size = min(batch_size, -(-len(X) // workers) or 1)

    def logits(start: int) -> np.ndarray:
        with torch.inference_mode():
            batch = torch.from_numpy(as_batch(X[start : start + batch_size])).to(device)
            x = preprocess(batch, spec["size"], spec["mean"], spec["std"])
            views = [forward(net, apply_view(x, view), half) for view in spec["views"]]
            return torch.stack(views, 1).cpu().numpy()

    with exact_float32(device.type):
        parts = side_by_side(logits, range(0, len(X), batch_size), workers)
    if not parts:
        return np.zeros((0, len(spec["views"]), spec["net"]["num_classes"]), dtype=np.float32)
    return np.concatenate(parts)


def at_once(images: int) -> int:
    """How many batches of so many images a CPU sees side by side, each in a thread of its own."""
    import torch

    return max(1, min(torch.get_num_threads(), images, MOST_AT_ONCE))


def side_by_side(make: Any, items: Any, workers: int) -> List[Any]:
    """[make(item) for item in items], by as many Python threads, which share torch's threads among them.

    The threads of one layer wait for each other at its end, a thousand times a second; those of two batches never do.
    """
    import torch

    threads, workers = torch.get_num_threads(), min(workers, len(items))
    if workers < 2:
        return [make(item) for item in items]
    share = max(1, threads // workers)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(share,)) as pool:
            return list(pool.map(make, items))
    finally:
        torch.set_num_threads(threads)  # the number is the whole process's for threads that begin later


@contextlib.contextmanager
def exact_float32(device: str) -> Iterator[None]:
    """Convolutions of a GPU in float32 proper: in TF32, their default, logits are up to 0.01 from a CPU's."""
    import torch

    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = before and device != "cuda"
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def forward(net: torch.nn.Module, x: torch.Tensor, half: bool) -> torch.Tensor:
    """Logits (n, C) float32; with `half` a CPU convolves and multiplies in bfloat16."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        return net(x).float()


def half_is_faster(run: Any, X: np.ndarray, spec: Dict[str, Any]) -> bool:
    """Whether bfloat16 is faster on this processor and predicts much the same, by one view of a few of X.

    run: a function (X, spec, half) -> logits. A processor without bfloat16 is left after two slow calls.
    """
    few, spec = X[: rows_a_batch(spec["size"], 2 * PIXELS_A_BATCH)], dict(spec, views=spec["views"][:1])
    proba = []  # type: List[np.ndarray]
    seconds = []  # type: List[float]
    for half in (False, True):
        proba.append(softmax(run(few, spec, half=half)))
        calls = []  # type: List[float]
        while len(calls) < 3 and not (half and calls and calls[-1] > 2 * seconds[0]):
            start = time.time()
            run(few, spec, half=half)
            calls.append(time.time() - start)
        seconds.append(min(calls))
    return bool(seconds[1] < 0.9 * seconds[0] and np.abs(proba[1] - proba[0]).max() < DOUBT)


def doubtful(proba: np.ndarray) -> np.ndarray:
    """Rows of proba (N, C), in bfloat16, that are to be re-evaluated."""
    best = np.sort(proba, axis=1)[:, -2:]
    return np.flatnonzero(best[:, 1] - best[:, 0] < DOUBT)


def array_logits(
    run: Any, X: Any, spec: Dict[str, Any], batch_size: Optional[int] = None, half: bool = False
) -> np.ndarray:
    """`net_logits` without torch: `run` is a function (n, 3, S, S) float32 -> (n, C)."""
    run = functools.partial(run, half=True) if half else run
    batch_size = batch_size or rows_a_batch(spec["size"])
    parts = [np.zeros((0, len(spec["views"]), spec["net"]["num_classes"]), dtype=np.float32)]
    for start in range(0, len(X), batch_size):
        batch = as_batch(X[start : start + batch_size]).astype(np.float32).transpose(0, 3, 1, 2)
        x = normalised(batch, spec["size"], spec["mean"], spec["std"])
        parts.append(np.stack([run(apply_view(x, view)) for view in spec["views"]], axis=1))
    return np.concatenate(parts)


def on_gpu(net: torch.nn.Module) -> torch.nn.Module:
    """The network on the GPU where there is one that works, else as it is."""
    import torch

    if not torch.cuda.is_available():
        return net
    try:
        return net.to(torch.cuda.current_device())
    except RuntimeError:  # a driver of another version, or no memory left
        return net.to("cpu")


def load_runner(spec: Dict[str, Any], folder: str, runtime: str) -> Any:
    """A function (X, spec) -> logits (N, V, C) that runs a member in "timm", "torch", "onnx" or "tensorflow"."""
    if runtime == "timm":
        return functools.partial(net_logits, quickened(on_gpu(load_net(spec, folder)), spec["size"]))
    module = load_module(sibling(runtime + "_runtime.py", folder))
    if runtime == "onnx":
        return functools.partial(array_logits, module.build(spec, folder))
    nodes = load_module(sibling("graph_nodes.py", folder))
    graph, arrays = nodes.read(spec, folder, read_arrays)
    dead = nodes.last_uses(graph["nodes"], graph["output"])
    run = module.build(graph, arrays, dead, spec["size"], rows_a_batch(spec["size"]))
    return functools.partial(net_logits if runtime == "torch" else array_logits, run)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# ------------------------------------------------------------------------------------------------ blending
def merge_views(logits: np.ndarray, temperature: Any, merge: str = "mean") -> np.ndarray:
    """A network's probabilities (..., C) from its logits (..., V, C), a slice a view, over the temperature.

    merge: "mean" of the views' probabilities, "logit" (of the mean logits), or "trimmed" (the mean without
    each class's highest and lowest view, where there are more than two).
    """
    if merge == "logit":
        return softmax((logits / temperature).mean(axis=-2))
    proba = softmax(logits / temperature)
    if merge == "trimmed" and proba.shape[-2] > 2:
        proba = np.sort(proba, axis=-2)[..., 1:-1, :]
        kept = proba.mean(axis=-2)
        return kept / kept.sum(axis=-1, keepdims=True)
    return proba.mean(axis=-2)


FLOOR = 1e-6
"""Probabilities are raised to this before a logarithm: a sure network predicts exactly 0."""


def contribution(combiner: Dict[str, Any], place: int, proba: np.ndarray) -> np.ndarray:
    """What the recipe at `place` adds to the blend, (..., C), for its probabilities (..., C).

    combiner: {"kind": "mean", "geometric" or "stack", "weights", "coef", "intercept", "bias", "post"}.
    """
    weight = combiner["weights"][place]
    if combiner["kind"] == "mean":
        return weight * proba
    if combiner["kind"] == "geometric":
        return weight * np.log(np.maximum(proba, FLOOR))
    logs = np.log(np.maximum(proba, FLOOR))
    logs = logs - logs.mean(axis=-1, keepdims=True)
    assert combiner["kind"] == "stack", combiner["kind"]
    return logs @ np.asarray(combiner["coef"][place])


def finish(combiner: Dict[str, Any], total: np.ndarray) -> np.ndarray:
    """The blend's probabilities (..., C) for the sum of all contributions."""
    if combiner["kind"] == "geometric":
        total = softmax(total)
    elif combiner["kind"] == "stack":
        total = softmax(total + np.asarray(combiner["intercept"]))
    if combiner.get("bias"):
        total = softmax(np.log(np.maximum(total, FLOOR)) + np.asarray(combiner["bias"]))
    total = total / total.sum(axis=-1, keepdims=True)
    return post_processed(combiner["post"], total) if combiner.get("post") else total


RAISED = 1.001
"""How far a decided class is raised above the likeliest one: enough for float32."""


def post_processed(post: Dict[str, Any], proba: np.ndarray) -> np.ndarray:
    """Probabilities (..., C) as a metric rewards them; the likeliest class is what is submitted.

    post: {"kind": "offsets", "offsets": (C,) added to the logarithms}, {"kind": "calibration", "temperature",
    "floor": least probability} or {"kind": "grades", "cuts": (C - 1,) on the expected grade, whose class is
    raised above all others}.
    """
    if post["kind"] == "offsets":
        return softmax(np.log(np.maximum(proba, FLOOR)) + np.asarray(post["offsets"]))
    if post["kind"] == "calibration":
        # As a power, not over FLOOR: the floor is fitted, and a small probability has to stay one.
        proba = softmax(np.log(np.maximum(proba, 1e-12)) / post["temperature"])
        proba = np.maximum(proba, post["floor"])
        return proba / proba.sum(axis=-1, keepdims=True)
    assert post["kind"] == "grades", post["kind"]
    expected = (proba * np.arange(proba.shape[-1])).sum(axis=-1, keepdims=True)
    grade = (expected > np.asarray(post["cuts"])).sum(axis=-1, keepdims=True)
    proba = np.where(np.arange(proba.shape[-1]) == grade, RAISED * proba.max(axis=-1, keepdims=True), proba)
    return proba / proba.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------------------------------------- submission
class Model:
    """The ensemble described by the manifest; members are the (recipe, fold) networks, best first.

    Networks are read one at a time and kept for the next call while they are small.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        """path: folder of the submission, where a platform passes it; else the folder of this file."""
        keep_freed_memory()
        self.folder = find_folder(path)
        with open(os.path.join(self.folder, "manifest.json"), encoding="utf-8") as file:
            self.manifest = json.load(file)
        self.members = self.manifest["members"]
        self.kept = {}  # type: Dict[int, Any]
        self.halves = {}  # type: Dict[str, bool]

    def predict(self, X: Any, max_seconds: Optional[float] = None) -> Any:
        """Labels (N,) int64, as in training, of images X (N, H, W, 3), values 0..255 of any number type.

        Probabilities (N, C) float32 where the manifest's "submits" says so. An array, or a TensorFlow tensor
        where its "output" does.
        """
        found = self.predict_proba(X, max_seconds)
        if self.manifest.get("submits", "labels") == "labels":
            found = found.argmax(axis=1).astype(np.int64)
            if self.manifest.get("labels"):  # of training labels that are numbers, but not 0 to C - 1
                found = np.array(self.manifest["labels"], dtype=np.int64)[found]
        if self.manifest["output"] != "tensor":
            return found
        import tensorflow

        return tensorflow.constant(found)

    def predict_proba(self, X: Any, max_seconds: Optional[float] = None) -> np.ndarray:
        """Probabilities (N, C) float32: folds of a recipe are averaged, recipes are blended.

        In `max_seconds` (else the manifest's) members are taken in order while the time lasts, the first in
        any case; those left out are named on stderr. Where bfloat16 is faster here, all images are seen in
        it first, and those that it leaves in doubt once more in float32: labels are those of float32.
        """
        limit = max_seconds if max_seconds is not None else self.manifest.get("max_seconds")
        start = time.time()
        end = None if limit is None else start + 0.9 * limit
        X = self.as_trained(as_array(X))
        combiner = self.manifest["combiner"]
        half = len(X) >= ENOUGH_FOR_HALF
        # Only a label can be told to be the same: probabilities that are submitted, and cuts, are float32's.
        half = half and not self.manifest.get("exact")
        half = half and combiner.get("post", {}).get("kind") != "grades"
        proba = self.blended(X, end, half)
        if half and any(self.halves.values()):
            doubted = doubtful(proba)
            seconds = 3 * (time.time() - start) * len(doubted) / len(X)
            if len(doubted) and (end is None or time.time() + seconds < end):
                proba[doubted] = self.blended(X[doubted], None, False)
        return proba

    def as_trained(self, X: np.ndarray) -> np.ndarray:
        """Images with the values of the training arrays as 0..255, where those were not of 8 bits; else as they are."""
        images = self.manifest.get("images") or {}
        return in_range(X, *images["range"]) if images.get("arrays") and images.get("range") else X

    def blended(self, X: np.ndarray, end: Optional[float], half: bool) -> np.ndarray:
        """Probabilities (N, C) float32 of the members that predict before `end`; `half`: in bfloat16 where faster."""
        sums = {}  # type: Dict[str, np.ndarray]
        counts = {}  # type: Dict[str, int]
        for number, member in enumerate(self.members):
            proba = self.member_proba(X, number, end, half)
            if proba is None:
                self.say("out of time: members %d to %d left out" % (number + 1, len(self.members)))
                break
            sums[member["recipe"]] = sums.get(member["recipe"], 0.0) + proba
            counts[member["recipe"]] = counts.get(member["recipe"], 0) + 1
        combiner = self.manifest["combiner"]
        total = np.zeros(1)
        for place, recipe in enumerate(self.manifest["recipes"]):
            if recipe in sums:
                total = total + contribution(combiner, place, sums[recipe] / counts[recipe])
        return finish(combiner, total).astype(np.float32)

    def member_proba(self, X: np.ndarray, number: int, end: Optional[float], half: bool) -> Optional[np.ndarray]:
        """Probabilities (N, C) of one member, mean over its views; None where the time `end` comes first.

        The first member always predicts: with its first view alone where time is short, and, after `end`,
        with the mean of what it has predicted so far.
        """
        spec = dict(self.members[number])
        run = self.runner(number)
        if self.manifest["runtime"] == "tensorflow":
            run.args[0].expect(len(X) * len(spec["views"]))
        rows = rows_a_batch(spec["size"])
        if half and self.halved(number, run, X):
            run, rows = functools.partial(run, half=True), rows_a_batch(spec["size"], 2 * PIXELS_A_BATCH)
        if self.manifest["runtime"] in ("timm", "torch"):
            rows *= 2 * at_once(len(X))
        parts = []  # type: List[np.ndarray]
        start = time.time()
        for first in range(0, len(X), rows):
            if first and end is not None and time.time() + (time.time() - start) * (len(X) / first - 1) > end:
                if number:
                    return None
                spec["views"] = spec["views"][:1]
                if time.time() > end:
                    self.say("out of time: %d of %d images got the mean prediction" % (len(X) - first, len(X)))
                    parts.append(np.concatenate(parts).mean(0, keepdims=True).repeat(len(X) - first, axis=0))
                    break
            logits = run(X[first : first + rows], spec)
            merge = spec.get("merge", "mean")
            parts.append(merge_views(logits.astype(np.float64), spec["temperature"], merge))
        proba = np.concatenate(parts) if parts else np.zeros((0, self.manifest["num_classes"]))
        return self.adapted_proba(X, number, proba, start, end) if spec.get("adapt") else proba

    def halved(self, number: int, run: Any, X: np.ndarray) -> bool:
        """Whether a member runs in bfloat16: what its recipe's first fold has measured holds for all."""
        member = self.members[number]
        if self.manifest["runtime"] not in IN_HALF or member.get("adapt"):
            return False
        if member["recipe"] not in self.halves:
            self.halves[member["recipe"]] = half_is_faster(run, X, member)
        return self.halves[member["recipe"]]

    def adapted_proba(
        self, X: np.ndarray, number: int, proba: np.ndarray, start: float, end: Optional[float]
    ) -> np.ndarray:
        """proba (N, C) of a member in runtime timm, or what it becomes by the manifest's "adapt" (see `adapt.py`).

        Left as it is where the time that it took since `start`, some five times over, does not end before `end`.
        """
        now = time.time()
        if end is not None and now + 5 * (now - start) > end:
            self.say("not adapted: no time")
            return proba
        spec, module = self.members[number], load_module(sibling("adapt.py", self.folder))
        rows = rows_a_batch(spec["size"], module.PIXELS)

        def batches() -> Iterator[torch.Tensor]:
            for part in module.interleaved(len(X), rows):
                yield preprocess(as_batch(X[part]), spec["size"], spec["mean"], spec["std"])

        def predict(net: torch.nn.Module) -> np.ndarray:
            logits = net_logits(net, X, spec).astype(np.float64)
            return merge_views(logits, spec["temperature"], spec.get("merge", "mean"))

        net = load_net(spec, self.folder)
        return module.guarded_proba(net, batches, proba, predict, spec["adapt"], self.say)

    def member_logits(self, X: Any, member: int) -> np.ndarray:
        """Logits (N, V, C) float32 of one member (its place in the manifest), a slice a view."""
        return self.runner(member)(as_array(X), self.members[member])

    def runner(self, number: int) -> Any:
        """What runs a member, from memory or from its file."""
        if number not in self.kept:
            runner = load_runner(self.members[number], self.folder, self.manifest["runtime"])
            if sum(self.size_mb(other) for other in (*self.kept, number)) > KEPT_MB:
                return runner
            self.kept[number] = runner
        return self.kept[number]

    def size_mb(self, number: int) -> float:
        """Memory of a member's weights in float32; files hold half precision."""
        return 2e-6 * os.path.getsize(os.path.join(self.folder, self.members[number]["weights"]))

    @staticmethod
    def say(message: str) -> None:
        """One line on stderr, which platforms log."""
        print(message, file=sys.stderr)


def find_folder(path: Optional[str] = None) -> str:
    """The folder that holds the manifest: under `path` where given, else beside this file."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (path, here):
        for place in [folder, os.path.join(folder, "SubmissionModel")] if folder else []:
            if os.path.isfile(os.path.join(place, "manifest.json")):
                return os.path.abspath(place)
    raise FileNotFoundError("manifest.json lies neither beside %s nor under %r" % (here, path))


model = Model  # the class name of the contest's CodaLab editions
