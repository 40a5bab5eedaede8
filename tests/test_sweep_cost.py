from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import Toy

from kit.echo import Echo
from kit.sweep import cost as module
from kit.sweep.cost import Cost, measure
from kit.train.run import Trainer


def silent(line: str) -> None:
    """No echo."""


def measured(toy: Toy, name: str, echo: Echo) -> Cost:
    return measure(toy.contest(), toy.prepared(), toy.recipe(name), toy.workspace, echo)


def test_costs_follow_the_speeds_of_this_machine(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "time_step", lambda self, images: (0.5, "fp32"))
    monkeypatch.setattr(Trainer, "time_image", lambda self, images: 0.02)
    monkeypatch.setattr(module, "time_shift", lambda contest, images, ids: (0.01, 2))
    lines: list[str] = []
    cost = measured(toy, "tiny", lines.append)
    assert cost.epoch == pytest.approx(0.5 / 10 * 30)  # batches of 10, 30 training rows a fold
    assert cost.scoring == pytest.approx(60 * (0.02 * 3 + 0.01 * 2))
    assert cost.image == 0.02
    assert lines == ["measured: tiny trains 20 img/s (fp32), scores 50 img/s"]


def test_one_held_out_part_has_a_cost(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "time_step", lambda self, images: (0.5, "fp32"))
    monkeypatch.setattr(Trainer, "time_image", lambda self, images: 0.02)
    monkeypatch.setattr(module, "time_shift", lambda contest, images, ids: (0.01, 0))
    holdout = replace(toy.prepared(), folds=np.where(np.arange(60) < 45, -1, 0))
    cost = measure(toy.contest(), holdout, toy.recipe("tiny"), toy.workspace, silent)
    assert cost.epoch == pytest.approx(0.5 / 10 * 45)
    assert cost.scoring == pytest.approx(15 * 0.02)


def test_a_real_measurement_is_plausible(toy: Toy) -> None:
    cost = measured(toy, "mini", silent)
    assert 0 < cost.epoch < 30
    assert 0 < cost.image < 1
    assert cost.scoring > 60 * cost.image
