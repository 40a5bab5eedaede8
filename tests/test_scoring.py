from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Toy

from kit.config import ShiftConfig
from kit.inference.model import load_runner
from kit.shifts.battery import Battery
from kit.train import scoring
from kit.train.scoring import score_rows

CPU = torch.device("cpu")
BATTERY = Battery.from_config(ShiftConfig(battery=["noise.shot", "blur.motion", "mixture"], cells_per_row=3))


def scored(toy: Toy, rows: np.ndarray, battery: Battery = BATTERY) -> dict[str, np.ndarray]:
    folder, spec = member(toy)
    return score_rows(folder, spec, toy.prepared(), rows, battery, CPU, lambda text: None)


def member(toy: Toy) -> tuple[Path, dict[str, Any]]:
    from kit.artefact import read_json

    folder = toy.workspace.run("toy", "mini") / "fold0"
    return folder, read_json(folder / "member.json")


def test_every_array_is_aligned_with_the_rows_asked_for(trained: Toy) -> None:
    prepared, rows = trained.prepared(), np.array([7, 3, 50])
    found = scored(trained, rows)
    np.testing.assert_array_equal(found["ids"], prepared.ids[rows])
    np.testing.assert_array_equal(found["labels"], prepared.labels[rows])
    shapes = {name: array.shape for name, array in found.items() if array.ndim > 1}
    assert shapes == {"logits": (3, 2, 3), "shifted": (3, 3, 2, 3), "cells": (3, 3)}
    assert found["logits"].dtype == found["shifted"].dtype == np.float32


def test_scores_come_from_the_code_that_the_submission_ships(trained: Toy) -> None:
    prepared, rows = trained.prepared(), np.arange(10, 20)
    found = scored(trained, rows)
    folder, spec = member(trained)
    run = load_runner(spec, str(folder), "timm")
    np.testing.assert_array_equal(found["logits"], run(prepared.images[rows], spec))
    for column in range(3):
        cells = found["cells"][:, column]
        images = BATTERY.apply(prepared.images[rows], prepared.ids[rows], cells)
        np.testing.assert_array_equal(found["shifted"][:, column], run(images, spec))


def test_a_row_sees_the_same_shifts_whatever_fold_it_is_scored_in(trained: Toy) -> None:
    every = scored(trained, np.arange(60))
    rows = np.array([41, 5, 17])
    some = scored(trained, rows)
    np.testing.assert_array_equal(some["cells"], every["cells"][rows])
    # Another batch size may round differently; another image would differ by far more.
    np.testing.assert_allclose(some["shifted"], every["shifted"][rows], atol=1e-4)


def test_pieces_change_nothing_and_each_is_announced(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scored(trained, np.arange(20))
    monkeypatch.setattr(scoring, "PIECE", 8)
    folder, spec = member(trained)
    notes: list[str] = []
    pieces = score_rows(folder, spec, trained.prepared(), np.arange(20), BATTERY, CPU, notes.append)
    for name, array in whole.items():
        if array.dtype == np.float32:
            np.testing.assert_allclose(pieces[name], array, atol=1e-4)
        else:
            np.testing.assert_array_equal(pieces[name], array)
    assert notes == [f"scoring held-out rows {done} of 20" for done in (8, 16, 20)]


def test_a_clean_battery_leaves_shifted_scores_empty(trained: Toy) -> None:
    found = scored(trained, np.arange(5), Battery.from_config(ShiftConfig(battery="clean")))
    assert found["shifted"].shape == (5, 0, 2, 3)
    assert found["cells"].shape == (5, 0)


def test_in_half_only_shifted_rows_differ_and_hardly(trained: Toy) -> None:
    folder, spec = member(trained)
    rows = np.arange(60)
    whole = scored(trained, rows)
    half = score_rows(folder, spec, trained.prepared(), rows, BATTERY, CPU, lambda text: None, half=True)
    for name in ("ids", "labels", "cells", "logits"):
        np.testing.assert_array_equal(half[name], whole[name])
    assert not np.array_equal(half["shifted"], whole["shifted"])
    np.testing.assert_allclose(half["shifted"], whole["shifted"], atol=0.05 * np.abs(whole["shifted"]).max())
