"""Tables and JSON of rows, as every listing command prints them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from rich.console import Console

from kit.table import Column, Grid

Row = dict[str, Any]


def print_rows(console: Console, rows: Sequence[Row], title: str = "", last: Collection[str] = ()) -> None:
    """`rows` as a table with the keys of the first as columns.

    In a narrow terminal the columns named in `last` are left out first, then the others from the right; the first
    two always stay.
    """
    if not rows:
        console.print(f"{title or 'nothing'}: no rows" if title else "no rows", markup=False)
        return
    columns = []
    for place, name in enumerate(rows[0]):
        number = any(isinstance(row[name], (int, float)) and not isinstance(row[name], bool) for row in rows)
        rank = 0 if place < 2 else 2 if name in last else 1
        columns.append(Column(name.replace("_", " "), number, rank))
    console.print(Grid(columns, [[_cell(row[name]) for name in rows[0]] for row in rows], title))


def records(table: pd.DataFrame) -> list[Row]:
    """A data frame's rows as plain dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value))
