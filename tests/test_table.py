from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from kit.options import Screen
from kit.table import Column, Grid

NUMBERS = ["0.9132", "0.0041", "12,345", "-0.0003", "0.8701", "1,234.5"]
COLUMNS = [
    Column("recipe", number=False),
    Column("clean"),
    Column("spread", rank=2),
    Column("rows", rank=3),
    Column("gap", rank=1),
    Column("shifted"),
    Column("seconds", rank=3),
    Column("remark", number=False, rank=1),
]
NAME = "a-recipe-with-a-name-that-is-longer-than-most-terminals-would-like[red]"
GRID = Grid(COLUMNS, [[NAME, *NUMBERS, "some words that may be broken into lines"]], "A title", "a note")


def drawn(grid: Grid, width: int, console: type[Console] = Console, **more: bool) -> str:
    file = io.StringIO()
    console(file=file, width=width, **more).print(grid)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("width", [*range(20, 200, 7), 80])
def test_at_any_width_numbers_are_whole_and_what_is_left_out_is_named(width: int) -> None:
    text = drawn(GRID, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for column, number in zip(COLUMNS[1:7], NUMBERS):
        hidden = "not shown: " in words and column.name in words.split("not shown: ")[1]
        assert (number in text) != hidden, (column.name, width)
    assert NUMBERS[0] in text
    assert NUMBERS[4] in text


def test_more_width_never_shows_less() -> None:
    shown = [set(GRID.fitting(width)) for width in range(10, 250)]
    assert all(narrow <= wide for narrow, wide in itertools.pairwise(shown))
    assert shown[-1] == set(range(len(COLUMNS)))


def test_the_least_important_columns_go_first() -> None:
    gone = [COLUMNS[place].rank for width in range(250, 30, -1) for place in missing(width + 1, width)]
    assert gone == sorted(gone, reverse=True)


def missing(wider: int, width: int) -> set[int]:
    return set(GRID.fitting(wider)) - set(GRID.fitting(width))


def test_wide_shows_every_column_whole() -> None:
    class Wide(Screen):
        def __init__(self, **more: object) -> None:
            super().__init__(wide=True, **more)

    text = drawn(GRID, 40, Wide)
    assert NAME in text
    assert all(number in text for number in NUMBERS)


def test_markup_in_cells_is_text() -> None:
    assert NAME in drawn(GRID, 300)


def test_wide_characters_count_double() -> None:
    grid = Grid([Column("recipe", number=False), Column("score"), Column("more", rank=1)], [["猫" * 9, "0.5", "1234"]])
    assert max(map(len, drawn(grid, 40).splitlines())) <= 40
