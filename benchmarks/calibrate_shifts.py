"""Strengths of the shift battery, calibrated so that a severity means the same damage for every operator.

    python benchmarks/calibrate_shifts.py --contest an2dl2024 --data training_set.npz --root . --recipe residual_64

Prints the table STRENGTHS of kit/shifts/strengths.py; some minutes on one core. The damage curves are kept in the
file --curves, so that a run that was killed goes on, and another ladder takes a second.

Damage is the mean true-class probability that a trained network loses on images held out from it. The network is
one of the out-of-fold store whose recipe trained under strong augmentation, so it measures what a shift destroys
and not whom it surprises. It is measured at even steps up to the end of an operator's range, made monotone, and
inverted at LADDER times the damage of severity 5, which is chosen so that the battery's mean damage over operators
and severities stays what it was. An operator that does less than that even at the end of its range ends there, its
other severities at the same shares of that damage ("bounded").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.optimize import brentq
from sklearn.isotonic import IsotonicRegression

from kit.artefact import read_json, write_json
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.inference.model import load_net, net_logits, softmax
from kit.pipeline.plan import planned
from kit.shifts.draws import generator
from kit.shifts.operators import OPERATORS
from kit.shifts.strengths import RANGES, STRENGTHS
from kit.workspace import Workspace

LADDER = np.array([0.1, 0.25, 0.45, 0.7, 1.0])
"""Damage of the severities as shares of that of the last."""

NEARLY_NONE = 0.02
"""Damage at the end of its range below which an operator keeps the strengths that it has."""

Curve = dict[str, list[float]]


def held_out(options: argparse.Namespace) -> tuple[torch.nn.Module, dict[str, object], np.ndarray, np.ndarray]:
    """The network of fold 0, its description, and images held out from it with labels, classes in balance."""
    workspace = Workspace(options.root.resolve())
    contest = planned(load_contest(options.contest), workspace)
    prepared = prepare(contest, options.data, workspace, print)
    folder = workspace.run(contest.name, options.recipe) / "fold0"
    spec = read_json(folder / "member.json") | {"views": ["identity"]}
    rng = np.random.default_rng(0)
    each = options.rows // len(prepared.class_names)
    held = [np.flatnonzero((prepared.folds == 0) & (prepared.labels == c)) for c in range(len(prepared.class_names))]
    rows = np.sort(np.concatenate([rng.permutation(place)[:each] for place in held]))
    return load_net(spec, str(folder)), spec, np.array(prepared.images[rows]), prepared.labels[rows]


def confidence(net: torch.nn.Module, spec: dict[str, object], images: np.ndarray, labels: np.ndarray) -> float:
    """Mean probability of the true class."""
    proba = softmax(net_logits(net, images, spec)).mean(axis=1)
    return float(proba[np.arange(len(labels)), labels].mean())


def shift(images: np.ndarray, name: str, strength: float) -> np.ndarray:
    return np.stack([OPERATORS[name](x, strength, generator(2, str(i), name)) for i, x in enumerate(images)])


def measure(options: argparse.Namespace) -> dict[str, Curve]:
    """Per operator: strengths, and the damage at each; no damage at the first."""
    curves: dict[str, Curve] = json.loads(options.curves.read_text()) if options.curves.exists() else {}
    missing = [name for name in OPERATORS if name not in curves]
    if not missing:
        return curves
    net, spec, images, labels = held_out(options)
    clean = confidence(net, spec, images, labels)
    print(f"clean: {clean:.4f} on {len(labels)} images", flush=True)
    for name in missing:
        strengths = np.linspace(*RANGES[name], options.steps + 1)
        damage = [clean - confidence(net, spec, shift(images, name, value), labels) for value in strengths[1:]]
        curves[name] = {"strength": strengths.tolist(), "damage": [0.0, *damage]}
        write_json(options.curves, curves)
        print(name, np.round(damage, 3).tolist(), flush=True)
    return curves


def rising(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Strengths, and their damage made monotone and never flat."""
    strength = np.array(curve["strength"])
    damage = IsotonicRegression(y_min=0).fit_transform(strength, np.array(curve["damage"]))
    return strength, damage + np.linspace(0, 1e-6, len(strength))


def ladder(curve: Curve, last: float) -> np.ndarray:
    """Damage wanted at each severity, where severity 5 is to do `last`."""
    return LADDER * min(last, float(rising(curve)[1][-1]))


def calibrated(name: str, curve: Curve, last: float) -> np.ndarray:
    """Strengths of the five severities."""
    strength, damage = rising(curve)
    if damage[-1] < NEARLY_NONE:
        return np.array(STRENGTHS[name])
    return np.interp(ladder(curve, last), damage, strength)


def done_by(curve: Curve, strengths: np.ndarray) -> np.ndarray:
    """Damage at some strengths."""
    strength, damage = rising(curve)
    return np.interp(strengths, strength, damage)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contest", default="practice")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--recipe", default="practice_strong")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--curves", type=Path, default=Path("shift_curves.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    curves = measure(options)
    before = {name: done_by(curve, np.array(STRENGTHS[name])) for name, curve in curves.items()}
    mean = float(np.mean(list(before.values())))
    last = brentq(lambda top: np.mean([ladder(curve, top) for curve in curves.values()]) - mean, 0.01, 1.0)
    print(f"mean damage {mean:.4f}; severity 5 does {last:.3f}")
    for name, curve in curves.items():
        strengths = calibrated(name, curve, last)
        then, now = (" ".join(f"{x:.2f}" for x in d) for d in (before[name], done_by(curve, strengths)))
        bounded = ", bounded" if rising(curve)[1][-1] < last else ""
        print(f'    "{name}": ({", ".join(f"{x:.3g}" for x in strengths)}),  # {now}, was {then}{bounded}')
    spread = {title: np.std(list(values), axis=0) for title, values in (
        ("was", before.values()), ("is", (done_by(c, calibrated(n, c, last)) for n, c in curves.items()))
    )}  # fmt: skip
    for title, values in spread.items():
        print(f"standard deviation over operators, by severity, {title}: {np.round(values, 3).tolist()}")


if __name__ == "__main__":
    main()
