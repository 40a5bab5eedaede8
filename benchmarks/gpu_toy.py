"""A small contest on the GPU: scores beside the CPU's, a fit stopped and resumed, several fits at once."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gpu_results import Results

from kit.artefact import read_json
from kit.cluster.training import train_all
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.practice.contest import training_set
from kit.data.prepared import Prepared, prepare
from kit.inference.model import load_net, net_logits
from kit.train.device import pick_device
from kit.train.fit import Fit
from kit.train.run import Trainer
from kit.train.run_folder import RUN, scored_folds
from kit.train.stored import SPEC
from kit.workspace import Workspace

RECIPE = """
size = {size}
views = ["identity"]
[net]
name = "kit/residual"
args = {{ width = {width}, depth = [1, 1] }}
[augment]
preset = "{preset}"
[train]
epochs = {epochs}
batch_size = 32
lr = 0.01
ema_decay = 0.99
"""
CONTEST = """
name = "small"
classes = {classes}
image_size = {size}
expects = "clean"
platform = "codabench-timm"
[data]
kind = "npz"
path = "train.npz"
[folds]
n_splits = 2
[shift]
battery = ["noise.gaussian", "blur.gaussian"]
severities = [2]
cells_per_row = 1
"""
COPIES = 4
"""Recipes of two folds that are trained one by one, and then as many at once as the kit takes."""


class Stopped(Exception):
    """In the middle of a fit."""


@dataclass(frozen=True)
class Small:
    """The contest, in a folder of its own."""

    root: Path
    contest: ContestConfig
    prepared: Prepared

    def recipe(self, name: str) -> RecipeConfig:
        """By name, from the folder."""
        return load_recipe(self.root / f"{name}.toml")

    def trainer(self, name: str, device: torch.device, place: str) -> Trainer:
        """For the recipe on a device, in a store called `place`."""
        return Trainer(self.contest, self.prepared, self.recipe(name), Workspace(self.root / place), device)


def small_contest(root: Path, tiny: bool) -> Small:
    """Rows of the practice contest, and recipes that differ in their augmentation."""
    images, labels, classes = training_set()
    count, side = (120, 24) if tiny else (1200, 48)
    rows = np.random.default_rng(0).permutation(len(images))[:count]
    root.mkdir(parents=True, exist_ok=True)
    step = images.shape[1] // side
    np.savez(root / "train.npz", images=images[rows][:, ::step, ::step], labels=labels[rows])
    names = "[" + ", ".join(f'"{name}"' for name in classes) + "]"
    (root / "small.toml").write_text(CONTEST.format(classes=names, size=side))
    epochs, width = (4, 8) if tiny else (12, 32)
    for name in ("plain", "strong", *(f"copy{number}" for number in range(COPIES))):
        preset = "flips" if name == "plain" else "strong"
        text = RECIPE.format(size=side, width=width, preset=preset, epochs=epochs)
        (root / f"{name}.toml").write_text(text)
    contest = load_contest(root / "small.toml")
    prepared = prepare(contest, root / "train.npz", Workspace(root / "data"), lambda line: None)
    return Small(root, contest, prepared)


def toy(results: Results, given: argparse.Namespace) -> None:
    """A row a question."""
    small = small_contest(given.out / "small", given.tiny)
    device, cpu = pick_device(), torch.device("cpu")
    for name in ("strong",) if given.tiny else ("plain", "strong"):
        scores = {}
        for place, where in (("cpu", cpu), ("device", device)):
            started = time.perf_counter()
            trainer = small.trainer(name, where, place)
            trainer.train(scored_folds(small.prepared), print)
            found = read_json(trainer.folder / RUN)
            scores[place] = float(np.mean(found["fold_clean"]))
            results.add(question="scores", recipe=name, on=str(where), clean=scores[place],
                        shifted=float(np.mean(found["fold_shifted"])), precision=found["precision"],
                        seconds=time.perf_counter() - started)  # fmt: skip
        gap, error = scores["device"] - scores["cpu"], (2 * scores["cpu"] * (1 - scores["cpu"]) / rows(small)) ** 0.5
        results.add(question="same scores", recipe=name, gap=gap, two_errors=2 * error, same=abs(gap) <= 2 * error)
    same_network(results, small, device)
    resumed(results, small, device)
    if not given.tiny:
        at_once(results, small)


def rows(small: Small) -> int:
    """Rows that are scored."""
    return int((small.prepared.folds >= 0).sum())


def same_network(results: Results, small: Small, device: torch.device) -> None:
    """One network, trained on the device, scores all images there and on the CPU."""
    folder = small.trainer("strong", device, "device").fold_folder(0)
    spec = read_json(folder / SPEC)
    images = np.array(small.prepared.images)
    here, there = (net_logits(load_net(spec, str(folder)).to(one), images, spec) for one in ("cpu", device))
    results.add(question="same network", most_apart=float(np.abs(here - there).max()),
                labels_alike=float((here.argmax(-1) == there.argmax(-1)).mean()))  # fmt: skip


def resumed(results: Results, small: Small, device: torch.device) -> None:
    """A fit that was stopped after its first checkpoint, beside the one that was not."""

    def stop(fold: int, fit: Fit) -> None:
        raise Stopped

    whole = read_json(small.trainer("strong", device, "device").fold_folder(0) / "fold.json")
    first = small.trainer("strong", device, "resumed")
    try:
        replace(first, after_epoch=stop).train([0], print)
    except Stopped:
        first.train([0], print)
    again = read_json(first.fold_folder(0) / "fold.json")
    results.add(question="resumed", clean=again["clean"], clean_of_whole=whole["clean"], steps=again["steps"],
                steps_of_whole=whole["steps"])  # fmt: skip


def at_once(results: Results, small: Small) -> None:
    """Fits one by one in this process, and as many at once as fit on the GPU."""
    recipes = [small.recipe(f"copy{number}") for number in range(COPIES)]
    for place, workers in (("one", 1), ("many", None)):
        started, said = time.perf_counter(), []
        train_all(small.contest, small.prepared, recipes, Workspace(small.root / place), said.append, workers=workers)
        results.add(question="fits at once", workers=str(workers or "auto"), fits=2 * COPIES,
                    seconds=time.perf_counter() - started,
                    said=next((line for line in said if " at a time" in line), ""))  # fmt: skip
