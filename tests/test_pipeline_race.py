"""What a race's heat measures."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Toy

from kit.config.contest import ShiftConfig
from kit.pipeline import race
from kit.pipeline.heats import learnt
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


def heats(score: float, rows: int = 160) -> list[race.Heat]:
    return [race.Heat(images=1000, rows=rows, clean=score, shifted=None, image=0.01, scored=0.001, shift=0.0, load=1.0,
                      precision="float32")]  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ({"scratch": 0.094, "tuned": 0.27}, ["tuned"]),
        ({"scratch": 0.094, "tuned": 0.12}, ["scratch", "tuned"]),  # nobody knows yet
        ({"scratch": 0.15, "tuned": 0.27}, ["scratch", "tuned"]),
        ({"scratch": 0.05}, ["scratch"]),
    ],
)
def test_what_is_no_better_than_guessing_is_left_out_where_others_are(
    scores: dict[str, float], kept: list[str]
) -> None:
    contest: Any = SimpleNamespace(classes=tuple("23456789ABC"), expects="clean")
    lines: list[str] = []
    found = learnt({name: heats(score) for name, score in scores.items()}, contest, lines.append)
    assert list(found) == kept
    assert len(lines) == len(scores) - len(kept)


@pytest.mark.parametrize("evenly", [False, True])
def test_a_heat_draws_training_rows_as_the_fit_will(evenly: bool, toy: Toy) -> None:
    prepared = toy.prepared()
    labels = np.where(np.arange(len(prepared.labels)) % 10 == 0, 1, 0)
    uneven = replace(prepared, labels=labels)
    fold = uneven.fold_numbers[0]
    rare = int(labels[uneven.split(fold).train].sum())
    some = race.sample(uneven, fold, 2 * rare, 8, "accuracy", evenly)
    trained = some.labels[some.folds < 0]
    assert len(trained) == 2 * rare
    assert (trained.sum() == rare) == evenly
