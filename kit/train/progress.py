"""What long work shows: bars with loss, score, images per second and ETA on a terminal or in a notebook, a line a fold
elsewhere."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kit.echo import Echo, asked_for


class FitDisplay:
    """The bar of one fit; `step` is cheap enough to be called at every batch."""

    def __init__(self, title: str, total: int, done: int, bars: Progress | None, echo: Echo) -> None:
        self.title, self.bars, self.echo = title, bars, echo
        self.images, self.started = 0, time.perf_counter()
        self.task: TaskID | None = None
        if bars is not None:
            self.task = bars.add_task(title, total=total, completed=done, state="")

    def step(self, number: int, loss: float, score: float, images: int) -> None:
        """After optimiser step `number`: running means of loss and training accuracy, and its batch size."""
        self.images += images
        if self.bars is not None and self.task is not None:
            speed = self.images / max(1e-9, time.perf_counter() - self.started)
            state = f"loss {loss:.3f}  train score {score:.3f}  {speed:,.0f} img/s"
            self.bars.update(self.task, completed=number, state=state)

    def note(self, text: str) -> None:
        """Shows what happens after the last step."""
        if self.bars is not None and self.task is not None:
            self.bars.update(self.task, state=text)

    def close(self, summary: str) -> None:
        """Takes the bar away and prints the line that stays."""
        if self.bars is not None and self.task is not None:
            self.bars.remove_task(self.task)
        self.echo(f"{self.title}: {summary}")


@contextmanager
def fit_bars(wanted: bool = True) -> Iterator[Progress | None]:
    """A live display on a terminal or in a notebook.

    None where output goes to a file or a pipe, where none is wanted, and with --quiet.
    """
    console = Console(file=sys.stderr)
    if not wanted or asked_for("quiet") or not (console.is_terminal or _has_widgets(console)):
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[state]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield bars


def _has_widgets(console: Console) -> bool:
    """Whether a notebook can draw a bar, which takes ipywidgets; without it, the lines have to do."""
    return console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
