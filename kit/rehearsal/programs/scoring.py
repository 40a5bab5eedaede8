"""The organisers' scoring program: `python scoring.py INPUT OUTPUT`.

INPUT/ref/labels.npy is the truth, INPUT/res/predictions.npy what the ingestion program wrote. Scores go to
OUTPUT/scores.json under the leaderboard's column keys.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np


def score(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Every metric of labels, over the classes that occur in the truth or, F1, among the predictions."""
    classes = np.union1d(y_true, y_pred)
    true, predicted = y_true == classes[:, None], y_pred == classes[:, None]
    hits, size, found = ((true & predicted).sum(1), true.sum(1), predicted.sum(1))
    f1_scores = 2 * hits / (size + found)
    accuracy = float(np.mean(y_pred == y_true))
    share, guess = size / len(y_true), found / len(y_true)
    apart = (classes[:, None] - classes[None]).astype(float) ** 2
    by_chance = float(share @ apart @ guess)
    spread = float((1 - share @ share) * (1 - guess @ guess))
    return {
        "accuracy": accuracy,
        "balanced_accuracy": float(np.mean(hits[size > 0] / size[size > 0])),
        "macro_f1": float(np.mean(f1_scores)),
        "micro_f1": accuracy,
        "weighted_f1": float(f1_scores @ share),
        "quadratic_kappa": 1 - float(np.mean((y_pred - y_true) ** 2.0)) / by_chance if by_chance > 0 else 0.0,
        "matthews": (accuracy - float(share @ guess)) / spread**0.5 if spread > 0 else 0.0,
    }


def main(input_folder: str, output_folder: str) -> None:
    """Compare predictions with the truth; a wrong number of predictions ends it with the reason."""
    y_true = np.load(os.path.join(input_folder, "ref", "labels.npy"), allow_pickle=False)
    path = os.path.join(input_folder, "res", "predictions.npy")
    if not os.path.isfile(path):
        sys.exit("predictions.npy is missing: the prediction run wrote none")
    y_pred = np.load(path, allow_pickle=False)
    if y_pred.shape != y_true.shape:
        sys.exit(f"predictions must have shape {y_true.shape}, but got {y_pred.shape}")
    with open(os.path.join(output_folder, "scores.json"), "w", encoding="utf-8") as file:
        json.dump(score(y_true, y_pred), file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
