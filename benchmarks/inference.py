"""Images per second of a packed ensemble beside the obvious way, on this machine's CPU.

    python benchmarks/inference.py --networks mobilenetv2_100,efficientnet_b0,convnext_atto --images 128

The obvious way: timm models in float32, eager, one after the other, each under ttach's wrapper with its D4
transforms. The kit: the same random networks as a zip holds them, in every runtime that is installed here,
the same eight views. Every line also says how far the logits are from the obvious way's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import ttach
from rich.console import Console
from rich.table import Table

from kit.errors import KitError
from kit.submit.members import Member
from kit.submit.model import VIEWS, load_runner, softmax
from kit.submit.runtime_files import runtime_files
from kit.train.member import write_member

MEAN, STD = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]


def make_member(name: str, size: int, folder: Path) -> Member:
    """A random network as training leaves it."""
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=8)
    net_spec = {"name": f"timm/{name}", "args": {}, "num_classes": 8}
    spec: dict[str, Any] = {"net": net_spec, "weights": "weights.safetensors", "size": size}
    spec |= {"mean": MEAN, "std": STD, "views": list(VIEWS)}
    write_member(folder, net, spec)
    entry = {"recipe": name, "fold": 0, **spec, "weights": f"{name}.safetensors", "sha256": ""}
    return Member(folder, spec, entry, (folder / "weights.safetensors").read_bytes())


def obvious(member: Member, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Probabilities (N, C) by a plain timm model under ttach, batches of 64."""
    net = timm.create_model(member.entry["recipe"], num_classes=8)
    net.load_state_dict({k: v.float() for k, v in load_state(member).items()})
    wrapped = ttach.ClassificationTTAWrapper(
        torch.nn.Sequential(net.eval(), torch.nn.Softmax(1)), ttach.aliases.d4_transform()
    )
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            x = torch.from_numpy(images[start : start + batch_size]).permute(0, 3, 1, 2).float() / 255
            parts.append(wrapped((x - 0.5) / 0.5).numpy())
    return np.concatenate(parts)


def load_state(member: Member) -> dict[str, torch.Tensor]:
    """The weights as they are stored."""
    import safetensors.torch

    return safetensors.torch.load(member.weights)


def in_runtime(runtime: str, member: Member) -> Callable[[np.ndarray], np.ndarray]:
    """The kit's way, ready to run."""
    (entry,), files = runtime_files(runtime, [member])
    folder = tempfile.mkdtemp(prefix="kit-bench-")
    for name, data in files.items():
        (Path(folder) / name).write_bytes(data)
    run = load_runner(entry, folder, runtime)
    return lambda images: softmax(run(images, entry)).mean(axis=1)


def seconds_of(call: Callable[[np.ndarray], np.ndarray], images: np.ndarray, repeats: int) -> tuple[float, np.ndarray]:
    """The best of some repeats after a warm-up, and the answer."""
    call(images[:8])
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        answer = call(images)
        best = min(best, time.perf_counter() - start)
    return best, answer


def measure(
    name: str, size: int, images: np.ndarray, runtimes: list[str], repeats: int
) -> dict[str, tuple[float, float]]:
    """Seconds and largest difference of probabilities, by way."""
    with tempfile.TemporaryDirectory() as folder:
        member = make_member(name, size, Path(folder))
        base, wanted = seconds_of(lambda x: obvious(member, x, 64), images, repeats)
        found = {"obvious": (base, 0.0)}
        for runtime in runtimes:
            try:
                seconds, answer = seconds_of(in_runtime(runtime, member), images, repeats)
            except (KitError, ImportError) as error:
                print(f"{name} in {runtime}: {error}")
                continue
            found[runtime] = (seconds, float(np.abs(answer - wanted).max()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = "mobilenetv2_100,efficientnet_b0,convnext_atto,resnet18,regnety_002"
    parser.add_argument("--networks", default=default, help="timm names, comma-separated")
    parser.add_argument("--runtimes", default="timm,torch,onnx", help="comma-separated")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    runtimes = given.runtimes.split(",")
    images = np.random.default_rng(0).integers(0, 256, (given.images, given.size, given.size, 3), dtype=np.uint8)
    table = Table("network", "obvious", *runtimes, title=f"images/s with 8 views, {torch.get_num_threads()} threads")
    totals = dict.fromkeys(["obvious", *runtimes], 0.0)
    figures = {}
    for name in given.networks.split(","):
        found = figures[name] = measure(name, given.size, images, runtimes, given.repeats)
        base = found["obvious"][0]
        cells = [f"{len(images) / base:,.0f}"]
        for runtime in runtimes:
            seconds, differ = found.get(runtime, (float("inf"), 0.0))
            totals[runtime] += seconds
            cells.append(f"{len(images) / seconds:,.0f} ({base / seconds:.1f}x, {differ:.0e})")
        totals["obvious"] += base
        table.add_row(name, *cells)
    table.add_row("together", "1.0x", *(f"{totals['obvious'] / totals[r]:.1f}x" for r in runtimes))
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
