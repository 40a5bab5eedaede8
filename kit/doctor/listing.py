"""The findings for a terminal: part by part, what is missing with what it is for and how to get it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kit.doctor.finding import Finding


def listing(found: Sequence[Finding]) -> Iterator[RenderableType]:
    """A heading and its findings for each part, in the width that there is; a command breaks only where it must."""
    for part, some in groupby(found, key=lambda one: one.part):
        yield Text(part, "bold")
        lines = Table.grid(padding=(0, 1, 0, 0))
        lines.add_column(no_wrap=True)
        lines.add_column(overflow="fold")
        for one in some:
            lines.add_row(Text("ok", "green") if one.fine else Text("-", "yellow"), Text(f"{one.name}: {one.value}"))
            if not one.fine:
                lines.add_row("", Text(f"needed for {one.missing_for}", "dim"))
                lines.add_row("", Text(f"get it: {one.fix}"))
        yield Padding(lines, (0, 0, 0, 2))
