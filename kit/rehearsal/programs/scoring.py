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
    """Accuracy, balanced accuracy and macro F1 over the classes that occur in the truth."""
    recalls, f1_scores = [], []
    for label in np.unique(y_true):
        hits = float(np.sum((y_pred == label) & (y_true == label)))
        recalls.append(hits / np.sum(y_true == label))
        f1_scores.append(2 * hits / (np.sum(y_true == label) + np.sum(y_pred == label)))
    return {
        "accuracy": float(np.mean(y_pred == y_true)),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": float(np.mean(f1_scores)),
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
