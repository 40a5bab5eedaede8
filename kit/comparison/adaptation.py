"""Every method of adaptation on every batch of a run's held-out rows, and whether one of them wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit.comparison.situations import MIXED, ONE_SHIFT, Batch, batches
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import OofError
from kit.inference.adapt import METHODS, PIXELS, adapted_proba, interleaved, refusal
from kit.inference.model import load_net, merge_views, net_logits, preprocess, rows_a_batch
from kit.oof_store import OofRun
from kit.packaging.adaptation import OFF, Adaptation
from kit.shifts.battery import Battery
from kit.train.device import pick_device, pinned
from kit.train.stored import checked_spec, run_of
from kit.workspace import Workspace

SOURCE = "as it is"


@dataclass(frozen=True)
class Outcome:
    """One method on one batch."""

    fold: int
    situation: str
    shift: str
    method: str
    """One of METHODS, or "as it is"."""
    accuracy: float
    """With the guard, which leaves the network as it is where it refuses."""
    unguarded: float
    refused: str
    """Why the guard refused; "" where it did not."""


def trial(
    run: OofRun, contest: str, prepared: Prepared, battery: Battery, workspace: Workspace, size: int, note: Echo
) -> list[Outcome]:
    """All methods on all batches of all folds of a run; `note` gets a line a fold.

    OofError where the run was made from other rows or folds than `prepared`: its networks may know the batches.
    """
    digests = {"data": prepared.data_digest, "folds": prepared.fold_digest}
    if run.info["digests"] != digests:
        raise OofError(
            f"{run.recipe}: must come from these data and folds, {digests}, but got {run.info['digests']}. "
            f"Train it again: kit train {run.recipe} --contest {contest}"
        )
    outcomes: list[Outcome] = []
    prior = class_shares(prepared)
    for fold in run.info["folds_done"]:
        folder = workspace.run(contest, run.recipe) / f"fold{fold}"
        tested = Tested.load(folder, prior)
        with pinned(fold):
            for batch in batches(prepared, fold, battery, size):
                outcomes += tested.outcomes(fold, batch, prepared.labels[batch.rows])
        note(f"{run.recipe} fold {fold}: {sum(one.fold == fold for one in outcomes) // (len(METHODS) + 1)} batches")
    return outcomes


def class_shares(prepared: Prepared) -> tuple[float, ...]:
    """(C,) shares of the classes among all rows."""
    counts = np.bincount(prepared.labels, minlength=len(prepared.class_names))
    return tuple(map(float, counts / counts.sum()))


@dataclass(frozen=True)
class Tested:
    """A fold's network with what is needed to adapt it."""

    net: torch.nn.Module
    spec: dict[str, Any]
    prior: tuple[float, ...]

    @classmethod
    def load(cls, folder: Path, prior: tuple[float, ...]) -> Tested:
        """The fold model in `folder`, on this machine's device."""
        spec = checked_spec(folder, run_of(folder))
        return cls(load_net(spec, str(folder)).to(pick_device()), spec, prior)

    def outcomes(self, fold: int, batch: Batch, labels: np.ndarray) -> Iterator[Outcome]:
        """The network as it is, then every method."""
        source = self.proba(self.net, batch.images)
        refused = refusal(source)
        right = float((source.argmax(1) == labels).mean())
        yield Outcome(fold, batch.situation, batch.shift, SOURCE, right, right, "")
        for method in METHODS:
            proba = adapted_proba(
                self.net,
                lambda: self.inputs(batch.images),
                source,
                lambda net: self.proba(net, batch.images),
                method,
                self.prior,
            )
            bare = float((proba.argmax(1) == labels).mean())
            yield Outcome(fold, batch.situation, batch.shift, method, right if refused else bare, bare, refused)

    def proba(self, net: torch.nn.Module, images: np.ndarray) -> np.ndarray:
        """(B, C) float64 of a network, through the code that the submission runs."""
        return merge_views(net_logits(net, images, self.spec).astype(np.float64), 1.0)

    def inputs(self, images: np.ndarray) -> Iterator[torch.Tensor]:
        """The images as the network takes them, in pieces of bounded memory."""
        piece = rows_a_batch(self.spec["size"], PIXELS)
        device = next(self.net.parameters()).device
        for part in interleaved(len(images), piece):
            x = torch.from_numpy(images[part]).to(device)
            yield preprocess(x, self.spec["size"], self.spec["mean"], self.spec["std"])


def gains(outcomes: Sequence[Outcome], method: str, situation: str) -> np.ndarray:
    """(batches,) accuracy of a method less that of the network as it is, batch by batch."""
    ours = [one.accuracy for one in outcomes if (one.method, one.situation) == (method, situation)]
    theirs = [one.accuracy for one in outcomes if (one.method, one.situation) == (SOURCE, situation)]
    return np.array(ours) - np.array(theirs)


def wins(values: np.ndarray) -> bool:
    """Whether gains (batches,) are above zero by more than their standard error."""
    se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("inf")
    return bool(values.mean() > se)


def decide(of: float, outcomes: Sequence[Outcome], prior: tuple[float, ...]) -> Adaptation:
    """The method that wins with one shift a batch *and* with mixed shifts, by the smaller of its gains; else off.

    of: when the run that the outcomes are of was finished.
    """
    table = {
        method: {place: float(gains(outcomes, method, place).mean()) for place in (ONE_SHIFT, MIXED)}
        for method in METHODS
    }
    winners = [m for m in METHODS if all(wins(gains(outcomes, m, place)) for place in (ONE_SHIFT, MIXED))]
    best = max(winners, key=lambda method: min(table[method].values()), default=OFF)
    return Adaptation(of, best, prior, table)
