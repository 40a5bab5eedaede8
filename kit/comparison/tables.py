"""The comparison as text and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.table import Table

from kit.artefact import write_csv
from kit.comparison.measures import Difference, Measures

COLUMNS = ("recipe", "px", "epochs", "clean", "± folds", "prec.", "rec.", "F1", "shifted", "gap", "min", "M par")
ABLATED = ("technique", "without", "with", "Δ clean", "± se", "Δ shifted", "± se", "Δ F1")


def recipe_table(lines: Sequence[Measures], title: str) -> Table:
    """A line a recipe, best clean accuracy first."""
    made = _table(title, COLUMNS, left=("recipe",))
    for one in by_clean(lines):
        made.add_row(
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
        )
    made.caption = "prec., rec., F1: means over classes. gap: accuracy on training rows less clean"
    return made


def recall_table(lines: Sequence[Measures], class_names: tuple[str, ...]) -> Table:
    """Recall of every class on clean rows."""
    made = _table("Recall by class, clean", ("recipe", *class_names), left=("recipe",))
    for one in by_clean(lines):
        made.add_row(one.recipe, *(f"{value:.3f}" for value in one.recalls))
    return made


def ablation_table(differences: Sequence[Difference]) -> Table:
    """What each technique brought; a star where the difference is more than twice its standard error."""
    made = _table("Each technique against its own base", ABLATED, left=ABLATED[:3])
    for one in differences:
        made.add_row(
            one.technique,
            one.without,
            one.used,
            f"{one.clean:+.4f}{_star(one.clean, one.clean_se)}",
            f"{one.clean_se:.4f}",
            "-" if one.shifted is None else f"{one.shifted:+.4f}{_star(one.shifted, one.shifted_se or 0.0)}",
            _number(one.shifted_se),
            f"{one.macro_f1:+.3f}",
        )
    made.caption = "* more than twice its standard error, which is over rows: other seeds come on top"
    return made


def by_clean(lines: Sequence[Measures]) -> list[Measures]:
    """Best clean accuracy first."""
    return sorted(lines, key=lambda one: -one.clean)


def _star(value: float, se: float) -> str:
    return "*" if abs(value) > 2 * se else " "


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _table(title: str, columns: Sequence[str], left: Sequence[str]) -> Table:
    made = Table(title=title, title_justify="left")
    for name in columns:
        made.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return made


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
