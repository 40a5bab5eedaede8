"""Tables and JSON of rows, as every listing command prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def print_rows(console: Console, rows: Sequence[Row], title: str = "") -> None:
    """`rows` as a table with the keys of the first as columns; numbers stay whole, whatever the width."""
    cells = [[_cell(value) for value in row.values()] for row in rows]
    table = Table(title=title or None, title_justify="left", padding=(0, 1, 0, 0))
    for place, name in enumerate(rows[0] if rows else ()):
        number = isinstance(rows[0][name], (int, float))
        least = max(len(row[place]) for row in cells) if number else None
        table.add_column(name.replace("_", " "), justify="right" if number else "left", min_width=least)
    for row in cells:
        table.add_row(*row)
    console.print(table)


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
