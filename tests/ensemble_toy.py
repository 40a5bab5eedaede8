"""Simulated out-of-fold runs: networks of known skill on images of known difficulty."""

from __future__ import annotations

import numpy as np

from kit.oof_store import OofRun

CELLS = tuple(
    f"{op}@{s}" for op in ("blur.motion", "blur.gauss", "noise.shot", "colour.hue") for s in (1, 3, 5)
)


def make_runs(
    members: int = 6,
    rows: int = 600,
    classes: int = 4,
    cells: int = 3,
    views: int = 1,
    seed: int = 0,
    skill: float = 2.0,
) -> list[OofRun]:
    """Members whose skill falls with their number on clean rows, and rises on shifted ones."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    ids = np.array([f"{row:05d}" for row in range(rows)])
    folds = rng.permutation(rows) % 5
    drawn = rng.integers(len(CELLS), size=(rows, cells))
    severity = np.array([int(name[-1]) for name in CELLS])[drawn]
    hard = rng.normal(size=(rows, 1, 1, classes))  # what all networks get wrong together
    truth = np.eye(classes)[labels][:, None, None, :]
    runs = []
    for member in range(members):
        good = skill * (1 + 0.1 * (members - member) / members)
        level = np.concatenate([np.full((rows, 1), good), good - severity * (0.25 - 0.02 * member)], axis=1)
        own = rng.normal(size=(rows, 1 + cells, 1, classes))
        each = 0.3 * rng.normal(size=(rows, 1 + cells, views, classes))
        logits = ((level[:, :, None, None] * truth + 0.7 * hard + 0.7 * own + each) * 2).astype(np.float32)
        runs.append(
            OofRun(
                f"net{member}",
                ids,
                folds,
                labels,
                logits[:, 0],
                logits[:, 1:],
                drawn,
                CELLS,
                ("identity", "hflip", "vflip", "rot90")[:views],
                {"digests": {"data": "d" * 64, "folds": "f" * 64}},
            )
        )
    return runs
