"""Tables and JSON of rows, as every listing command prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def print_rows(console: Console, rows: Sequence[Row], title: str = "") -> None:
    """`rows` as a table with the keys of the first as columns."""
    table = Table(title=title or None, title_justify="left")
    for name in rows[0] if rows else ():
        number = isinstance(rows[0][name], (int, float))
        table.add_column(name.replace("_", " "), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
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
