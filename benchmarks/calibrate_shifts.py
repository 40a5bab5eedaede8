"""Strengths of the shift battery, calibrated so that a severity means the same damage for every operator.

    python benchmarks/calibrate_shifts.py --data training_set.npz --cache FOLDER

Prints the table STRENGTHS of kit/shifts/strengths.py. An hour on one core; networks and damage curves are kept in
FOLDER, so that another ladder takes a second.

Damage is the mean true-class probability that a small network loses on held-out pictures. The network has been
trained under all operators at random strengths up to RANGES, so it measures what a shift destroys and not whom it
surprises; a second one, trained with flips alone, is shown beside it. Damage is measured at ten strengths up to
the end of the range, made monotone, and inverted at TARGETS. An operator that does less damage than the last
target even at the end of its range ends there, its other severities at the same shares of that damage (marked
"bounded"); one that does nearly none gets even steps of strength.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression
from torch import nn

from kit.shifts.battery import ALL_OPERATORS, FAMILIES
from kit.shifts.draws import generator
from kit.shifts.mixture import FAMILY as MIXTURE
from kit.shifts.operators import OPERATORS, family_of, members
from kit.shifts.strengths import RANGES

TARGETS = np.array([0.03, 0.07, 0.13, 0.2, 0.3])
MIXTURE_TARGETS = np.array([0.08, 0.15, 0.24, 0.34, 0.45])
"""Higher, as damage of several operators compounds and contests know no mercy."""
NEARLY_NONE = 0.03
STEPS = 10
TRAIN_ROWS, SCORED_ROWS = 6000, 500
BATCH, LR = 64, 4e-3
EPOCHS = {"plain": 8, "hardened": 30}


# ------------------------------------------------------------------------------------------- references
class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, at half the resolution."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inner, outer, 3, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer),
        )  # fmt: skip
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inner, outer, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


def network(classes: int) -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 24, 5, 2, 2, bias=False), nn.BatchNorm2d(24), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(160, classes))
    return nn.Sequential(stem, Block(24, 40), Block(40, 80), Block(80, 160), head)


def tensor(images: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 128) / 64


def fit(images: np.ndarray, labels: np.ndarray, kind: str, cache: Path) -> nn.Module:
    """A reference network, `plain` (flips) or `hardened` (operators too); goes on after the last epoch in `cache`."""
    net, place = network(int(labels.max()) + 1), cache / f"{kind}.pt"
    steps = EPOCHS[kind] * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), LR, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, steps)
    done, parts = 0, (net, optimizer, schedule)
    if place.exists():
        done, *states = torch.load(place, weights_only=True)
        for part, state in zip(parts, states):
            part.load_state_dict(state)
    for epoch in range(done, EPOCHS[kind]):
        seen = flipped(images, epoch) if kind == "plain" else harden(flipped(images, epoch), epoch)
        loss = one_epoch(net, optimizer, schedule, seen, labels, epoch)
        torch.save([epoch + 1, *(part.state_dict() for part in parts)], place)
        print(f"{kind} epoch {epoch + 1}: loss {loss:.3f}", flush=True)
    return net.eval()


def one_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    images: np.ndarray,
    labels: np.ndarray,
    epoch: int,
) -> float:
    net.train()
    order, losses = np.random.default_rng([epoch, 1]).permutation(len(images)), []
    for start in range(0, len(images) - BATCH + 1, BATCH):
        rows = order[start : start + BATCH]
        loss = nn.functional.cross_entropy(net(tensor(images[rows])), torch.from_numpy(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def flipped(images: np.ndarray, epoch: int) -> np.ndarray:
    turns = np.random.default_rng(epoch).integers(0, 8, len(images))
    out = np.empty_like(images)
    for turn in range(8):
        rows = np.flatnonzero(turns == turn)
        views = np.rot90(images[rows], turn % 4, (1, 2))
        out[rows] = views[:, :, ::-1] if turn >= 4 else views
    return out


def harden(images: np.ndarray, epoch: int) -> np.ndarray:
    """Up to three operators on every picture, families drawn evenly, strengths drawn evenly over RANGES."""

    def one(row: int) -> np.ndarray:
        rng = generator(1, str(epoch), str(row))
        picture = images[row]
        for family in rng.choice([name for name in FAMILIES if name != MIXTURE], int(rng.integers(4)), replace=False):
            name = str(rng.choice(members(str(family))))
            none, limit = RANGES[name]
            picture = OPERATORS[name](picture, none + (limit - none) * max(rng.random(), 0.01), rng)
        return picture

    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(one, range(len(images)))))


# ----------------------------------------------------------------------------------------------- damage
Curves = dict[str, dict[str, list[float]]]


def references(data: Path, cache: Path) -> dict[str, nn.Module]:
    """Both reference networks, by name."""
    images, labels, _, _ = split(data)
    torch.manual_seed(0)
    return {kind: fit(images, labels, kind, cache) for kind in EPOCHS}


def damage_curves(data: Path, cache: Path) -> Curves:
    """Per operator: strengths, and the true-class probability lost by both references at each."""
    place = cache / "curves.json"
    curves: Curves = json.loads(place.read_text()) if place.exists() else {}
    nets = references(data, cache)
    _, _, scored, labels = split(data)
    clean = {kind: confidence(net, scored, labels) for kind, net in nets.items()}
    print("clean", clean, flush=True)
    for name in ALL_OPERATORS:
        if name not in curves:
            curves[name] = one_curve(name, nets, clean, scored, labels)
            place.write_text(json.dumps(curves))
            print(name, {kind: np.round(curves[name][kind], 3).tolist() for kind in nets}, flush=True)
    return curves


def one_curve(
    name: str, nets: dict[str, nn.Module], clean: dict[str, float], scored: np.ndarray, labels: np.ndarray
) -> dict[str, list[float]]:
    none, limit = range_of(name)
    curve: dict[str, list[float]] = {"strength": (none + (limit - none) * np.arange(1, STEPS + 1) / STEPS).tolist()}
    shown = [shift(scored, name, strength) for strength in curve["strength"]]
    for kind, net in nets.items():
        curve[kind] = [clean[kind] - confidence(net, pictures, labels) for pictures in shown]
    return curve


def range_of(name: str) -> tuple[float, float]:
    return RANGES.get(name, (0.0, 1.0))


def split(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct pictures only: copies under many labels would teach nothing and score at random."""
    archive = np.load(data)
    images, labels = archive["images"], archive["labels"].ravel().astype(np.int64)
    _, first = np.unique([picture.tobytes()[:20000] for picture in images], return_index=True)
    rows = np.random.default_rng(0).permutation(np.sort(first))
    train, scored = rows[:TRAIN_ROWS], rows[TRAIN_ROWS : TRAIN_ROWS + SCORED_ROWS]
    return images[train], labels[train], images[scored], labels[scored]


def shift(images: np.ndarray, name: str, strength: float) -> np.ndarray:
    operator = ALL_OPERATORS[name]
    return np.stack([operator(x, strength, generator(2, str(i), name)) for i, x in enumerate(images)])


@torch.no_grad()
def confidence(net: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Mean probability of the true class."""
    chunks = [net(tensor(images[start : start + 250])).softmax(1) for start in range(0, len(images), 250)]
    return float(torch.cat(chunks)[torch.arange(len(labels)), torch.from_numpy(labels)].mean())


# ------------------------------------------------------------------------------------------------ table
def calibrated(name: str, curve: dict[str, list[float]]) -> tuple[list[float], str]:
    """Five strengths, and a remark: the damage at each to both references."""
    strength = np.array([range_of(name)[0], *curve["strength"]])
    damage, surprise = np.array([0.0, *curve["hardened"]]), np.array([0.0, *curve["plain"]])
    rising = IsotonicRegression(y_min=0).fit_transform(strength, damage) + np.linspace(0, 1e-6, len(strength))
    targets = MIXTURE_TARGETS if family_of(name) == MIXTURE else TARGETS
    end = float(rising[-1])
    if end < NEARLY_NONE:
        found = strength[0] + (strength[-1] - strength[0]) * np.arange(1, 6) / 5
    else:
        found = np.interp(targets * min(1.0, end / targets[-1]), rising, strength)
    remark = " ".join(
        f"{np.interp(value, strength, damage):.2f}/{np.interp(value, strength, surprise):.2f}" for value in found
    )
    return found.tolist(), remark + (" bounded" if end < targets[-1] else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="npz: images (N, S, S, 3) uint8 and labels")
    parser.add_argument("--cache", type=Path, required=True, help="folder of networks and damage curves")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for name, curve in damage_curves(options.data, options.cache).items():
        strengths, remark = calibrated(name, curve)
        print(f'    "{name}": ({", ".join(f"{value:.3g}" for value in strengths)}),  # {remark}')


if __name__ == "__main__":
    main()
