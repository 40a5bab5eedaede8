"""Figures that hold the recipes against each other."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from kit.ensemble.scoring.leaderboard import by_fold
from kit.ensemble.scoring.scores import Score
from kit.report.breakdown import by_family, by_severity
from kit.report.drawing import FAILS_TO_HOLDS, INK, PALETTE, REST, colour, drawn, grid_of_cells, short
from kit.report.material import Board

MOST_LINES = 24
"""Recipes in the heat map; the best of them."""


def clean_against_shifted(board: Board, blend: Score | None) -> Markup:
    """Every recipe as a point with its standard errors: clean score across, shifted score up."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place in reversed(range(len(board.scores))):
            _point(axes, board.scores[place], place)
        if blend is not None and blend.shifted is not None:
            axes.scatter(blend.clean, blend.shifted, marker="*", s=210, color=INK, zorder=5, linewidth=0)
        axes.set(xlabel=f"clean {board.metric}", ylabel=f"shifted {board.metric}")
        axes.margins(0.12)
        _legend(figure, board, blend is not None)

    return drawn("clean against shifted", (10.4, 4.2), draw)


def _point(axes: Axes, score: Score, place: int) -> None:
    fill = colour(place)
    assert score.shifted is not None
    axes.errorbar(
        score.clean, score.shifted, xerr=score.clean_se, yerr=score.shifted_se,
        fmt="o", color=fill, elinewidth=1.1, capsize=2.5, markersize=12, alpha=0.95, zorder=3 if fill != REST else 2,
    )  # fmt: skip
    where = (score.clean, score.shifted)
    axes.annotate(str(place + 1), where, color="white", ha="center", va="center", fontsize=7.5, weight="bold", zorder=4)


def _legend(figure: Figure, board: Board, blended: bool) -> None:
    """Names beside the axes, best first."""
    names = board.pool.names
    chosen = _chosen(board)
    handles = [_dot(colour(place), f"{place + 1}  {short(names[place])}") for place in chosen]
    if len(names) > len(chosen):
        handles.append(_dot(REST, f"{len(names) - len(chosen)} more"))
    if blended:
        handles.append(Line2D([], [], marker="*", color=INK, linestyle="", markersize=12, label="the blend"))
    figure.legend(handles=handles, loc="outside right upper", handletextpad=0.4)


def _dot(fill: str, label: str) -> Line2D:
    return Line2D([], [], marker="o", color=fill, linestyle="", markersize=8, label=label)


def _chosen(board: Board) -> list[int]:
    """Places of the recipes that are named: the best ones, and the one that a clean validation would choose."""
    cleanest = max(range(len(board.scores)), key=lambda place: board.scores[place].gain("clean"))
    return sorted({*range(min(len(board.runs), len(PALETTE))), cleanest})


def severities(board: Board, blend: np.ndarray | None) -> Markup:
    """A line a recipe: score by severity of shift, 0 being the clean image; blend (N, 1 + K, C)."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place in reversed(_chosen(board)):
            line = by_severity(board.pool.proba[place], board.pool)
            axes.plot(list(line), list(line.values()), "o-", color=colour(place), markersize=4, linewidth=1.4)
        if blend is not None:
            line = by_severity(blend, board.pool)
            axes.plot(list(line), list(line.values()), "*-", color=INK, markersize=11, linewidth=2.6, zorder=4)
        axes.set(xlabel="severity (0: clean)", ylabel=board.metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure, board, blend is not None)

    return drawn("severities", (10.4, 3.7), draw)


def families(board: Board, blend: np.ndarray | None) -> Markup:
    """Heat map of the shifted score: a line a recipe, a column a family (and one for clean rows).

    A star where training knew the family.
    """
    lines = [("the blend", blend, ())] if blend is not None else []
    lines += [
        (f"{place + 1}  {short(board.pool.names[place])}", board.pool.proba[place], row["trained_on"])
        for place, row in enumerate(board.rows[:MOST_LINES])
    ]
    found = [{"clean": by_severity(proba, board.pool)[0]} | by_family(proba, board.pool) for _, proba, _ in lines]
    columns = list(found[0])
    values = np.array([[line[family] for family in columns] for line in found])
    texts = [
        [f"{value:.2f}".removeprefix("0") + "*" * (family in known) for value, family in zip(row, columns)]
        for row, (_, _, known) in zip(values, lines)
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        grid_of_cells(axes, FAILS_TO_HOLDS(values), texts)
        axes.axvline(1, color=INK, linewidth=2)
        axes.set_yticks(np.arange(len(lines)) + 0.5, [name for name, _, _ in lines])
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=28, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()

    return drawn("families", (2.4 + 0.74 * len(columns), 1.0 + 0.31 * len(lines)), draw)


def fold_spread(board: Board) -> Markup:
    """Score of every fold, a line a recipe, best on top; clean and shifted side by side."""
    rows = board.rows[:MOST_LINES]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2 if board.shifted else 1, sharey=True, squeeze=False)[0]
        for axes, key in zip(panels, ("clean", "shifted")):
            for place in range(len(rows)):
                _folds(axes, by_fold(board.pool, board.pool.proba[place], board.runs[0].folds)[key], place)
            axes.set(title=key, xlabel=f"{board.metric} of each fold")
        panels[0].set_yticks(range(len(rows)), [short(row["recipe"]) for row in rows])
        panels[0].invert_yaxis()

    return drawn("fold spread", (10.4, 1.15 + 0.26 * len(rows)), draw)


def _folds(axes: Axes, scores: list[float], place: int) -> None:
    axes.plot([min(scores), max(scores)], [place, place], color=colour(place), linewidth=1.2, alpha=0.5)
    axes.plot(scores, [place] * len(scores), "o", color=colour(place), markersize=5, alpha=0.85)
