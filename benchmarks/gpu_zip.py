"""A real run within minutes, and what its zip predicts: on the GPU, on the CPU, and beside the obvious way."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_results import Results

from kit.artefact import read_json
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.inference import model
from kit.pipeline.plan import planned
from kit.train.device import pick_device, settle
from kit.train.stored import SPEC
from kit.workspace import PROJECT, Workspace

IMAGES = 3421
"""As many as the contest's hidden test had."""

PREDICT = """
import sys, time, json
import numpy as np
sys.path.insert(0, ".")
X = np.load("x.npy")
start = time.perf_counter()
import model
net = model.Model()
net.predict(X[:1])
first = time.perf_counter() - start
start = time.perf_counter()
labels = net.predict(X)
print(json.dumps([first, time.perf_counter() - start]))
np.save(sys.argv[1], labels)
"""
"""What a platform does, in a process of its own."""


def place(given: argparse.Namespace) -> tuple[str, Path, str, Path]:
    """The contest, its data, the recipes and the root of the run."""
    if given.tiny:
        small = given.out / "small"
        return str(small / "small.toml"), small / "train.npz", str(small / "strong.toml"), small / "device"
    return given.contest, given.data, given.recipes, given.out / "run"


def run(results: Results, given: argparse.Namespace) -> None:
    """make_submission.py from the data to the rehearsed zip."""
    contest, data, recipes, root = place(given)
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, PROJECT / "make_submission.py", "--contest", contest, "--data", data, "--root", root]
    command += ["--recipes", recipes, "--ensemble", "best1" if given.tiny else "best5", "--out", root / "run.zip"]
    command += ["--json"] if given.tiny else ["--json", "--budget", str(given.budget)]
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - started
    said: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :]) if "{" in done.stdout else {}
    results.add(question="run", exit_code=done.returncode, seconds=seconds, members=said.get("members"),
                expected=said.get("expected"), rehearsal_passed=said.get("rehearsal_passed"))  # fmt: skip
    for path in sorted(root.glob("oof/*/*/run.json")):
        found = read_json(path)
        results.add(question="out of fold", recipe=found["recipe"], clean=float(np.mean(found["fold_clean"])),
                    shifted=float(np.mean(found["fold_shifted"])), minutes=found["minutes"],
                    folds=len(found["folds_done"]), precision=found["precision"])  # fmt: skip


def predict(results: Results, given: argparse.Namespace) -> None:
    """The zip in a process of its own, with and without the GPU; its networks under ttach."""
    contest_name, data, _, root = place(given)
    folder = root / "zip"
    with zipfile.ZipFile(root / "run.zip") as archive:
        archive.extractall(folder)
    workspace = Workspace(root)
    contest = planned(load_contest(contest_name), workspace)
    prepared = prepare(contest, data, workspace, lambda line: None)
    count = 16 if given.tiny else IMAGES
    images = np.array(prepared.images[np.resize(np.arange(len(prepared.ids)), count)])
    np.save(folder / "x.npy", images)
    seconds, labels = zipped(results, folder, "device", None)
    obvious(results, workspace, contest.name, read_json(folder / "manifest.json"), images, seconds)
    few = images if given.tiny else images[:1000]
    np.save(folder / "x.npy", few)
    _, on_cpu = zipped(results, folder, "cpu", "")
    alike = float((labels[: len(few)] == on_cpu).mean())
    results.add(question="labels alike on GPU and CPU", images=len(few), share=alike)


def zipped(results: Results, folder: Path, name: str, visible: str | None) -> tuple[float, np.ndarray]:
    """Seconds and labels of the zip; `visible`: the GPUs that it sees, all of them where None."""
    env = os.environ | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    command = [sys.executable, "-c", PREDICT, f"{name}.npy"]
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True)
    first, seconds = json.loads(done.stdout.splitlines()[-1])
    labels = np.load(folder / f"{name}.npy")
    results.add(question="zip", on=name, images=len(labels), first_label=first, seconds=seconds,
                images_per_second=len(labels) / seconds)  # fmt: skip
    return seconds, labels


def obvious(
    results: Results, workspace: Workspace, contest: str, manifest: dict[str, Any], images: np.ndarray, seconds: float
) -> None:
    """The same networks in float32, one after the other under ttach's D4, in batches of 64."""
    import ttach

    device = pick_device()
    started = time.perf_counter()
    with torch.inference_mode():
        for member in manifest["members"]:
            folder = workspace.run(contest, member["recipe"]) / f"fold{member['fold']}"
            spec = read_json(folder / SPEC)
            net = model.load_net(spec, str(folder)).to(device)
            wrapped = ttach.ClassificationTTAWrapper(net, ttach.aliases.d4_transform())
            for start in range(0, len(images), 64):
                batch = torch.from_numpy(images[start : start + 64]).to(device)
                wrapped(model.preprocess(batch, spec["size"], spec["mean"], spec["std"]).contiguous()).cpu()
    settle(device)
    took = time.perf_counter() - started
    results.add(question="obvious way", images=len(images), seconds=took, times_as_long=took / seconds)
