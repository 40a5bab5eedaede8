"""Figures of one blend: where it errs, and how far its probabilities can be believed."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit.ensemble.scoring.reliability import Reliability, reliability
from kit.report.breakdown import confusion, recall, shifted_rows
from kit.report.drawing import CLEAN, FAILS_TO_HOLDS, INK, SHIFTED, drawn, grid_of_cells, short_all

MOST_NUMBERS = 14
"""Classes up to which a confusion matrix has its numbers written in."""

MOST_CLASSES = 30
"""Classes in the figures of recalls and of confusion; the worst of them."""

Parts = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name of a part of the rows ("clean", "shifted") -> proba (R, C), labels (R,)."""


def parts(proba: np.ndarray, labels: np.ndarray) -> Parts:
    """The clean rows of proba (N, 1 + K, C), and the shifted ones where there are some."""
    clean: Parts = {"clean": (proba[:, 0], labels)}
    return clean | ({"shifted": shifted_rows(proba, labels)} if proba.shape[1] > 1 else {})


def shown_classes(predictions: Parts) -> np.ndarray:
    """Places of the classes in the confusion matrices: all, or the MOST_CLASSES that take part in most mistakes."""
    proba, labels = list(predictions.values())[-1]
    counts = confusion(proba, labels)
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])


def confusion_matrices(predictions: Parts, classes: tuple[str, ...]) -> Markup:
    """One matrix a part: rows are true classes, columns predictions, in per cent of the true class."""
    places = shown_classes(predictions)
    names = short_all([classes[place] for place in places], 18)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(predictions), squeeze=False)[0]
        for axes, (name, (proba, labels)) in zip(panels, predictions.items()):
            _matrix(axes, confusion(proba, labels), places, names)
            axes.set(title=name, xlabel="predicted")
        panels[0].set_ylabel("true")
        panels[0].set_yticks(np.arange(len(names)) + 0.5, names)

    side = min(max(0.47 * len(names), 2.6), 6.0)
    return drawn("confusion", (1.2 + (side + 0.2) * len(predictions), side + 1.2), draw)


def _matrix(axes: Axes, counts: np.ndarray, places: np.ndarray, names: list[str]) -> None:
    """`counts` (C, C) of all classes, of which `places` are shown."""
    share = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[np.ix_(places, places)]
    counts = counts[np.ix_(places, places)]
    # Right predictions towards blue; wrong ones towards red, fully so from 40 % on.
    diagonal = np.eye(len(share), dtype=bool)
    fills = FAILS_TO_HOLDS(np.where(diagonal, 0.5 + 0.5 * share, 0.5 - 0.5 * np.minimum(share / 0.4, 1.0)))
    texts = None
    if len(names) <= MOST_NUMBERS:
        texts = [[_per_cent(value, bool(count)) for value, count in zip(*row)] for row in zip(share, counts)]
    grid_of_cells(axes, fills, texts)
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks([])


def _per_cent(share: float, some: bool) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "·" if some else ""


def recalls(predictions: Parts, classes: tuple[str, ...]) -> Markup:
    """A line a class, worst on top: recall on clean and on shifted rows, and how many rows it has."""
    counts = {name: confusion(proba, labels) for name, (proba, labels) in predictions.items()}
    found = {name: recall(count) for name, count in counts.items()}
    rows = counts["clean"].sum(axis=1)
    order = [place for place in np.argsort(list(found.values())[-1]) if rows[place]][:MOST_CLASSES]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for line, place in enumerate(order):
            ends = [values[place] for values in found.values()]
            axes.plot(ends, [line] * len(ends), color=INK, linewidth=1.4, alpha=0.25, zorder=1)
        for (name, values), fill in zip(found.items(), (CLEAN, SHIFTED)):
            axes.plot(values[order], range(len(order)), "o", color=fill, markersize=7, label=name)
        names = short_all([classes[place] for place in order], 18)
        axes.set_yticks(range(len(order)), [f"{name} ({rows[place]:,})" for name, place in zip(names, order)])
        axes.set(xlim=(-0.03, 1.03), xlabel="recall")
        axes.invert_yaxis()
        figure.legend(loc="outside upper right", ncols=2)

    return drawn("recalls", (5.2, max(4.6, 1.2 + 0.25 * len(order))), draw)


def reliabilities(predictions: Parts) -> Markup:
    """Accuracy by confidence, against the line of honesty; below, how many rows have that confidence."""
    curves = {name: reliability(proba, labels) for name, (proba, labels) in predictions.items()}

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color=INK, linewidth=1, alpha=0.35, linestyle=(0, (4, 3)))
        for (name, curve), fill in zip(curves.items(), (CLEAN, SHIFTED)):
            _curve(upper, lower, curve, fill, f"{name}, off by {100 * curve.error:.1f} ± {100 * curve.se:.1f} points")
        upper.set(xlim=(0, 1.02), ylim=(0, 1.02), ylabel="share that is right")
        lower.set(xlabel="confidence of the prediction", ylabel="rows")
        lower.yaxis.set_major_formatter("{x:.0%}")
        figure.legend(loc="outside upper left")

    return drawn("reliability", (5.2, 4.6), draw)


def _curve(upper: Axes, lower: Axes, curve: Reliability, fill: str, label: str) -> None:
    upper.plot(curve.confidence, curve.accuracy, "o-", color=fill, markersize=4.5, linewidth=1.6, label=label)
    share = curve.count / curve.count.sum()
    lower.fill_between(curve.confidence, share, color=fill, alpha=0.25, linewidth=0)
    lower.plot(curve.confidence, share, color=fill, linewidth=1.2)
