"""Figures of one blend: where it errs, and how far its probabilities can be believed."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kit.ensemble.blend import Blend
from kit.ensemble.scoring.reliability import Reliability, reliability
from kit.metrics.registry import get_metric
from kit.report.breakdown import confusion, recall, shifted_rows
from kit.report.drawing import ACHIEVED, CLEAN, FAILS_TO_HOLDS, INK, SHIFTED, drawn, grid_of_cells, short

INTERVAL = "#9db8d9"

MOST_NUMBERS = 14
"""Classes up to which a confusion matrix has its numbers written in."""

MOST_CLASSES = 30
"""Classes in the figure of recalls; the worst of them."""

Parts = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name of a part of the rows ("clean", "shifted") -> proba (R, C), labels (R,)."""


def parts(proba: np.ndarray, labels: np.ndarray) -> Parts:
    """The clean rows of proba (N, 1 + K, C), and the shifted ones where there are some."""
    clean: Parts = {"clean": (proba[:, 0], labels)}
    return clean | ({"shifted": shifted_rows(proba, labels)} if proba.shape[1] > 1 else {})


def confusion_matrices(predictions: Parts, classes: tuple[str, ...]) -> Markup:
    """One matrix a part: rows are true classes, columns predictions, in per cent of the true class."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(predictions), squeeze=False)[0]
        for axes, (name, (proba, labels)) in zip(panels, predictions.items()):
            _matrix(axes, confusion(proba, labels), classes)
            axes.set(title=name, xlabel="predicted")
        panels[0].set_ylabel("true")
        panels[0].set_yticks(np.arange(len(classes)) + 0.5, [short(name, 18) for name in classes])

    side = min(max(0.47 * len(classes), 2.6), 6.0)
    return drawn("confusion", (1.2 + (side + 0.2) * len(predictions), side + 1.2), draw)


def _matrix(axes: Axes, counts: np.ndarray, classes: tuple[str, ...]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Right predictions towards blue; wrong ones towards red, fully so from 40 % on.
    diagonal = np.eye(len(share), dtype=bool)
    fills = FAILS_TO_HOLDS(np.where(diagonal, 0.5 + 0.5 * share, 0.5 - 0.5 * np.minimum(share / 0.4, 1.0)))
    texts = None
    if len(classes) <= MOST_NUMBERS:
        texts = [[_per_cent(value, bool(count)) for value, count in zip(*row)] for row in zip(share, counts)]
    grid_of_cells(axes, fills, texts)
    names = [short(name, 18) for name in classes]
    axes.set_xticks(np.arange(len(classes)) + 0.5, names, rotation=50, ha="right", rotation_mode="anchor")
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
        axes.set_yticks(range(len(order)), [f"{short(classes[place], 18)} ({rows[place]:,})" for place in order])
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
        upper.legend(loc="upper left")

    return drawn("reliability", (5.2, 4.6), draw)


def _curve(upper: Axes, lower: Axes, curve: Reliability, fill: str, label: str) -> None:
    upper.plot(curve.confidence, curve.accuracy, "o-", color=fill, markersize=4.5, linewidth=1.6, label=label)
    share = curve.count / curve.count.sum()
    lower.fill_between(curve.confidence, share, color=fill, alpha=0.25, linewidth=0)
    lower.plot(curve.confidence, share, color=fill, linewidth=1.2)


def expectation(blend: Blend, hidden: float | None, remote: list[float]) -> Markup:
    """The interval that the hidden score is expected in, and the scores that are known, on one line."""
    expected, nested = blend.expected, blend.nested
    marks = [(nested.clean, "o", CLEAN, "clean, nested")]
    marks += [(hidden, "D", ACHIEVED, "achieved on the practice contest's hidden test")] if hidden is not None else []
    marks += [(score, "s", SHIFTED, "achieved on the platform") for score in remote]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([expected.low, expected.high], [0, 0], color=INTERVAL, linewidth=11, solid_capstyle="round")
        axes.plot(expected.point, 0, "|", color=INK, markersize=22, markeredgewidth=2.2)
        for score, marker, fill, _ in marks:
            axes.plot(score, 0, marker, color=fill, markersize=10, markeredgecolor="white", markeredgewidth=1)
        axes.set(ylim=(-1, 1), yticks=[], xlabel=get_metric(blend.metric).title)
        axes.margins(x=0.06)
        axes.spines["left"].set_visible(False)
        handles = [
            Line2D([], [], color=INTERVAL, linewidth=9, label=f"expected, {expected.level:.0%} interval"),
            *(_mark(*mark[1:]) for mark in {mark[3]: mark for mark in marks}.values()),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)

    return drawn("expectation", (11.0, 1.6), draw)



def _mark(marker: str, fill: str, label: str) -> Line2D:
    return Line2D([], [], marker=marker, color=fill, linestyle="", markersize=9, label=label)
