from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import Toy
from sklearn.linear_model import LogisticRegression

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.train.head_start import PENALTY, ROWS, ROWS_PER_CLASS, logistic, some
from kit.train.images import resized
from kit.train.run import Trainer


def test_logistic_agrees_with_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    x = (x - x.mean(0)) / x.std(0)
    labels = (x[:, 0] + rng.normal(size=200) > 0).astype(int) + (x[:, 1] > 1)
    weight, bias = logistic(torch.from_numpy(x), torch.eye(3)[torch.from_numpy(labels)])
    theirs = LogisticRegression(C=1 / (PENALTY * 200), tol=1e-8, max_iter=2000).fit(x, labels)
    np.testing.assert_allclose(weight.numpy(), theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(bias.numpy(), theirs.intercept_, atol=2e-3)


def test_scaled_features_give_the_same_predictions() -> None:
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(2)[(x[:, 0] > 0).long()]
    weight, bias = logistic(x, targets)
    wide, moved = logistic(5 * x + 3, targets)
    torch.testing.assert_close((5 * x + 3) @ wide.T + moved, x @ weight.T + bias, atol=1e-3, rtol=1e-3)


def recipe(toy: Toy, **finetune: object) -> RecipeConfig:
    made = toy.recipe("tiny")
    return made.model_copy(update={"finetune": made.finetune.model_copy(update=finetune)})


def trainer(toy: Toy, made: RecipeConfig) -> Trainer:
    return Trainer(toy.contest(), toy.prepared(), made, toy.workspace, torch.device("cpu"))


def test_a_probed_head_is_right_before_the_first_step(toy: Toy) -> None:
    one = trainer(toy, recipe(toy, head="probe"))
    fit = one.new_fit(0, resized(one.prepared.images, 16))
    rows = fit.material.rows
    fit.net.eval()
    with torch.no_grad():
        found = fit.net(fit.batches.plain(rows)).argmax(1)
    assert (found == fit.material.targets[rows].argmax(1)).float().mean() > 0.9


def test_a_network_without_one_linear_head_is_named(toy: Toy) -> None:
    made = recipe(toy, head="probe")
    net = made.net.model_copy(update={"name": "torchvision/squeezenet1_0", "args": {}})
    made = made.model_copy(update={"net": net})
    one = trainer(toy, made.model_copy(update={"size": 64}))
    with pytest.raises(TrainError, match="finetune.head"):
        one.new_fit(0, resized(one.prepared.images, 64))


def test_a_head_is_fitted_to_few_rows_but_to_every_class() -> None:
    labels = torch.cat([torch.zeros(5000), torch.ones(30), torch.full((3,), 2)]).long()
    rows = some(labels, seed=0)
    kept = labels[rows].bincount().tolist()
    assert sum(kept) <= ROWS + 2 * ROWS_PER_CLASS
    assert kept[0] >= ROWS - 33
    assert kept[1] >= ROWS_PER_CLASS, "a rare class keeps what a draw would leave out"
    assert kept[2] == 3
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert torch.equal(some(labels, seed=0), rows)
    assert not torch.equal(some(labels, seed=1), rows)
    assert some(labels[5000:], seed=0).tolist() == list(range(33)), "a small set is taken whole"


def test_a_rare_class_brings_as_many_rows_as_an_even_share_where_classes_are_drawn_alike() -> None:
    labels = (torch.arange(6000) % 50 == 0).long()
    assert labels[some(labels, seed=0)].sum() < 40
    rows = some(labels, seed=0, of_class=ROWS // 2)
    assert labels[rows].sum() == labels.sum() == 120
    assert len(rows) < ROWS + 120
