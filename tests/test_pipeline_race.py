"""What a race's heat measures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kit.config.contest import ShiftConfig
from kit.pipeline import race
from kit.shifts.battery import Battery


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_heat_meets_mixtures_in_the_share_that_fits_meet(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, met = 400, []
    shift = ShiftConfig(cells_per_row=width)
    ids = np.array([f"row {number}" for number in range(rows)])
    some: Any = SimpleNamespace(folds=np.zeros(rows), images=np.zeros((rows, 8, 8, 3), np.uint8), ids=ids,
                                labels=np.zeros(rows, np.int64))  # fmt: skip
    trainer: Any = SimpleNamespace(device="cpu", contest=SimpleNamespace(shift=shift), spec=lambda: {"size": 8})
    net = SimpleNamespace(to=lambda device: net)
    monkeypatch.setattr(race, "quickened", lambda net, size: net)
    monkeypatch.setattr(race, "net_logits", lambda net, images, spec, half=False: np.zeros((len(images), 1, 2)))

    def apply(self: Battery, images: np.ndarray, ids: np.ndarray, cells: np.ndarray) -> np.ndarray:
        met.extend(self.cells[cell].family == "mixture" for cell in cells)
        return images

    monkeypatch.setattr(Battery, "apply", apply)
    scores = race._scored(trainer, net, some, half=False, measure="accuracy")
    assert scores["rows"] == len(met) == rows
    assert abs(np.mean(met) - shift.mixture_share) <= 1 / rows
