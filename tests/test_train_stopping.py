import numpy as np
import pytest
import torch
from torch import nn

from kit.config import StoppingConfig
from kit.train.stopping import EarlyStopping, inner_split


def net_of(value: float) -> nn.Module:
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, value)
    return net


def test_the_best_epoch_is_given_back_and_patience_ends_the_fit():
    stopping = EarlyStopping(StoppingConfig(share=0.2, patience=2))
    losses = [0.9, 0.5, 0.6, 0.4, 0.7, 0.8]
    ends = [stopping.update(loss, net_of(epoch)) for epoch, loss in enumerate(losses)]
    assert ends == [False, False, False, False, False, True]
    net = net_of(99)
    stopping.restore(net)
    assert net.weight.item() == 3


def test_the_weights_kept_do_not_follow_the_network():
    stopping, net = EarlyStopping(StoppingConfig(share=0.2)), net_of(1)
    stopping.update(0.5, net)
    nn.init.constant_(net.weight, 7)
    stopping.restore(net)
    assert net.weight.item() == 1


def test_the_rate_falls_at_a_plateau_only_where_asked():
    plain = EarlyStopping(StoppingConfig(share=0.2, patience=99))
    falling = EarlyStopping(StoppingConfig(share=0.2, patience=99, plateau_patience=1, plateau_factor=0.1))
    for loss in (1.0, 1.0, 1.0):
        plain.update(loss, net_of(0))
        falling.update(loss, net_of(0))
    assert plain.factor == 1.0
    assert falling.factor == pytest.approx(0.1)


def test_resumes_from_its_state():
    config = StoppingConfig(share=0.2, patience=3, plateau_patience=1)
    whole, first = EarlyStopping(config), EarlyStopping(config)
    losses = [0.9, 0.5, 0.6, 0.7]
    for epoch, loss in enumerate(losses):
        whole.update(loss, net_of(epoch))
        first.update(loss, net_of(epoch))
    second = EarlyStopping(config)
    second.load_state_dict(first.state_dict())
    assert second.update(0.8, net_of(4)) == whole.update(0.8, net_of(4))
    assert second.factor == whole.factor
    assert torch.equal(second.best["weight"], whole.best["weight"])


def test_inner_split_keeps_groups_whole_and_classes_in_proportion():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [900, 300])
    groups = np.arange(1200) // 2
    rows = np.sort(rng.permutation(1200)[:1000])
    train, watched = inner_split(rows, labels, groups, 0.2, seed=1)
    assert sorted([*train, *watched]) == rows.tolist()
    assert not set(groups[train]) & set(groups[watched])
    assert len(watched) / len(rows) == pytest.approx(0.2, abs=0.01)
    assert labels[watched].mean() == pytest.approx(labels[rows].mean(), abs=0.01)
    again = inner_split(rows, labels, groups, 0.2, seed=1)[1]
    assert np.array_equal(watched, again)
