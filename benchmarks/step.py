"""Where a training step's time goes, on one thread: batches, passes, clipping, the optimiser, averaging.

    python benchmarks/step.py RECIPE --contest CONTEST --data FILE [--rounds 20] [--cpu]

Steps of the fit as it is (half-way through its schedule, where what is frozen at first is let go) alternate with those
of variants that do the same: the frozen layers' BatchNorm folded into their convolutions; fp32 and bf16. Prints
medians, and each variant against the fit of the same round. --cpu counts CPU seconds, which other processes on the
machine change less than seconds on the wall.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kit.config import load_contest
from kit.data.prepared import prepare
from kit.nets.weights.needs import check_weights
from kit.pipeline.named import find_recipe
from kit.situation.settled import settled
from kit.train.device import pinned
from kit.train.fit import Fit
from kit.train.images import resized
from kit.train.precision import Precision
from kit.train.run import Trainer
from kit.workspace import Workspace

PARTS = ("batches", "passes", "clip", "optimiser", "average")


def timed(fit: Fit, rows: torch.Tensor, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of the parts of one step of `fit`."""
    progress = fit.pace.progress(fit.step)
    fit.optimizer.zero_grad()
    marks, before = [clock()], fit.batches.seconds
    fit.parts.backward(rows, progress)
    batches = fit.batches.seconds - before
    marks.append(clock())
    if fit.recipe.train.clip_grad:
        clip_grad_norm_(fit.net.parameters(), fit.recipe.train.clip_grad)
    marks.append(clock())
    fit.optimizer.step()
    marks.append(clock())
    if fit.ema is not None:
        fit.ema.update(fit.net)
    marks.append(clock())
    passes, clip, optimiser, average = (after - earlier for earlier, after in pairwise(marks))
    return dict(zip(PARTS, (batches, passes - batches, clip, optimiser, average)))


def fold_frozen(net: nn.Module) -> int:
    """Folds every frozen BatchNorm into the frozen convolution right before it in the same block; how many."""
    folded = 0
    for block in net.modules():
        names = list(block._modules)
        for first, second in pairwise(names):
            conv, norm = block._modules[first], block._modules[second]
            if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
                continue
            if any(p.requires_grad for p in (*conv.parameters(), *norm.parameters())):
                continue
            act = getattr(norm, "act", nn.Identity())  # timm's norms hold their activation
            block._modules[first] = fuse_conv_bn_eval(conv.eval(), norm.eval()).requires_grad_(False)
            block._modules[second] = act
            folded += 1
    return folded


def main() -> None:
    """Measures, in rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--contest", default="practice")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cpu", action="store_true")
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    recipe = find_recipe(given.recipe)
    check_weights(recipe.net)
    with tempfile.TemporaryDirectory(prefix="kit-") as scratch:
        workspace = Workspace(Path(scratch))
        contest = load_contest(given.contest)
        prepared = prepare(contest, given.data, workspace, lambda line: None)
        trainer = Trainer(settled(contest, workspace), prepared, recipe, workspace, torch.device("cpu"))
        images = resized(prepared.images[:1024], trainer.recipe.size)
        time.perf_counter = clock  # type: ignore[assignment]  # that of the batches' own measurement too
        with pinned(0):
            torch.set_num_threads(1)
            measure(trainer, images, given.rounds, clock)


def measure(trainer: Trainer, images: torch.Tensor, rounds: int, clock: Callable[[], float]) -> None:
    """Prints the medians."""
    some = trainer.prepared.take(trainer.prepared.split(0).train[: len(images)])
    trainer = replace(trainer, prepared=some.with_folds((-torch.ones(len(some.ids), dtype=torch.int64)).numpy()))
    fits = {"as it is": trainer.new_fit(-1, images)}
    fits["folded"] = trainer.new_fit(-1, images)
    chosen = fits["as it is"].precision
    other = Precision(not chosen.bf16, True, "")
    spec = trainer.spec()
    material = trainer.material(-1, images)
    fits[other.name] = Fit(trainer.recipe, trainer.new_net(), material, other, trainer.device)
    batch = trainer.recipe.train.batch_size
    rows = torch.arange(batch) % len(images)
    for fit in fits.values():
        fit.step = fit.total // 2
        timed(fit, rows, clock)
    folded = fits["folded"]
    count = fold_frozen(folded.net)
    folded.objective.layers |= {name: 0 for name, _ in folded.net.named_parameters() if name.endswith("bias")
                                and name not in folded.objective.layers}  # fmt: skip
    timed(fits["folded"], rows, clock)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in fits}
    for _ in range(rounds):
        for name, fit in fits.items():
            found[name].append(timed(fit, rows, clock))
    print(f"{trainer.recipe.name}, {spec['size']} px, batches of {batch}, {chosen.name}; {count} frozen norms folded")
    base = found["as it is"]
    for name, steps in found.items():
        whole = [sum(step.values()) for step in steps]
        ratio = statistics.median(a / sum(b.values()) for a, b in zip(whole, base))
        shares = ", ".join(f"{part} {statistics.median(s[part] for s in steps) * 1000:.1f}" for part in PARTS)
        print(f"{name:>22}: {batch / statistics.median(whole):6.0f} images/s, {ratio:.3f} of it; ms: {shares}")


if __name__ == "__main__":
    main()
