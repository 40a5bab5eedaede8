from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from kit.train.progress import FitDisplay, fit_bars


def test_away_from_a_terminal_there_is_one_line_a_fit() -> None:
    lines: list[str] = []
    with fit_bars() as bars:
        assert bars is None
        display = FitDisplay("tiny fold 0", 100, 0, bars, lines.append)
        display.step(1, 1.5, 0.5, 8)
        display.note("scoring held-out rows 5 of 10")
        display.close("100 steps, 3 s")
    assert lines == ["tiny fold 0: 100 steps, 3 s"]


def test_on_a_terminal_the_bar_shows_loss_score_speed_and_goes_on_where_it_stopped() -> None:
    out = io.StringIO()
    lines: list[str] = []
    with Progress(console=Console(file=out, force_terminal=True)) as bars:
        display = FitDisplay("tiny fold 0", 100, 40, bars, lines.append)
        assert bars.tasks[0].completed == 40
        display.step(41, 1.25, 0.5, 8)
        task = bars.tasks[0]
        assert (task.description, task.total, task.completed) == ("tiny fold 0", 100, 41)
        assert re.fullmatch(r"loss 1\.250  train score 0\.500  [\d,]+ img/s", task.fields["state"])
        display.note("scoring held-out rows 5 of 10")
        assert task.fields["state"] == "scoring held-out rows 5 of 10"
        display.close("done")
        assert bars.tasks == []
    assert lines == ["tiny fold 0: done"]


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with fit_bars() as bars:
        assert isinstance(bars, Progress)
