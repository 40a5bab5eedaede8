"""Every metric against scikit-learn's, its standard error against samples, and its direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as peer

from kit.ensemble.scoring.scores import row_se
from kit.errors import ConfigError
from kit.metrics.registry import METRICS, get_metric, own_file, same_metric

OWN = """
import numpy as np

def score(labels, probabilities):
    return float(np.mean((1 - probabilities[np.arange(len(labels)), labels]) ** 2))

score.greater_is_better = False

def undecided(labels, probabilities):
    return 1.0

def broken(labels, probabilities):
    return None

broken.greater_is_better = True
"""


def said(proba):
    return proba.argmax(-1)


PEERS = {
    "accuracy": lambda y, p, w: peer.accuracy_score(y, said(p), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: peer.balanced_accuracy_score(y, said(p), sample_weight=w),
    "macro_f1": lambda y, p, w: peer.f1_score(y, said(p), average="macro", sample_weight=w),
    "micro_f1": lambda y, p, w: peer.f1_score(y, said(p), average="micro", sample_weight=w),
    "weighted_f1": lambda y, p, w: peer.f1_score(y, said(p), average="weighted", sample_weight=w),
    "quadratic_kappa": lambda y, p, w: peer.cohen_kappa_score(y, said(p), weights="quadratic", sample_weight=w),
    "matthews": lambda y, p, w: peer.matthews_corrcoef(y, said(p), sample_weight=w),
    "log_loss": lambda y, p, w: peer.log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "roc_auc": lambda y, p, w: (
        peer.roc_auc_score(y, p[:, 1], sample_weight=w)
        if p.shape[1] == 2
        else np.mean([peer.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(p.shape[1])])
    ),
    "top2_accuracy": lambda y, p, w: peer.top_k_accuracy_score(
        y, p[:, 1] if p.shape[1] == 2 else p, k=2, sample_weight=w, labels=range(p.shape[1])
    ),
    "map@9": lambda y, p, w: peer.label_ranking_average_precision_score(
        np.eye(p.shape[1])[y], p, sample_weight=w
    ),
}


def draw(rows=400, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    logits = rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[labels]
    proba = np.exp(logits)
    return labels, proba / proba.sum(axis=1, keepdims=True)


def test_every_metric_has_a_peer():
    assert set(METRICS) <= set(PEERS)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PEERS)
def test_it_is_scikit_learns_metric(name, weighted, classes):
    if name == "top2_accuracy" and classes == 2:
        pytest.skip("scikit-learn refuses k as large as the classes")
    labels, proba = draw(classes=classes)
    weights = np.random.default_rng(1).gamma(1.0, size=len(labels)) if weighted else np.ones(len(labels))
    weights /= weights.mean()
    found = get_metric(name).score(labels, proba, weights if weighted else None)
    assert found == pytest.approx(PEERS[name](labels, proba, weights), abs=1e-9)


@pytest.mark.parametrize("name", PEERS)
def test_classes_that_are_missing_and_ties_are_scikit_learns_too(name):
    labels, proba = draw(classes=6)
    proba = np.round(proba, 2) + 1e-3
    proba[:, 5] = 0.0005  # never predicted
    proba /= proba.sum(axis=1, keepdims=True)
    if name in ("top2_accuracy", "map@9"):
        pytest.skip("scikit-learn orders ties otherwise")
    weights = np.ones(len(labels))
    assert get_metric(name).score(labels, proba) == pytest.approx(PEERS[name](labels, proba, weights), abs=1e-9)


def test_multiclass_auc_is_scikit_learns_one_vs_rest_macro():
    labels, proba = draw()
    wanted = peer.roc_auc_score(labels, proba, multi_class="ovr", average="macro")
    assert get_metric("roc_auc").score(labels, proba) == pytest.approx(wanted, abs=1e-9)


def test_map_at_k_counts_the_first_k_places_alone():
    proba = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    assert get_metric("map@2").score(np.array([0, 1, 2]), proba) == pytest.approx((1 + 1 / 2 + 0) / 3)


@pytest.mark.parametrize("name", PEERS)
def test_standard_error_is_the_spread_of_the_metric_over_samples(name):
    metric = get_metric(name)
    scores = [metric.score(*draw(seed=seed)) for seed in range(300)]
    claimed = np.mean([row_se(metric.row_values(*draw(seed=seed))) for seed in range(1000, 1010)])
    if np.std(scores) > 0:
        assert claimed == pytest.approx(np.std(scores), rel=0.15)


@pytest.mark.parametrize("name", PEERS)
def test_one_class_and_one_row_end_in_a_number(name):
    metric, proba = get_metric(name), np.array([[0.2, 0.5, 0.3]])
    for rows in (1, 4):
        values = metric.row_values(np.ones(rows, dtype=np.int64), np.repeat(proba, rows, axis=0))
        assert np.isfinite(values).all(), name


def test_an_impossible_class_costs_what_scoring_programs_charge():
    found = get_metric("log_loss").score(np.array([0]), np.array([[0.0, 1.0]], dtype=np.float32))
    assert found == pytest.approx(-np.log(1e-15))


def test_a_loss_is_better_the_smaller():
    assert get_metric("log_loss").sign == -1
    assert all(get_metric(name).sign == 1 for name in METRICS if name != "log_loss")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def test_a_users_own_metric_has_its_score_direction_and_error(own):
    metric = get_metric(f"{own}:score")
    labels, proba = draw()
    losses = (1 - proba[np.arange(len(labels)), labels]) ** 2
    assert metric.sign == -1
    assert metric.row_values(labels, proba).mean() == pytest.approx(losses.mean(), abs=1e-12)
    claimed = [row_se(metric.row_values(*draw(seed=seed))) for seed in range(40)]
    assert np.sqrt(np.mean(np.square(claimed))) == pytest.approx(row_se(losses), rel=0.15)


def test_a_users_own_metric_weighs_rows(own):
    labels, proba = draw()
    weights = np.where(labels == 4, 2.0, 0.5)
    weights /= weights.mean()
    losses = (1 - proba[np.arange(len(labels)), labels]) ** 2
    found = get_metric(f"{own}:score").score(labels, proba, weights)
    assert found == pytest.approx((weights * losses).mean(), abs=0.01)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mine.py:absent", "has no function"),
        ("mine.py:undecided", "which way is better"),
        ("other.py:score", "no file"),
        ("acuracy", "Did you mean 'accuracy'"),
        ("top0_accuracy", "must be one of"),
    ],
)
def test_a_metric_that_cannot_be_is_named_with_the_fix(own, monkeypatch, name, problem):
    monkeypatch.chdir(own.parent)
    with pytest.raises(ConfigError, match=problem):
        get_metric(name)


def test_a_metric_that_returns_no_number_is_an_error(own):
    with pytest.raises(ConfigError, match="finite number"):
        get_metric(f"{own}:broken").score(*draw())
    own.write_text(OWN + "\n\ndef fails(labels, proba):\n    return 1 / 0\n\n\nfails.greater_is_better = True\n")
    with pytest.raises(ConfigError, match=r"fails \(ZeroDivisionError: .* in which a class may be missing"):
        get_metric(f"{own}:fails").score(*draw())


def test_a_users_own_metric_is_the_same_by_another_path():
    assert same_metric("accuracy", "accuracy")
    assert not same_metric("accuracy", "log_loss")
    assert same_metric("configs/contests/mine.py:score", "/home/me/configs/contests/mine.py:score")
    assert not same_metric("mine.py:score", "mine.py:other")
    assert own_file("/home/me/mine.py:score") == Path("/home/me/mine.py")
    assert own_file("accuracy") is None


@pytest.mark.parametrize("name", [*METRICS, "top2_accuracy", "map@2"])
def test_rows_that_do_not_count_leave_the_score_of_the_others(name: str) -> None:
    """A scenario counts the rows under some shifts alone, and a class may have none of them."""
    rng = np.random.default_rng(0)
    labels, proba = np.repeat(np.arange(3), 20), rng.dirichlet(np.ones(3), 60)
    counts = (labels < 2) & (proba.argmax(1) < 2)
    metric = get_metric(name)
    values = metric.row_values(labels, proba, counts / counts.mean())
    assert np.isfinite(values).all()
    assert metric.score(labels, proba, counts / counts.mean()) == pytest.approx(
        metric.score(labels[counts], proba[counts]), abs=1e-12
    )
