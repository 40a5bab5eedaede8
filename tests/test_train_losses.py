import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from timm.loss import BinaryCrossEntropy

from kit.train.losses import (
    bce,
    class_weights,
    focal,
    make_loss,
    smooth,
    soft_cross_entropy,
    supervised_contrastive,
)

torch.manual_seed(0)
LOGITS = torch.randn(12, 4)
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 0, 0])
ONE_HOT = F.one_hot(LABELS, 4).float()
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])


def test_cross_entropy_equals_torchs_with_smoothing():
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    torch.testing.assert_close(soft_cross_entropy(LOGITS, ONE_HOT, 0.1), expected)


def test_cross_entropy_equals_torchs_with_class_weights():
    expected = F.cross_entropy(LOGITS, LABELS, weight=WEIGHTS)
    torch.testing.assert_close(soft_cross_entropy(LOGITS, ONE_HOT, weights=WEIGHTS), expected)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "bce"])
def test_weights_that_are_all_alike_change_nothing(name):
    plain = make_loss(name, 0.1)(LOGITS, ONE_HOT)
    weighted = make_loss(name, 0.1, torch.full((4,), 3.0))(LOGITS, ONE_HOT)
    torch.testing.assert_close(weighted, plain)


def test_focal_with_gamma_zero_is_cross_entropy_and_falls_with_gamma():
    torch.testing.assert_close(focal(LOGITS, ONE_HOT, gamma=0.0), F.cross_entropy(LOGITS, LABELS))
    values = [focal(LOGITS, ONE_HOT, gamma=gamma) for gamma in (0.0, 1.0, 2.0)]
    assert values[0] > values[1] > values[2]


def test_focal_weighs_a_row_by_its_missing_probability():
    p = LOGITS.softmax(1)[torch.arange(12), LABELS]
    torch.testing.assert_close(focal(LOGITS, ONE_HOT, gamma=2.0), ((1 - p) ** 2 * -p.log()).mean())


def test_bce_equals_timms_summed_over_classes():
    expected = BinaryCrossEntropy(smoothing=0.0, sum_classes=True)(LOGITS, ONE_HOT)
    torch.testing.assert_close(bce(LOGITS, ONE_HOT), expected)


def test_smoothing_keeps_the_mass():
    torch.testing.assert_close(smooth(ONE_HOT, 0.3).sum(1), torch.ones(12))


def test_inverse_weights_are_scikit_learns_balanced():
    expected = torch.tensor(compute_class_weight("balanced", classes=np.arange(4), y=LABELS.numpy())).float()
    torch.testing.assert_close(class_weights("inverse", LABELS, 4), expected)


def test_effective_weights_lie_between_none_and_inverse():
    labels = torch.tensor([0] * 3000 + [1] * 30)
    inverse, effective = (class_weights(kind, labels, 2) for kind in ("inverse", "effective"))
    assert class_weights("none", labels, 2) is None
    assert 1 < effective[1] / effective[0] < inverse[1] / inverse[0]
    torch.testing.assert_close(effective[labels].mean(), torch.tensor(1.0))


def brute_supcon(features, labels, temperature):
    unit = features / features.norm(dim=1, keepdim=True)
    rows = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        denominator = sum(torch.exp(unit[i] @ unit[j] / temperature) for j in others)
        positives = [j for j in others if labels[j] == labels[i]]
        if positives:
            terms = [-torch.log(torch.exp(unit[i] @ unit[j] / temperature) / denominator) for j in positives]
            rows.append(sum(terms) / len(positives))
    return sum(rows) / len(rows)


def test_supervised_contrastive_equals_the_papers_sum():
    features = torch.randn(9, 5, dtype=torch.float32)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 0, 2, 3])
    torch.testing.assert_close(
        supervised_contrastive(features, labels, 0.2), brute_supcon(features, labels, 0.2)
    )


def test_supervised_contrastive_without_any_pair_is_zero_with_a_gradient():
    features = torch.randn(3, 5, requires_grad=True)
    loss = supervised_contrastive(features, torch.arange(3))
    loss.backward()
    assert loss == 0
    assert features.grad.isfinite().all()
