import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.kinds.bias import check_prior, corrected, fit_bias, row_weights
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.nested import evaluate
from kit.errors import EnsembleError
from kit.inference.model import softmax


def draw(prior, rows=20_000, classes=3, seed=0):
    """Images of classes with these shares, and the exact posterior under equal shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=rows, p=prior)
    seen = np.eye(classes)[labels] * 1.5 + rng.normal(size=(rows, classes))
    return softmax(1.5 * seen), labels


def test_a_bias_undoes_a_known_offset():
    proba, labels = draw([1 / 3] * 3)
    offset = np.array([0.8, -0.5, -0.3])
    found = fit_bias(softmax(np.log(proba) + offset), labels)
    np.testing.assert_allclose(found, -offset, atol=0.12)  # held back by the penalty


def test_without_penalty_mean_probabilities_are_the_shares_of_the_classes(monkeypatch):
    monkeypatch.setattr("kit.ensemble.kinds.bias.PENALTY", 0.0)
    proba, labels = draw([0.5, 0.3, 0.2], rows=3000)
    logs = np.log(proba)
    ours = fit_bias(proba, labels)
    mixed = softmax(logs + ours)
    np.testing.assert_allclose(mixed.mean(axis=0), np.bincount(labels) / len(labels), atol=1e-3)


def test_a_kind_with_a_bias_is_nested_like_any(tmp_path):
    pool = make_pool(make_runs(4))
    found = evaluate(kind("best3+bias"), pool)
    assert len(found.combiner.bias) == 4
    assert sum(found.combiner.bias) == pytest.approx(0.0, abs=1e-9)
    assert found.kind.complexity == 1
    assert found.nested.shifted_log_loss <= evaluate(kind("best3"), pool).nested.shifted_log_loss + 0.01


def test_knowing_the_hidden_prior_helps_on_the_hidden_test():
    hidden = [0.8, 0.15, 0.05]
    _, labels = draw([1 / 3] * 3)
    proba, truth = draw(hidden, seed=1)
    plain = (proba.argmax(1) == truth).mean()
    better = (corrected(proba, labels, hidden).argmax(1) == truth).mean()
    assert better > plain + 0.02


def test_weights_give_the_rows_the_hidden_shares():
    _, labels = draw([0.6, 0.3, 0.1])
    weights = row_weights(labels, [0.2, 0.2, 0.6])
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(np.bincount(labels, weights) / len(labels), [0.2, 0.2, 0.6])


def test_the_expected_score_knows_the_hidden_prior():
    runs = make_runs(4, rows=1500)
    labels = runs[0].labels
    plain = blend(runs, "all", expects="clean")
    same = blend(runs, "all", expects="clean", hidden_prior=np.bincount(labels) / len(labels))
    easy = blend(runs, "all", expects="clean", hidden_prior=[0.97, 0.01, 0.01, 0.01])
    assert same.expected.point == pytest.approx(plain.expected.point, abs=1e-9)
    assert easy.expected.point > plain.expected.point
    assert easy.nested == plain.nested  # on the rows there are
    assert easy.combiner["bias"][0] > 1


@pytest.mark.parametrize("prior", [[0.5, 0.5], [0.5, 0.6, -0.1], [0.5, 0.5, 0.5], [1.0, 0.0, 0.0]])
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(EnsembleError, match="positive shares that sum to 1"):
        check_prior(prior, np.array([0, 1, 2]))


def test_a_class_without_rows_cannot_be_corrected():
    with pytest.raises(EnsembleError, match="class 1 has no rows"):
        check_prior([0.3, 0.4, 0.3], np.array([0, 2, 2]))
