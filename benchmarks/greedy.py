"""Greedy selection against AutoGluon's EnsembleSelection on the same arrays, and how its cost grows.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install autogluon.core
    OMP_NUM_THREADS=2 python benchmarks/greedy.py --peer /tmp/peer/bin/python
    python benchmarks/greedy.py --grow

Each run is a process of its own, so that its peak memory is its own; beside the clock's seconds stand those of
processor time, which a busy machine leaves alone. Half of the rows are fitted on, the log
loss is that of the others. "as the peer": one bag, no sorted initialisation, the peer's algorithm step by
step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

KIT = """
import json, resource, sys, time
import numpy as np
from kit.ensemble.kinds.greedy import bagged, select, shares
from kit.ensemble.kinds.greedy_loss import objective
how, path = sys.argv[1:]
proba, labels = np.load(path + "/proba.npy"), np.load(path + "/labels.npy")
start, used = time.perf_counter(), time.process_time()
if how == "as the peer":
    weights = shares(select(objective("log_loss", proba, labels), 40, start=1))
else:
    weights = bagged(proba, labels, "log_loss", rounds=40, bags=20)
seconds, used = time.perf_counter() - start, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu": used, "peak_mb": peak, "weights": weights.tolist()}))
"""

PEER = """
import json, resource, sys, time
import numpy as np
from autogluon.core.metrics import log_loss
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
how, path = sys.argv[1:]
proba, labels = np.load(path + "/proba.npy"), np.load(path + "/labels.npy")
start, used = time.perf_counter(), time.process_time()
selection = EnsembleSelection(ensemble_size=40, problem_type="multiclass", metric=log_loss)
selection.fit([member for member in proba], labels)
seconds, used = time.perf_counter() - start, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
weights = np.asarray(selection.weights_, dtype=float)
print(json.dumps({"seconds": seconds, "cpu": used, "peak_mb": peak, "weights": weights.tolist()}))
"""


def draw(members: int, rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (M, N, C) float32 and labels (N,): networks of unequal skill that share part of their
    errors.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(members, rows, classes)).astype(np.float32)
    logits += rng.normal(size=(rows, classes)).astype(np.float32)
    logits[:, np.arange(rows), labels] += np.linspace(2.5, 4.0, members, dtype=np.float32)[:, None]
    logits -= logits.max(axis=2, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=2, keepdims=True)
    return logits, labels


def measure(python: str, code: str, how: str, folder: Path) -> dict[str, float | list[float]]:
    """Seconds, peak megabytes and weights of one run in a process of its own."""
    command = [python, "-c", code, how, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def log_loss(proba: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    picked = np.take_along_axis(proba, labels[None, :, None], axis=2)[:, :, 0]
    return float(-np.log(weights @ picked).mean())


def compare(peer: str | None, members: int, rows: int, classes: int) -> None:
    """The table: ours bagged, ours as the peer does it, the peer, and equal weights."""
    proba, labels = draw(members, 2 * rows, classes)
    fit, fresh = (proba[:, :rows], labels[:rows]), (proba[:, rows:], labels[rows:])
    runs = [("kit", sys.executable, KIT, "bagged"), ("kit", sys.executable, KIT, "as the peer")]
    if peer:
        runs.append(("autogluon.core", peer, PEER, "40 rounds"))
    print(f"{members} members x {rows:,} rows x {classes} classes, 40 rounds")
    print(f"{'':32} {'seconds':>9} {'of CPU':>8} {'peak MB':>8} {'log loss':>9} {'held out':>9}")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "proba.npy", fit[0])
        np.save(Path(folder) / "labels.npy", fit[1])
        for name, python, code, how in runs:
            found = measure(python, code, how, Path(folder))
            weights = np.asarray(found["weights"])
            losses = f"{log_loss(*fit, weights):9.5f} {log_loss(*fresh, weights):9.5f}"
            spent = f"{found['seconds']:9.2f} {found['cpu']:8.2f} {found['peak_mb']:8.0f}"
            print(f"{name + ', ' + how:32} {spent} {losses}")
    weights = np.full(members, 1 / members)
    print(f"{'equal weights':59} {log_loss(*fit, weights):9.5f} {log_loss(*fresh, weights):9.5f}")


def grow() -> None:
    """Seconds of processor time of the bagged selection by members and by rows."""
    from kit.ensemble.kinds.greedy import bagged

    sizes = [(m, 12_000) for m in (50, 100, 200, 500, 1000)] + [(200, n) for n in (3000, 6000, 24_000)]
    print(f"{'members':>8} {'rows':>7} {'seconds':>8} {'us a member and 1,000 rows':>27}")
    for members, rows in sizes:
        proba, labels = draw(members, rows, 8)
        start = time.process_time()
        bagged(proba, labels, "log_loss", rounds=40, bags=20)
        seconds = time.process_time() - start
        print(f"{members:8} {rows:7,} {seconds:8.2f} {seconds / members / rows * 1e9:27.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python that has autogluon.core; left out where not given")
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--grow", action="store_true", help="members to 1,000 and rows to 24,000 instead")
    options = parser.parse_args()
    if options.grow:
        grow()
    else:
        compare(options.peer, options.members, options.rows, options.classes)


if __name__ == "__main__":
    main()
