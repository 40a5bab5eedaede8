import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from kit.config import TrainConfig
from kit.train.schedule import Plateau, lr_factor


def factors(schedule, warmup=0.25, steps=100):
    config = TrainConfig(schedule=schedule, warmup=warmup)
    return [lr_factor(config, step / steps) for step in range(steps)]


def test_one_cycle_is_torchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = OneCycleLR(optimizer, max_lr=1.0, total_steps=1001, pct_start=0.25, cycle_momentum=False)
    expected = []
    for _ in range(1000):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        oracle.step()
    # torch puts the summit one step before the share; 1,000 steps make that difference small.
    assert factors("one_cycle", steps=1000) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step", "constant"])
def test_rises_to_one_at_the_end_of_the_warm_up_and_never_again_after(schedule):
    values = factors(schedule)
    assert values[25] == pytest.approx(1.0)
    assert values[:26] == sorted(set(values[:26]))
    assert values[25:] == sorted(values[25:], reverse=True)
    assert min(values) > 0


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_extreme_warm_ups_are_finite(schedule, warmup):
    assert all(0 < value <= 1 for value in factors(schedule, warmup))


def test_step_divides_by_ten_at_half_and_three_quarters():
    values = factors("step", warmup=0.0)
    assert values[49] == pytest.approx(1.0)
    assert values[50] == pytest.approx(0.1)
    assert values[75] == pytest.approx(0.01)


def test_plateau_follows_torchs_and_resumes():
    losses = [1.0, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = ReduceLROnPlateau(optimizer, factor=0.5, patience=3)
    plateau = Plateau()
    for loss in losses:
        oracle.step(loss)
        state = plateau.state_dict()
        plateau = Plateau()
        plateau.load_state_dict(state)
        assert plateau.update(loss) == optimizer.param_groups[0]["lr"]
    assert plateau.factor == 0.25
