"""The comparison as one figure: recipes by score on the left, techniques by what they bring on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit.artefact import write_text
from kit.comparison.measures import Difference, Measures
from kit.comparison.tables import by_clean
from kit.report.drawing import CLEAN, INK, SHIFTED, drawn, short

LONGEST = 44


def write_figure(path: Path, lines: Sequence[Measures], differences: Sequence[Difference]) -> None:
    """An SVG that takes its colour of text from the page it stands in."""
    height = max(2.5, 0.9 + 0.24 * max(len(lines), len(differences)))

    def draw(figure: Figure) -> None:
        if not differences:
            _recipes(figure.subplots(), by_clean(lines))
        else:
            left, right = figure.subplots(1, 2)
            _recipes(left, by_clean(lines))
            _techniques(right, differences)
        figure.legend(loc="outside upper right", ncols=4)

    write_text(path, str(drawn("comparison", (13.0 if differences else 8.0, height), draw)))


def _recipes(axes: Axes, lines: Sequence[Measures]) -> None:
    places = range(len(lines))
    axes.plot([one.training for one in lines], places, "|", color=INK, markersize=9, label="training rows")
    axes.plot([one.clean for one in lines], places, "o", color=CLEAN, label="clean, out of fold")
    shifted = [(one.shifted, place) for one, place in zip(lines, places) if one.shifted is not None]
    axes.plot([score for score, _ in shifted], [place for _, place in shifted], "o", color=SHIFTED, label="shifted")
    axes.set_yticks(places, [short(one.recipe, LONGEST) for one in lines])
    axes.set(xlabel="accuracy", title="Recipes")
    axes.invert_yaxis()


def _techniques(axes: Axes, differences: Sequence[Difference]) -> None:
    for place, one in enumerate(differences):
        bars: list[tuple[float | None, float | None, str, float]]
        bars = [(one.clean, one.clean_se, CLEAN, -0.13), (one.shifted, one.shifted_se, SHIFTED, 0.13)]
        for value, se, fill, lift in bars:
            if value is not None:
                spread = 200 * (se or 0.0)
                axes.errorbar(100 * value, place + lift, xerr=spread, fmt="o", color=fill, markersize=4, linewidth=1.2)
    axes.axvline(0, color=INK, linewidth=0.8, alpha=0.5)
    named = [f"{one.technique}  ({short(min(one.used, one.without, key=len), 26)})" for one in differences]
    axes.set_yticks(range(len(differences)), named)
    axes.set(xlabel="points of accuracy that it brings, with two standard errors", title="Techniques")
    axes.invert_yaxis()
