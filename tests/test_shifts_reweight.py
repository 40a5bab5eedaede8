"""Re-weighting: tests whose shift is known, and what the descriptors see."""

from __future__ import annotations

import numpy as np
import pytest

from kit.config import ShiftConfig
from kit.shifts.battery import Battery
from kit.shifts.descriptors import describe
from kit.shifts.reweight import reweight

CELLS = ["blur.gaussian@4", "noise.gaussian@3", "illumination.darken@3", "geometry.rotate_black@3"]
BATTERY = Battery.from_config(ShiftConfig(battery=CELLS, cells_per_row=2))


def some_images(count: int, seed: int) -> np.ndarray:
    """Dark disks of many sizes on a light ground, (count, 32, 32, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:32, 0:32]
    middle, radius = rng.uniform(12, 20, (2, count, 1, 1)), rng.uniform(4, 11, (count, 1, 1))
    inside = np.hypot(y - middle[0], x - middle[1]) < radius
    colour = np.array([110, 70, 150]) + rng.normal(0, 15, (count, 1, 1, 3))
    ground = np.array([225, 205, 190]) + rng.normal(0, 8, (count, 1, 1, 3))
    drawn = np.where(inside[..., None], colour, ground) + rng.normal(0, 4, (count, 32, 32, 3))
    return drawn.clip(0, 255).astype(np.uint8)


def shifted(images: np.ndarray, cell: int) -> np.ndarray:
    return BATTERY.apply(images, np.char.mod("test %d", np.arange(len(images))), np.full(len(images), cell))


@pytest.fixture(scope="module")
def train() -> np.ndarray:
    return some_images(400, 1)


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must hold after ten rounds does after three, in a third of the time."""
    monkeypatch.setattr("kit.shifts.reweight.ROUNDS", 3)


@pytest.mark.usefixtures("few_rounds")
def test_the_shift_that_a_test_holds_gets_the_weight(train: np.ndarray) -> None:
    found = reweight(BATTERY, train, shifted(some_images(250, 2), 1))
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights[1] > 0.9
    assert found.clean < 0.1
    assert found.auc_clean > 0.95
    assert found.auc_weighted < 0.6


@pytest.mark.usefixtures("few_rounds")
def test_a_clean_test_is_called_clean(train: np.ndarray) -> None:
    found = reweight(BATTERY, train, some_images(250, 3))
    assert found.clean > 0.85
    assert found.auc_clean < 0.6


def test_shares_of_a_mixed_test_are_found(train: np.ndarray) -> None:
    fresh = some_images(400, 4)
    mixed = np.concatenate([fresh[:200], shifted(fresh[200:340], 0), shifted(fresh[340:], 3)])
    found = reweight(BATTERY, train, mixed)
    assert found.clean == pytest.approx(0.5, abs=0.12)
    assert found.weights[0] == pytest.approx(0.7, abs=0.15)
    assert found.weights[3] == pytest.approx(0.3, abs=0.15)


@pytest.mark.usefixtures("few_rounds")
def test_a_shift_outside_of_the_battery_stays_visible(train: np.ndarray) -> None:
    found = reweight(BATTERY, train, some_images(250, 5)[..., ::-1])
    assert found.auc_weighted > 0.9


def test_the_same_call_gives_the_same_weights(train: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.shifts.reweight.ROUNDS", 2)
    first, second = (reweight(BATTERY, train[:120], some_images(80, 6)) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)


def test_descriptors_are_finite_and_one_row_a_image(train: np.ndarray) -> None:
    flat = np.zeros((1, 32, 32, 3), np.uint8)
    found = describe(np.concatenate([train[:9], flat]))
    assert found.shape == (10, 59)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
