import pytest
import torch
from torch import nn

from kit.train.averaging import Ema, Swa, greedy_soup, recalibrate_bn, uniform_soup


def constant_net(value: float) -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for tensor in [*net.parameters(), net[1].running_mean, net[1].running_var]:
        nn.init.constant_(tensor, value)
    return net


def test_the_first_update_leaves_nothing_of_the_random_start():
    ema = Ema(constant_net(100.0), 0.999)
    ema.update(constant_net(3.0))
    assert ema.module[0].weight.eq(3.0).all()
    assert ema.module[1].running_mean.eq(3.0).all()


def test_ema_of_a_constant_is_that_constant():
    ema = Ema(constant_net(5.0), 0.99)
    for _ in range(50):
        ema.update(constant_net(2.0))
    torch.testing.assert_close(ema.module[0].weight, torch.full((2, 2), 2.0))


def test_early_the_average_reaches_over_the_last_tenth_and_late_over_the_decay():
    ema = Ema(constant_net(0.0), 0.99)
    for step in range(1, 201):
        ema.update(constant_net(float(step)))
    # Weighted by step ** 8 the mean of 1..n is about 9/10 n.
    assert ema.module[0].weight[0, 0].item() == pytest.approx(180, rel=0.01)
    for step in range(201, 3001):
        ema.update(constant_net(float(step)))
    assert ema.module[0].weight[0, 0].item() == pytest.approx(3000 - 99, abs=1)


def test_ema_resumes_from_its_state():
    first, second = Ema(constant_net(0.0), 0.9), Ema(constant_net(7.0), 0.9)
    for step in range(5):
        first.update(constant_net(float(step)))
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update(constant_net(50.0))
    torch.testing.assert_close(second.module.state_dict(), first.module.state_dict())


def test_counters_of_batchnorm_are_copied():
    ema, net = Ema(constant_net(0.0), 0.9), constant_net(1.0)
    net[1].num_batches_tracked.fill_(12)
    ema.update(net)
    assert ema.module[1].num_batches_tracked == 12


def test_swa_is_the_plain_mean():
    swa = Swa(constant_net(0.0))
    for value in (1.0, 2.0, 6.0):
        swa.update(constant_net(value))
    torch.testing.assert_close(swa.module[0].weight, torch.full((2, 2), 3.0))


def test_recalibration_gives_the_statistics_of_the_batches_and_keeps_the_mode():
    net = constant_net(1.0).eval()
    batches = [torch.randn(64, 2) for _ in range(4)]
    recalibrate_bn(net, batches)
    seen = torch.stack([net[0](batch).mean(0) for batch in batches]).mean(0)
    torch.testing.assert_close(net[1].running_mean, seen)
    assert not net.training


def test_uniform_soup_averages_and_keeps_dtypes():
    states = [{"w": torch.full((2,), value).half(), "n": torch.tensor(3)} for value in (1.0, 2.0)]
    soup = uniform_soup(states)
    assert soup["w"].dtype == torch.float16
    assert soup["w"].eq(1.5).all()
    assert soup["n"] == 3


def test_greedy_soup_takes_only_what_does_not_harm():
    states = [{"w": torch.tensor(value)} for value in (1.0, 9.0, -0.9, 0.4)]
    soup, kept = greedy_soup(states, lambda state: -abs(float(state["w"])))
    # Best alone is 0.4; with -0.9 the mean is -0.25, better; then 1.0 gives 0.17, better; 9.0 harms.
    assert kept == [3, 2, 0]
    assert float(soup["w"]) == pytest.approx(0.5 / 3)
