"""The submission: this file runs on the platform, and scored the out-of-fold rows before.

It imports numpy alone at load time, torch where a torch runtime is used, and nothing of the kit. What differs
between submissions is data in `manifest.json`, which lies beside this file. Syntax: Python 3.7.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

import numpy as np

if TYPE_CHECKING:
    import torch

VIEWS = ("identity", "rot90", "rot180", "rot270", "hflip", "vflip", "transpose", "antitranspose")
"""The eight symmetries of the square; `apply_view` holds their arithmetic."""

PIXELS_A_BATCH = 64 * 96 * 96
"""Most input pixels a network sees at once; keeps the activations of common networks under about 1 GB."""

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Element types of a safetensors file, as torch names them."""


# ------------------------------------------------------------------------------------------------ pictures
def as_array(X: Any) -> np.ndarray:
    """X as a numpy array, not copied where it is one; lists, torch and TensorFlow tensors are taken too."""
    if hasattr(X, "detach"):
        X = X.detach().cpu()
    return np.asarray(X)


def as_batch(X: Any) -> np.ndarray:
    """Pictures as a C-contiguous (N, H, W, 3) array, uint8 or float32, values 0..255; X is never written to.

    Accepts any number type and (N, H, W), (N, H, W, 1) or (N, H, W, 3). The scale is never guessed: a batch
    of dark pictures stays dark. ValueError for another shape.
    """
    X = as_array(X)
    if X.ndim == 3 and X.shape[-1] != 3:
        X = X[..., None]
    if X.ndim != 4 or X.shape[-1] not in (1, 3):
        raise ValueError("X must be (N, H, W, 3) with values 0..255, but got shape %s" % (X.shape,))
    if X.shape[-1] == 1:
        X = np.repeat(X, 3, axis=-1)
    if X.dtype != np.uint8:
        X = np.clip(np.nan_to_num(X.astype(np.float32)), 0, 255)
    return X if X.flags.c_contiguous and X.flags.writeable else X.copy(order="C")


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


def preprocess(batch: Any, size: int, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """What every network sees: (N, H, W, 3), 0..255 -> (N, 3, size, size) float32, normalised, channels_last.

    `batch` is a tensor (on any device) or an array. Scaled to 0..1, resized where H, W are not `size`, then
    (x - mean) / std per channel.
    """
    import torch

    x = torch.as_tensor(batch).permute(0, 3, 1, 2).float().div(255.0)
    height, width = x.shape[2:]
    if width != size:
        x = x.contiguous() @ torch.from_numpy(resize_matrix(width, size)).to(x.device).t()
    if height != size:
        x = torch.from_numpy(resize_matrix(height, size)).to(x.device) @ x
    centre = torch.tensor(mean, dtype=torch.float32, device=x.device).view(1, 3, 1, 1)
    spread = torch.tensor(std, dtype=torch.float32, device=x.device).view(1, 3, 1, 1)
    return ((x - centre) / spread).contiguous(memory_format=torch.channels_last)


def apply_view(x: torch.Tensor, name: str) -> torch.Tensor:
    """One view of a (N, C, S, S) tensor; rotations turn counter-clockwise, as `torch.rot90` does.

    KeyError for an unknown name.
    """
    if name not in VIEWS:
        raise KeyError("view must be one of %s, but got %r" % (", ".join(VIEWS), name))
    if name in ("rot90", "rot270", "transpose", "antitranspose"):
        x = x.transpose(2, 3)
    flips = {"rot90": (2,), "rot180": (2, 3), "rot270": (3,), "hflip": (3,), "vflip": (2,)}
    axes = flips.get(name, (2, 3) if name == "antitranspose" else ())
    return x.flip(axes) if axes else x


# ------------------------------------------------------------------------------------------------ networks
def read_safetensors(path: str) -> Dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name, on the CPU; ValueError when the file is cut short.

    Read by hand, because a platform with torch need not have the safetensors package.
    """
    import torch

    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")).decode("utf-8"))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if end > len(data):
            raise ValueError("%s is cut short: %s ends at byte %d of %d" % (path, name, end, len(data)))
        dtype = getattr(torch, DTYPES[entry["dtype"]])
        # Copied out: a tensor needs writable memory at a multiple of its element size.
        piece = bytearray(data[start:end])
        flat = torch.frombuffer(piece, dtype=dtype) if piece else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


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


def net_file(name: str, folder: str) -> str:
    """Path of the file that defines network `name` ("kit/residual"): beside the manifest, else in the kit."""
    base = name.split("/")[-1] + ".py"
    here = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(folder, base), os.path.join(here, base), os.path.join(here, "..", "nets", base)]
    for place in places:
        if os.path.isfile(place):
            return os.path.normpath(place)
    raise FileNotFoundError("network %r needs %s, which is in none of %s" % (name, base, ", ".join(places)))


def build_net(net: Dict[str, Any], folder: str) -> torch.nn.Module:
    """The network {"name", "args", "num_classes"} with random weights."""
    library, _, name = net["name"].rpartition("/")
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False, num_classes=net["num_classes"], **net["args"])
    if library == "torchvision":
        from torchvision.models import get_model

        return get_model(name, weights=None, num_classes=net["num_classes"], **net["args"])
    return load_module(net_file(net["name"], folder)).build(net["num_classes"], **net["args"])


def load_net(spec: Dict[str, Any], folder: str) -> torch.nn.Module:
    """The trained network of a member: spec holds "net" and "weights" (a safetensors file in `folder`).

    In inference mode, float32 also where the weights are stored in half precision. The global random state is
    left as it was.
    """
    import torch

    folder = str(folder)
    with torch.random.fork_rng(devices=[]):
        net = build_net(spec["net"], folder)
    net.load_state_dict(read_safetensors(os.path.join(folder, spec["weights"])))
    return net.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)


def net_logits(
    net: torch.nn.Module, X: Any, spec: Dict[str, Any], batch_size: Optional[int] = None
) -> np.ndarray:
    """Logits (N, V, C) float32 of `net` for pictures X (N, H, W, 3), one slice for each of spec["views"].

    spec: "size", "mean", "std", "views". Runs on the device of `net`, in float32, at most `batch_size`
    pictures at a time; the views of a batch are made one after the other, never all at once.
    """
    import torch

    batch_size = batch_size or max(1, PIXELS_A_BATCH // spec["size"] ** 2)
    device = next(net.parameters()).device
    parts: List[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(X), batch_size):
            batch = torch.from_numpy(as_batch(X[start : start + batch_size])).to(device)
            x = preprocess(batch, spec["size"], spec["mean"], spec["std"])
            views = [net(apply_view(x, view)).float() for view in spec["views"]]
            parts.append(torch.stack(views, 1).cpu().numpy())
    if not parts:
        return np.zeros((0, len(spec["views"]), spec["net"]["num_classes"]), dtype=np.float32)
    return np.concatenate(parts)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------------------------------------- submission
class Model:
    """The ensemble described by the manifest; networks are read one at a time."""

    def __init__(self, path: Optional[str] = None) -> None:
        """path: folder of the submission, where a platform passes it; else the folder of this file."""
        self.folder = find_folder(path)
        with open(os.path.join(self.folder, "manifest.json"), encoding="utf-8") as file:
            self.manifest = json.load(file)
        self.members = self.manifest["members"]

    def predict(self, X: Any, max_seconds: Optional[float] = None) -> np.ndarray:
        """Labels (N,) int64 of pictures X (N, H, W, 3), values 0..255 of any number type."""
        return self.predict_proba(X, max_seconds).argmax(axis=1).astype(np.int64)

    def predict_proba(self, X: Any, max_seconds: Optional[float] = None) -> np.ndarray:
        """Probabilities (N, C) float32: the weighted mean over members of the mean over their views.

        Given `max_seconds`, members are taken in the manifest's order while the time lasts.
        """
        start = time.time()
        X = as_array(X)
        total = np.zeros((len(X), self.manifest["num_classes"]), dtype=np.float64)
        weight = slowest = 0.0
        for number, member in enumerate(self.members):
            began = time.time()
            if max_seconds is not None and number and began - start + 1.1 * slowest > max_seconds:
                print("out of time: %d of %d members used" % (number, len(self.members)), file=sys.stderr)
                break
            proba = softmax(self.member_logits(X, number) / member["temperature"]).mean(axis=1)
            total += member["weight"] * proba
            weight += member["weight"]
            slowest = max(slowest, time.time() - began)
        return (total / weight).astype(np.float32)

    def member_logits(self, X: Any, member: int) -> np.ndarray:
        """Logits (N, V, C) float32 of one member (its place in the manifest), a slice a view."""
        spec = self.members[member]
        return net_logits(load_net(spec, self.folder), as_array(X), spec)


def find_folder(path: Optional[str] = None) -> str:
    """The folder that holds the manifest: under `path` where given, else beside this file."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (path, here):
        for place in [folder, os.path.join(folder, "SubmissionModel")] if folder else []:
            if os.path.isfile(os.path.join(place, "manifest.json")):
                return os.path.abspath(place)
    raise FileNotFoundError("manifest.json lies neither beside %s nor under %r" % (here, path))


model = Model  # the class name of the contest's CodaLab editions
