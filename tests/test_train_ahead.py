"""Batches made several at once are those that would be made one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kit.train.ahead import Ahead
from kit.train.rows import Rows

BATCHES = [torch.arange(4) + 4 * number for number in range(7)]


class Made:
    """Makes images that say their row; remembers how many were asked for at once."""

    def __init__(self, pixels: int) -> None:
        self.asked: list[int] = []
        self.size = 8
        self.ahead = Ahead(self, pixels)

    def __call__(self, rows: Tensor) -> Tensor:
        self.asked.append(len(rows))
        return rows.float().view(-1, 1, 1, 1).expand(-1, 3, self.size, self.size)

    def take(self, rows: Tensor) -> Tensor:
        """As `Batches` does."""
        found = self.ahead.take(rows, self.size)
        return self(rows) if found is None else found

    def over(self) -> list[Tensor]:
        """All batches, each taken."""
        return [self.take(rows)[:, 0, 0, 0].long() for rows in self.ahead.over(iter(BATCHES), lambda: self.size)]


@pytest.mark.parametrize(
    ("pixels", "asked"), [(0, [4] * 7), (4 * 64, [4] * 7), (3 * 4 * 64, [12, 12, 4]), (10**6, [28])]
)
def test_every_batch_comes_once_in_order_however_many_are_made_at_once(pixels: int, asked: list[int]) -> None:
    made = Made(pixels)
    assert torch.equal(torch.cat(made.over()), torch.arange(28))
    assert made.asked == asked


def test_other_rows_are_made_by_themselves_and_what_was_not_taken_is_let_go() -> None:
    made = Made(10**6)
    for number, rows in enumerate(made.ahead.over(iter(BATCHES), lambda: made.size)):
        if number == 2:  # in parts, as where memory is short
            assert torch.equal(torch.cat([made.take(part)[:, 0, 0, 0] for part in rows.split(2)]).long(), rows)
            continue
        assert torch.equal(made.take(rows)[:, 0, 0, 0].long(), rows)
    assert made.asked == [28, 2, 2]


def test_a_second_view_of_a_batch_is_another_draw() -> None:
    made = Made(10**6)
    rows = next(made.ahead.over(iter(BATCHES), lambda: made.size))
    made.take(rows)
    made.take(rows)
    assert made.asked == [28, 4]


def test_a_new_size_makes_the_rest_anew() -> None:
    made = Made(10**6)
    for number, rows in enumerate(made.ahead.over(iter(BATCHES), lambda: made.size)):
        made.size = 8 if number < 3 else 16
        assert made.take(rows).shape[-1] == made.size
    assert made.asked == [28, 16]


def test_where_memory_runs_out_it_is_all_let_go() -> None:
    made = Made(10**6)
    for number, rows in enumerate(made.ahead.over(iter(BATCHES), lambda: made.size)):
        made.take(rows)
        if number == 1:
            made.ahead.forget()
    assert made.asked == [28, 4, 4, 4, 4, 4]


def test_rows_are_kept_where_they_fit_and_indexed_alike() -> None:
    values, rows = torch.rand(9, 2), torch.tensor([3, 3, 0])
    for keep in (True, False):
        assert torch.equal(Rows(values, torch.device("cpu"), keep)[rows], values[rows])
