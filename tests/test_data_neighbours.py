"""The nearest rows: exact where all cells are looked at, nearly so beyond, and at a cost that stays linear."""

import numpy as np
import pytest

from kit.data.cleaning import neighbours
from kit.data.cleaning.neighbours import nearest


def brute_force(points, count):
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    return np.sort(gaps, axis=1)[:, :count]


def cloud(rows, dimensions=8, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)


@pytest.mark.parametrize("rows", [2, 5, 60, 700])
def test_few_rows_are_compared_with_all(rows):
    points = cloud(rows)
    distances, found = nearest(points, 4)
    np.testing.assert_allclose(np.sort(distances, axis=1), brute_force(points, min(4, rows - 1)), rtol=1e-4)
    assert (found != np.arange(rows)[:, None]).all()
    np.testing.assert_allclose(distances, np.linalg.norm(points[found] - points[:, None], axis=2), rtol=1e-5)


def test_far_from_zero_close_rows_are_told_apart():
    points = cloud(300) + 1000
    points[7] = points[5] + np.float32(0.01)
    distances, found = nearest(points, 1)
    assert found[[5, 7], 0].tolist() == [7, 5]
    assert distances[5, 0] == pytest.approx(0.01 * 8**0.5, rel=0.02)


def test_copies_are_found_among_many_cells(monkeypatch):
    monkeypatch.setattr(neighbours, "CELL", 16)
    originals = cloud(3000, 32)
    copies = originals[:600] + 0.1 * cloud(600, 32, seed=1)
    _, found = nearest(np.concatenate([originals, copies]), 4)
    assert np.mean((found[3000:] == np.arange(600)[:, None]).any(axis=1)) > 0.99


def test_each_row_is_compared_with_a_bounded_number_also_where_all_are_equal(monkeypatch):
    monkeypatch.setattr(neighbours, "CELL", 16)
    compared = []
    squares = neighbours._squares
    monkeypatch.setattr(neighbours, "_squares", lambda *given: compared.append(squares(*given)) or compared[-1])
    for points in (cloud(3000), np.zeros((3000, 8), np.float32)):
        compared.clear()
        nearest(points, 4)
        cells = compared[0].shape[1]
        assert 3000 / 16 <= cells < 2 * 3000 / 16
        assert sum(one.size for one in compared) <= 3000 * (cells + 16 * neighbours.CELLS)
