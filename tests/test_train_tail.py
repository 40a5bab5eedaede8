import pytest
from pydantic import ValidationError
from torch import nn

from kit.config import RecipeConfig, TrainConfig
from kit.train.tail import Tail


def net_of(value: float) -> nn.Module:
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, value)
    return net


def collected(config: TrainConfig, epochs: int = 10) -> Tail:
    tail = Tail(config)
    for epoch in range(1, epochs + 1):
        tail.end_epoch(net_of(epoch), epoch / epochs)
    return tail


@pytest.mark.parametrize("soup", ["none", "uniform"])
def test_the_tails_epochs_are_averaged_and_no_others(soup):
    net = net_of(0)
    said = collected(TrainConfig(swa=0.3, soup=soup)).finish(net)
    assert net.weight.item() == pytest.approx((8 + 9 + 10) / 3)
    assert "3 epochs" in said


def test_without_a_tail_nothing_changes():
    net = net_of(4)
    assert collected(TrainConfig()).finish(net) == ""
    assert net.weight.item() == 4


def test_a_greedy_soup_takes_what_helps_on_the_watched_rows():
    net = net_of(0)
    tail = collected(TrainConfig(swa=0.5, soup="greedy"))
    said = tail.finish(net, lambda candidate: -abs(candidate.weight.item() - 7.5))
    # Of 6..10: 7 is best alone, 8 with it meets 7.5, and nothing helps after that.
    assert net.weight.item() == 7.5
    assert "2 of 5" in said


@pytest.mark.parametrize("soup", ["none", "uniform"])
def test_resumes_from_its_state(soup):
    config = TrainConfig(swa=0.5, soup=soup)
    first, net = collected(config, 8), net_of(0)
    second = Tail(config)
    second.load_state_dict(first.state_dict(), net_of(1))
    second.finish(net)
    assert net.weight.item() == pytest.approx((5 + 6 + 7 + 8) / 4)


@pytest.mark.parametrize(
    ("train", "said"),
    [({"soup": "uniform"}, "needs train.swa"), ({"soup": "greedy", "swa": 0.3}, "needs stopping.share")],
)
def test_a_soup_without_its_rows_is_refused_at_load(train, said):
    with pytest.raises(ValidationError, match=said):
        RecipeConfig(net={"name": "kit/residual"}, size=32, train=train)
