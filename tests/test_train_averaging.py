import pytest
import torch
from torch import nn

from kit.inference.adapt import interleaved, recalibrate
from kit.train.averaging import Ema, Swa, greedy_soup, uniform_soup


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
    recalibrate(net, batches)
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


@pytest.mark.parametrize(("rows", "most"), [(65, 64), (66, 64), (1169, 16), (5, 5), (3, 1), (1, 8), (128, 64)])
def test_batches_for_statistics_have_every_row_once_and_no_ragged_end(rows: int, most: int):
    parts = [torch.arange(rows)[part] for part in interleaved(rows, most)]
    assert sorted(torch.cat(parts).tolist()) == list(range(rows))
    sizes = [len(part) for part in parts]
    assert max(sizes) <= max(2, most)
    assert max(sizes) - min(sizes) <= 1
    assert rows == 1 or min(sizes) >= 2 or most <= 2


def test_every_row_weighs_alike_in_recalibrated_statistics():
    net = nn.Sequential(nn.BatchNorm1d(2))
    x = torch.cat([torch.randn(64, 2), 10 + torch.randn(2, 2)])
    recalibrate(net, [x[:64], x[64:]])
    torch.testing.assert_close(net[0].running_mean, x.mean(0))
    variance = (64 * x[:64].var(0) + 2 * x[64:].var(0)) / 66
    torch.testing.assert_close(net[0].running_var, variance)
    assert net[0].momentum == 0.1


def test_recalibration_sees_what_inference_sees():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)).train()
    x = torch.randn(256, 2)
    recalibrate(net, [x])
    torch.testing.assert_close(net[1].running_var, x.var(0))
    assert net.training
    assert net[0].training


def test_rows_in_the_order_of_their_classes_give_the_variance_over_all_classes():
    net = nn.Sequential(nn.BatchNorm1d(1))
    x = torch.arange(4.0).repeat_interleave(64)[:, None]
    recalibrate(net, (x[part] for part in interleaved(len(x), 64)))
    torch.testing.assert_close(net[0].running_var, x.var(0), rtol=0.02, atol=0.0)
