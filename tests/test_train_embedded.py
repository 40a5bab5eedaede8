"""SMOTE before the head, against what it must leave alone and what it must even out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_fit import material, new_fit, recipe, run
from torch import nn

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.nets.registry import build
from kit.train.batches import Batches, Material
from kit.train.embedded import embed, single_head
from kit.train.finetune import head_names
from kit.train.precision import Precision

FULL, HALF, FEW = 18, 9, 3
HEAD_ALONE = {"finetune": {"frozen": 1.0}}


def config() -> RecipeConfig:
    return recipe({"sampling": "smote_embeddings"}, **HEAD_ALONE)


def uneven() -> Material:
    """Eighteen, nine and three training rows of the three classes; the other rows are held out."""
    given = material()
    labels = given.targets.argmax(1)
    wide = torch.cat([given.images, given.images])
    rows = [torch.nonzero(labels.repeat(2) == label)[:count, 0] for label, count in enumerate((FULL, HALF, FEW))]
    return replace(given, images=wide, targets=given.targets.repeat(2, 1), rows=torch.cat(rows))


def test_every_class_gets_as_many_rows_and_the_given_ones_stay() -> None:
    given = uneven()
    made = new_fit(config(), given).material
    assert torch.bincount(made.targets[made.rows].argmax(1)).tolist() == [FULL] * 3
    assert torch.equal(made.rows[: len(given.rows)], given.rows)
    assert torch.equal(made.targets[: len(given.targets)], given.targets)
    assert made.embeddings is not None
    assert len(made.embeddings) == 2 * FULL - HALF - FEW


def test_made_up_rows_lie_between_embeddings_of_their_class_alone() -> None:
    given = uneven()
    fit = new_fit(config(), given)
    plain = Batches(given, fit.recipe.augment, fit.precision, fit.device, 0)
    few = given.rows[-FEW:]
    known = embed(fit.net, plain, few)
    made = fit.material.embeddings
    assert made is not None
    of_few = made[fit.material.targets[len(given.images) :].argmax(1) == 2]
    assert len(of_few) == FULL - FEW
    assert (of_few >= known.min(0).values - 1e-5).all()
    assert (of_few <= known.max(0).values + 1e-5).all()


def test_the_head_alone_learns_and_from_the_made_up_rows_too() -> None:
    fit = new_fit(config(), uneven())
    before = {name: value.clone() for name, value in fit.net.state_dict().items()}
    after = run(fit)
    head = head_names(fit.net)
    assert all(torch.equal(before[name], after[name]) for name in before if name not in head)
    assert not any(torch.equal(before[name], after[name]) for name in head)
    logits, targets = fit.objective._predicted(fit.material.rows[-4:])
    assert logits.shape == targets.shape == (4, 3)
    with torch.no_grad():
        expected = single_head(fit.net)(fit.batches.embeddings(fit.material.rows[-4:]))
    torch.testing.assert_close(logits.detach().float(), expected)


def test_embeddings_are_what_the_head_turns_into_logits() -> None:
    fit = new_fit(config(), uneven())
    rows = fit.material.rows[:6]
    with torch.no_grad():
        logits = fit.net.eval()(fit.batches.plain(rows))
        torch.testing.assert_close(single_head(fit.net)(embed(fit.net, fit.batches, rows)), logits)


@pytest.mark.parametrize("sections", [{}, {"finetune": {"frozen": 0.5}}, HEAD_ALONE | {"contrastive": {"share": 0.2}}])
def test_a_body_that_moves_is_refused(sections: dict) -> None:
    with pytest.raises(ValueError, match="set finetune.frozen = 1, and no"):
        recipe({"sampling": "smote_embeddings"}, **sections)


def test_a_classifier_that_is_not_one_layer_is_named() -> None:
    net = build("torchvision/squeezenet1_1", 3, {})
    with pytest.raises(TrainError, match="classifier is one linear layer, but this one's is Conv2d"):
        single_head(net)
    assert isinstance(single_head(build("timm/resnet10t", 3, {})), nn.Linear)


def test_precision_of_the_fit_is_kept() -> None:
    fit = new_fit(config(), uneven(), Precision(bf16=True, channels_last=True, reason=""))
    logits, _ = fit.objective._predicted(fit.material.rows[-30:])
    assert torch.isfinite(logits).all()
