"""How seconds and memory grow with images, classes, members and views: none should be steeper than linear.

    python benchmarks/growth.py                      a few minutes on one core
    python benchmarks/growth.py --axis members       one of the axes
    python benchmarks/growth.py --largest 100000     more images

Every point is a process of its own. Memory is what the work adds at its peak to what the process held before it.
The last column is the exponent between the two largest sizes: 1 is linear, 0 is flat.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch

from kit.cluster.peak import peak_mb, reset_peak
from kit.config import RecipeConfig, load_contest
from kit.data.prepared import prepare
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import evaluate
from kit.inference.model import VIEWS, net_logits, softmax
from kit.nets.registry import build
from kit.train.batches import Material
from kit.train.fit import Fit
from kit.train.precision import Precision
from kit.workspace import Workspace

SIDE = 32
CONTEST = """
name = "grown"
classes = {classes}
image_size = 32
expects = "clean"
[data]
kind = "npz"
path = "train.npz"
"""
Work = Callable[[], object]


def drawn_images(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 32, 32, 3) uint8: smooth images, none like another."""
    coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2) // 2 + rng.integers(0, 64, (count, 32, 32, 3), np.uint8)


def cleaning(images: int, classes: int = 8) -> Work:
    """From an archive to cleaned rows in folds."""
    folder, rng = Path(tempfile.mkdtemp(prefix="kit-growth-")), np.random.default_rng(0)
    np.savez(folder / "train.npz", images=drawn_images(images, rng), labels=np.arange(images) % classes)
    names = [f"c{number}" for number in range(classes)]
    (folder / "grown.toml").write_text(CONTEST.format(classes=json.dumps(names)))
    contest = load_contest(folder / "grown.toml")
    return lambda: prepare(contest, folder / "train.npz", Workspace(folder), lambda line: None)


def fitting(images: int, classes: int = 8) -> Work:
    """Thirty steps on that many images; the seconds should be flat."""
    recipe = RecipeConfig.model_validate(
        {"name": "grown", "net": {"name": "kit/residual", "args": {"width": 16, "depth": [1, 1]}}, "size": SIDE,
         "augment": {"preset": "strong"}, "train": {"epochs": 1, "batch_size": 64, "ema_decay": 0.9}}
    )  # fmt: skip
    x = torch.from_numpy(drawn_images(images, np.random.default_rng(0))).permute(0, 3, 1, 2).contiguous()
    targets = torch.eye(classes)[torch.arange(images) % classes]
    half = (0.5, 0.5, 0.5)
    material = Material(x, targets, torch.arange(images), None, half, half)
    net = build("kit/residual", classes, {"width": 16, "depth": [1, 1]})

    def work() -> None:
        fit = Fit(recipe, net, material, Precision(False, True, ""), torch.device("cpu"))
        for start in range(30):
            fit.train_step(torch.arange(64 * start, 64 * start + 64) % images)

    return work


def blending(members: int, classes: int = 8, rows: int = 3000) -> Work:
    """The nested score of the default ensemble."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(members, rows, classes)).astype(np.float32)
    logits[:, np.arange(rows), labels] += 2
    proba = softmax(logits)[:, :, None]
    names = tuple(f"net{number}" for number in range(members))
    pool = Pool(names, proba, labels, rng.permutation(rows) % 5, np.zeros((rows, 0), dtype=np.int64), expects="clean")
    return lambda: evaluate(kind("greedy"), pool)


def predicting(images: int, views: int = 1) -> Work:
    """Logits of that many images under that many views."""
    net = build("kit/residual", 8, {"width": 16, "depth": [1, 1]}).eval()
    spec = {"size": SIDE, "mean": (0.5,) * 3, "std": (0.5,) * 3, "views": VIEWS[:views], "net": {"num_classes": 8}}
    x = drawn_images(images, np.random.default_rng(0))
    return lambda: net_logits(net, x, spec)


AXES: dict[str, tuple[Callable[[int], Work], tuple[int, ...]]] = {
    "cleaning, images": (cleaning, (1000, 3000, 10_000, 30_000)),
    "cleaning, classes": (lambda count: cleaning(4000, count), (2, 10, 100, 1000)),
    "fit, images": (fitting, (1000, 10_000, 30_000, 100_000)),
    "fit, classes": (lambda count: fitting(4000, count), (2, 10, 100, 1000)),
    "blend, members": (blending, (4, 8, 16, 32)),
    "blend, classes": (lambda count: blending(4, count), (2, 10, 100, 1000)),
    "blend, rows": (lambda count: blending(4, 8, count), (1000, 3000, 10_000, 30_000)),
    "predict, images": (predicting, (1000, 3000, 10_000, 30_000)),
    "predict, views": (lambda count: predicting(2000, count), (1, 2, 4, 8)),
}
"""What is made of a size, and the sizes."""


def point(axis: str, size: int) -> tuple[float, float]:
    """Seconds and MB of one size, in a process that does nothing else."""
    torch.set_num_threads(1)
    work = AXES[axis][0](size)
    reset_peak()
    before, started = psutil.Process().memory_info().rss / 2**20, time.perf_counter()
    work()
    return time.perf_counter() - started, peak_mb() - before


def exponent(sizes: list[int], values: list[float]) -> float:
    """Of the growth between the two largest sizes; what is too small to be told is flat."""
    small, large = max(values[-2], 1e-3), max(values[-1], 1e-3)
    return math.log(large / small) / math.log(sizes[-1] / sizes[-2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axis", help="those whose name holds it")
    parser.add_argument("--largest", type=int, default=30_000, help="leaves larger sizes out")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.point:
        print(json.dumps(point(given.point[0], int(given.point[1]))))
        return
    print("| what, with what | sizes | seconds | MB | exponent of seconds | of MB |\n|---|---|---|---|---|---|")
    for axis, (_, every) in AXES.items():
        if given.axis and given.axis not in axis:
            continue
        sizes, found = [size for size in every if size <= given.largest], []
        for size in sizes:
            command = [sys.executable, __file__, "--point", axis, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
        seconds, memory = ([one[place] for one in found] for place in (0, 1))
        cells = [", ".join(f"{size:,}" for size in sizes), ", ".join(f"{one:.2f}" for one in seconds),
                 ", ".join(f"{one:.0f}" for one in memory)]  # fmt: skip
        print(f"| {axis} | {' | '.join(cells)} | {exponent(sizes, seconds):.2f} | {exponent(sizes, memory):.2f} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
