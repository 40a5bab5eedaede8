import numpy as np
import pytest
from ensemble_toy import CELLS
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from kit.ensemble.scoring.scores import log_losses, row_se, score, shifted_se
from kit.metrics.registry import get_metric

PEERS = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": lambda labels, said: f1_score(labels, said, average="macro"),
}


def row_values(metric, labels, said):
    return get_metric(metric).row_values(labels, np.eye(5)[said])


def draw(rows=500, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    wrong = rng.random(rows) < 0.3
    return labels, np.where(wrong, rng.integers(classes, size=rows), labels)


@pytest.mark.parametrize("metric", PEERS)
def test_the_mean_of_row_values_is_scikit_learns_metric(metric):
    labels, said = draw()
    assert row_values(metric, labels, said).mean() == pytest.approx(PEERS[metric](labels, said), abs=1e-12)


@pytest.mark.parametrize("metric", PEERS)
def test_standard_error_over_rows_is_the_spread_of_the_metric_over_samples(metric):
    scores = [PEERS[metric](*draw(seed=seed)) for seed in range(400)]
    assert row_se(row_values(metric, *draw(seed=1000))) == pytest.approx(np.std(scores), rel=0.15)


def test_log_loss_is_scikit_learns():
    labels, _ = draw()
    proba = np.random.default_rng(1).dirichlet(np.ones(5), size=len(labels))
    assert log_losses(proba, labels).mean() == pytest.approx(log_loss(labels, proba))


def two_way(rng, rows=300, operators=12, cells=4, row_spread=1.0, operator_spread=0.0):
    """Values with an effect a row and an effect an operator, and the operators drawn."""
    drawn = rng.integers(operators, size=(rows, cells))
    effects = operator_spread * rng.normal(size=operators)
    noise = rng.normal(size=(rows, cells))
    return row_spread * rng.normal(size=(rows, 1)) + effects[drawn] + noise, drawn


@pytest.mark.parametrize("spreads", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_shifted_standard_error_covers_rows_and_operators(spreads):
    rng = np.random.default_rng(3)
    samples = [two_way(rng, row_spread=spreads[0], operator_spread=spreads[1]) for _ in range(400)]
    truth = np.std([values.mean() for values, _ in samples])
    claimed = np.sqrt(np.mean([shifted_se(*sample) ** 2 for sample in samples]))
    assert claimed == pytest.approx(truth, rel=0.15)


def test_score_reads_clean_and_shifted_apart_and_names_the_worst_family():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    cells = rng.integers(len(CELLS), size=(200, 3))
    right = np.eye(4)[labels][:, None].repeat(4, axis=1)
    noisy = np.array([name.startswith("noise") for name in CELLS])[cells]
    right[:, 1:][noisy] = np.roll(right[:, 1:][noisy], 1, axis=-1)
    found = score(right, labels, cells, CELLS)
    assert found.clean == 1.0
    assert found.shifted == pytest.approx(1 - noisy.mean())
    assert (found.worst_family, found.worst) == ("noise", 0.0)
    assert found.selection("shifted") == found.shifted
    assert found.selection("clean") == found.clean


def test_a_pool_without_shifts_is_scored_clean():
    labels = np.arange(6) % 3
    found = score(np.eye(3)[labels][:, None], labels, np.zeros((6, 0), np.int64), ())
    assert found.shifted is None
    assert found.selection("shifted") == 1.0
