"""Tables that fit the terminal: numbers are never cut, and what does not fit is named below.

Columns have a rank. Where a terminal is too narrow, those of the highest rank are left out first, the last of one
rank before the first. Text may break into lines; a number may not. `--wide` shows every column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

NARROW_TEXT = 18
"""A text column may be broken to this width before a column is left out."""
BETWEEN = 3
"""Cells that a border and its padding take for each column."""


@dataclass(frozen=True)
class Column:
    """One column; of rank 0 it is always shown."""

    name: str
    number: bool = True
    """Aligned to the right, and never broken."""
    rank: int = 0


@dataclass(frozen=True)
class Grid:
    """Columns and their cells, drawn for the width that there is."""

    columns: Sequence[Column]
    rows: list[list[str | Text]] = field(default_factory=list)
    title: str = ""
    note: str = ""
    wide: bool = False
    """Every column, whatever the width; a console made with --wide does the same."""

    def natural(self, place: int) -> int:
        """Cells that column `place` takes unbroken."""
        cells = [self.columns[place].name, *(_plain(row[place]) for row in self.rows)]
        return max(cell_len(line) for cell in cells for line in cell.splitlines() or [""])

    def least(self, place: int) -> int:
        """Cells below which column `place` is not shown."""
        natural = self.natural(place)
        return natural if self.columns[place].number else min(natural, NARROW_TEXT)

    def fitting(self, width: int) -> list[int]:
        """Places of the columns that fit in `width` cells, in their order."""
        left = list(range(len(self.columns)))
        widths = [self.least(place) + BETWEEN for place in left]
        for place in sorted(left, key=lambda one: (-self.columns[one].rank, -one)):
            if sum(widths[one] for one in left) + 1 <= width or self.columns[place].rank == 0:
                break
            left.remove(place)
        return left

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        places = list(range(len(self.columns)))
        if self.wide or getattr(console, "wide", False):
            needed = sum(self.natural(place) + BETWEEN for place in places) + 1
            yield from console.render(self._table(places), options.update(width=max(needed, options.max_width)))
            return
        shown = self.fitting(options.max_width)
        if sum(self.least(place) + BETWEEN for place in shown) + 1 > options.max_width:
            yield from self._as_list(shown)
        else:
            yield self._table(shown)
        hidden = [self.columns[place].name for place in places if place not in shown]
        if hidden:
            yield Text(f"not shown: {', '.join(hidden)}. --wide shows all", style="dim")

    def _repr_html_(self) -> str:
        """Every column, for a notebook; the cells' text is escaped."""
        head = "".join(f"<th>{escape(column.name)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(map(_html, row, self.columns))}</tr>" for row in self.rows)
        title = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        note = f"<small>{escape(self.note)}</small>" if self.note else ""
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def _table(self, places: Sequence[int]) -> Table:
        made = Table(title=self.title or None, title_justify="left", caption=self.note or None, caption_justify="left")
        for place in places:
            column = self.columns[place]
            made.add_column(
                Text(column.name),
                justify="right" if column.number else "left",
                no_wrap=column.number,
                min_width=self.least(place),
                overflow="fold",
            )
        for row in self.rows:
            made.add_row(*(_text(row[place]) for place in places))
        return made

    def _as_list(self, places: Sequence[int]) -> Iterator[Text]:
        """A line a value, for windows that not even the first columns fit in."""
        if self.title:
            yield Text(self.title, style="italic")
        for row in self.rows:
            for order, place in enumerate(places):
                yield Text(f"{'' if order == 0 else '  '}{self.columns[place].name}: ").append(_text(row[place]))
        if self.note:
            yield Text(self.note, style="dim")


def _html(cell: str | Text, column: Column) -> str:
    side = "right" if column.number else "left"
    return f'<td style="text-align:{side};white-space:pre-line">{escape(_plain(cell))}</td>'


def _plain(cell: str | Text) -> str:
    return cell.plain if isinstance(cell, Text) else cell


def _text(cell: str | Text) -> Text:
    """Cells are never read as markup: brackets in a name are brackets."""
    return cell if isinstance(cell, Text) else Text(cell)
