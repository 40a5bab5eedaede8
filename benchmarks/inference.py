"""Images per second of a packed ensemble beside the obvious way, on this machine's CPU.

    python benchmarks/inference.py --contest practice
    python benchmarks/inference.py --contest an2dl2024 --data training_set.npz --recipes mobilenetv2_96,residual_64

The first fold of recipes in the store, on images of the contest. The obvious way: float32, eager, one network after
the other, each under ttach's wrapper with its D4 transforms, batches of 64. Beside it PyTorch at its best:
channels_last, bfloat16, compiled. The kit: the same networks as a zip holds them, in each runtime, the same views,
each in a process of its own in the environment of a platform that has that runtime (made once, see `kit platforms`).
Every cell says how much faster than the obvious way, and on which share of the images the label is another.

Seconds are those of the clock. On a machine that has other work use --cpu-time: seconds of one thread's processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import ttach
from rich.console import Console
from rich.table import Table

from kit.artefact import read_json
from kit.config import load_contest, load_platform
from kit.data.prepared import prepare
from kit.errors import KitError
from kit.inference import model
from kit.inference.model import VIEWS
from kit.oof_store import load_runs
from kit.packaging.members import Member
from kit.packaging.runtime_files import runtime_files
from kit.pipeline.plan import planned
from kit.rehearsal.environment import platform_python
from kit.train.stored import SPEC
from kit.workspace import Workspace

PLATFORMS = {"onnx": "codabench-onnx", "tensorflow": "an2dl2024"}
"""Where a runtime is measured that is not here."""

Ways = dict[str, Callable[[torch.nn.Module], torch.nn.Module]]
Clock = Callable[[], float]

RUN = """
import json, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import model
entry, runtime, repeats, cpu = json.loads(sys.argv[2])
X = np.load("x.npy")
clock = time.process_time if cpu else time.perf_counter
if cpu and runtime in ("timm", "torch"):
    import torch
    torch.set_num_threads(1)
model.keep_freed_memory()
run = model.load_runner(entry, ".", runtime)
if runtime == "tensorflow":
    run.args[0].expect(5000 * len(entry["views"]))
run(X, entry)
more = {"half": True} if runtime in model.IN_HALF and model.half_is_faster(run, X, entry) else {}
seconds = []
for _ in range(repeats):
    start = clock()
    logits = run(X, entry, **more)
    if more:
        doubted = model.doubtful(model.softmax(logits).mean(axis=1))
        if len(doubted):
            logits[doubted] = run(X[doubted], entry)
    seconds.append(clock() - start)
np.save("proba.npy", model.softmax(logits).mean(axis=1))
print(min(seconds))
"""
"""One network in one runtime, warm: a second of conversion is paid once for thousands of images. Memory is
kept as the submission keeps it; a network is in bfloat16 where that would be, and doubtful images are re-evaluated."""


def stored_member(folder: Path) -> Member:
    """The network of a trained fold, with all views."""
    spec = read_json(folder / SPEC) | {"views": list(VIEWS)}
    name = folder.parent.name
    entry = {"recipe": name, "fold": 0, **spec, "weights": f"{name}.safetensors", "sha256": ""}
    return Member(folder, spec, entry, (folder / spec["weights"]).read_bytes())


# -------------------------------------------------------------------------------------------- PyTorch itself
def channels_last(net: torch.nn.Module) -> torch.nn.Module:
    """The layout that convolutions like."""
    return net.to(memory_format=torch.channels_last)


class HalfPrecision(torch.nn.Module):
    """A network in bfloat16."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = channels_last(net)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.net(x).float()


PEERS: Ways = {
    "obvious": lambda net: net,
    "channels_last": channels_last,
    "bfloat16": HalfPrecision,
    "compiled": lambda net: torch.compile(channels_last(net)),
}
"""timm's network as people run it, and what they do to make it faster."""


def peer(member: Member, way: str, images: np.ndarray, repeats: int, clock: Clock) -> tuple[float, np.ndarray]:
    """Seconds and probabilities of a network under ttach, in PyTorch's own memory layout."""
    net = member.network().to(memory_format=torch.contiguous_format)
    wrapped = ttach.ClassificationTTAWrapper(
        torch.nn.Sequential(PEERS[way](net), torch.nn.Softmax(1)), ttach.aliases.d4_transform()
    )
    spec = member.spec

    def call() -> np.ndarray:
        parts = []
        for start in range(0, len(images), 64):
            x = model.preprocess(images[start : start + 64], spec["size"], spec["mean"], spec["std"])
            parts.append(wrapped(x.contiguous()).numpy())
        return np.concatenate(parts)

    with torch.no_grad():
        call()
        seconds = []
        for _ in range(repeats):
            begin = clock()
            predicted = call()
            seconds.append(clock() - begin)
    return min(seconds), predicted


# -------------------------------------------------------------------------------------------- the kit's way
def packed(member: Member, runtime: str, images: np.ndarray, repeats: int, cpu_time: bool) -> tuple[float, np.ndarray]:
    """Seconds and probabilities (N, C) of a runtime, in a process of its own that holds nothing else."""
    (entry,), files = runtime_files(runtime, [member])
    python = Path(sys.executable)
    if runtime in PLATFORMS:
        python = platform_python(load_platform(PLATFORMS[runtime])).executable
    with tempfile.TemporaryDirectory(prefix="kit-bench-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        np.save(Path(folder) / "x.npy", images)
        plan = json.dumps([entry, runtime, repeats, cpu_time])
        command = [str(python), "-c", RUN, str(Path(model.__file__).parent), plan]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise KitError(f"{runtime}: {done.stderr.strip().splitlines()[-1]}")
        return float(done.stdout.split()[-1]), np.load(Path(folder) / "proba.npy")


def measure(member: Member, given: argparse.Namespace, images: np.ndarray) -> dict[str, tuple[float, float]]:
    """Seconds and share of other labels, by way; ways that fail are said and left out."""
    name, found = member.entry["recipe"], {}
    clock = time.process_time if given.cpu_time else time.perf_counter
    base, wanted = peer(member, "obvious", images, given.repeats, clock)
    found["obvious"] = (base, 0.0)
    for way in [*given.peers.split(","), *given.runtimes.split(",")]:
        if not way:
            continue
        try:
            if way in PEERS:
                seconds, predicted = peer(member, way, images, given.repeats, clock)
            else:
                seconds, predicted = packed(member, way, images, given.repeats, given.cpu_time)
        except (KitError, ImportError, RuntimeError) as error:
            print(f"{name} in {way}: {error}")
            continue
        found[way] = (seconds, float((predicted.argmax(1) != wanted.argmax(1)).mean()))
        print(f"{name} {way}: {len(images) / seconds:,.0f} images/s, {base / seconds:.2f}x", flush=True)
    return found


def show(figures: dict[str, dict[str, tuple[float, float]]], count: int, title: str) -> Table:
    """A line a network, and all of them one after the other."""
    ways = list(dict.fromkeys(way for found in figures.values() for way in found))
    table = Table("network", *ways, title=title)
    for name, found in figures.items():
        base = found["obvious"][0]
        cells = [f"{count / s:,.0f} ({base / s:.1f}x, {d:.2%})" for s, d in (found.get(w, (np.inf, 0.0)) for w in ways)]
        table.add_row(name, *cells)
    totals = {way: sum(found[way][0] if way in found else np.inf for found in figures.values()) for way in ways}
    table.add_row("together", *(f"{totals['obvious'] / totals[way]:.1f}x" for way in ways))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contest", default="practice")
    parser.add_argument("--data", type=Path, help="its training data, where the contest names none")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="where its store is")
    parser.add_argument("--recipes", help="comma-separated; all complete ones by default")
    parser.add_argument("--runtimes", default="timm,torch,onnx,tensorflow", help="comma-separated")
    parser.add_argument("--peers", default="channels_last,bfloat16", help="of channels_last, bfloat16, compiled")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpu-time", action="store_true", help="processor seconds of one thread, not the clock's")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    if given.cpu_time:
        torch.set_num_threads(1)
    workspace = Workspace(given.root.resolve())
    contest = planned(load_contest(given.contest), workspace)
    prepared = prepare(contest, given.data, workspace, lambda line: None)
    kept = np.random.default_rng(0).permutation(np.flatnonzero(prepared.folds >= 0))[: given.images]
    images = np.array(prepared.images[np.sort(kept)])
    runs = load_runs(workspace, contest.name, given.recipes.split(",") if given.recipes else None)
    members = [stored_member(workspace.run(contest.name, run.recipe) / "fold0") for run in runs]
    figures = {member.entry["recipe"]: measure(member, given, images) for member in members}
    title = f"images/s with 8 views, {torch.get_num_threads()} threads (times the obvious way, labels apart)"
    Console(width=160).print(show(figures, len(images), title))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
