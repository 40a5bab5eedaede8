"""The comparison as text and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.text import Text

from kit.artefact import write_csv
from kit.comparison.measures import Difference, Measures
from kit.table import Column, Grid

COLUMNS = (
    Column("recipe", number=False),
    Column("px", rank=3),
    Column("epochs", rank=4),
    Column("clean"),
    Column("± folds", rank=2),
    Column("prec.", rank=4),
    Column("rec.", rank=4),
    Column("F1", rank=2),
    Column("shifted"),
    Column("gap", rank=1),
    Column("min", rank=2),
    Column("M par", rank=3),
)
ABLATED = (
    Column("technique", number=False),
    Column("without", number=False, rank=2),
    Column("with", number=False, rank=1),
    Column("Δ clean"),
    Column("± se"),
    Column("Δ shifted"),
    Column("± se", rank=1),
    Column("Δ F1", rank=2),
)


def recipe_table(lines: Sequence[Measures], title: str) -> Grid:
    """A line a recipe, best clean accuracy first."""
    note = "prec., rec., F1: means over classes. gap: accuracy on training rows less clean"
    return Grid(COLUMNS, [_cells(one) for one in by_clean(lines)], title, note)


def _cells(one: Measures) -> list[str | Text]:
    return [
        one.recipe,
        f"{one.size}",
        f"{one.epochs:g}",
        f"{one.clean:.4f}",
        _number(one.spread),
        f"{one.precision:.3f}",
        f"{one.recall:.3f}",
        f"{one.f1:.3f}",
        _number(one.shifted),
        f"{one.gap:+.3f}",
        f"{one.minutes:.1f}",
        f"{one.parameters / 1e6:.2f}",
    ]


def recall_table(lines: Sequence[Measures], class_names: tuple[str, ...]) -> Grid:
    """Recall of every class on clean rows; in a narrow terminal the classes that all recipes know go first."""
    worst_first = sorted(range(len(class_names)), key=lambda one: min((line.recalls[one] for line in lines), default=0))
    ranks = {place: order + 1 for order, place in enumerate(worst_first)}
    columns = [Column(name, rank=ranks[place]) for place, name in enumerate(class_names)]
    rows: list[list[str | Text]] = [
        [one.recipe, *(f"{value:.3f}" for value in one.recalls)] for one in by_clean(lines)
    ]
    return Grid([Column("recipe", number=False), *columns], rows, "Recall by class, clean")


def ablation_table(differences: Sequence[Difference]) -> Grid:
    """What each technique brought; a star where the difference is more than twice its standard error."""
    note = "* more than twice its standard error, which is over rows: other seeds come on top"
    rows: list[list[str | Text]] = [
        [
            one.technique,
            one.without,
            one.used,
            f"{one.clean:+.4f}{_star(one.clean, one.clean_se)}",
            f"{one.clean_se:.4f}",
            "-" if one.shifted is None else f"{one.shifted:+.4f}{_star(one.shifted, one.shifted_se or 0.0)}",
            _number(one.shifted_se),
            f"{one.macro_f1:+.3f}",
        ]
        for one in differences
    ]
    return Grid(ABLATED, rows, "Each technique against its own base", note)


def by_clean(lines: Sequence[Measures]) -> list[Measures]:
    """Best clean accuracy first."""
    return sorted(lines, key=lambda one: -one.clean)


def _star(value: float, se: float) -> str:
    return "*" if abs(value) > 2 * se else " "


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def write_tables(
    folder: Path, lines: Sequence[Measures], differences: Sequence[Difference], class_names: tuple[str, ...]
) -> list[Path]:
    """recipes.csv, and techniques.csv where techniques were compared."""
    tables = {"recipes.csv": [one.row(class_names) for one in by_clean(lines)]}
    if differences:
        tables["techniques.csv"] = [one.row for one in differences]
    for name, rows in tables.items():
        write_csv(folder / name, pd.DataFrame(rows))
    return [folder / name for name in tables]
