from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ensemble_toy import make_runs
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score

from kit.config import ContestConfig, RecipeSets
from kit.ensemble.scoring import leaderboard
from kit.inference.model import merge_views
from kit.oof_store import OofRun


def contest(**values: Any) -> ContestConfig:
    return ContestConfig(name="toy", classes=("a", "b", "c", "d"), image_size=8, recipes=RecipeSets(), **values)


def informed(run: OofRun, preset: str = "strong", clean: list[float] | None = None) -> OofRun:
    """A simulated run with what run.json adds."""
    folds = clean or [0.7, 0.8, 0.9]
    known = {"config": {"augment": {"preset": preset}}, "fold_clean": folds, "fold_shifted": folds}
    return replace(run, info=run.info | known | {"minutes": 1.5, "parameters": 1_234_567})


def rendered(rows: list[dict[str, Any]], expects: str = "shifted") -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(leaderboard.table(rows, expects))
    return console.export_text()


@pytest.fixture
def runs() -> list[OofRun]:
    return [informed(run) for run in make_runs(members=3, rows=300)]


def test_scores_are_scikit_learns(runs: list[OofRun]) -> None:
    rows = {row["recipe"]: row for row in leaderboard.rows(runs, contest())}
    for run in runs:
        labels = run.logits[:, 0].argmax(1)
        row = rows[run.recipe]
        assert row["clean"] == pytest.approx(accuracy_score(run.labels, labels))
        assert row["macro_f1"] == pytest.approx(f1_score(run.labels, labels, average="macro"))
        hit = run.shifted[:, :, 0].argmax(2) == run.labels[:, None]
        assert row["shifted"] == pytest.approx(hit.mean())
        worst = min(np.unique(run.families), key=lambda family: hit[run.families == family].mean())
        assert row["worst_family"] == worst
        assert row["worst"] == pytest.approx(hit[run.families == worst].mean())


@pytest.mark.parametrize("expects", ["clean", "shifted"])
def test_the_best_by_the_score_that_counts_comes_first(expects: str, runs: list[OofRun]) -> None:
    rows = leaderboard.rows(runs, contest(expects=expects))
    scores = [row[expects] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert {row["recipe"] for row in rows} == {run.recipe for run in runs}


def test_a_network_that_fails_under_shifts_leads_by_clean_score_alone(runs: list[OofRun]) -> None:
    fragile = replace(runs[0], recipe="fragile", shifted=-runs[0].shifted)
    noise = np.random.default_rng(0).normal(size=runs[1].logits.shape).astype(np.float32)
    sturdy = replace(runs[1], recipe="sturdy", logits=runs[1].logits + 3 * noise)
    orders = {
        expects: [row["recipe"] for row in leaderboard.rows([fragile, sturdy], contest(expects=expects))]
        for expects in ("clean", "shifted")
    }
    assert orders == {"clean": ["fragile", "sturdy"], "shifted": ["sturdy", "fragile"]}


def test_the_spread_over_folds_is_a_sample_deviation(runs: list[OofRun]) -> None:
    row = leaderboard.rows(runs[:1], contest())[0]
    hit = merge_views(runs[0].logits, 1.0).argmax(-1) == runs[0].labels
    wanted = np.std([hit[runs[0].folds == fold].mean() for fold in np.unique(runs[0].folds)], ddof=1)
    assert row["fold_spread"] == pytest.approx(wanted, abs=1e-6)
    losses = leaderboard.rows(runs[:1], contest(metric="log_loss"))[0]
    assert losses["fold_spread"] != pytest.approx(wanted, abs=1e-3), "in the contest's metric"


def test_one_fold_has_no_spread(runs: list[OofRun]) -> None:
    rows = leaderboard.rows([replace(run, folds=np.zeros_like(run.folds)) for run in runs], contest())
    assert [row["fold_spread"] for row in rows] == [None, None, None]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert "nan" not in rendered(rows)


def test_runs_without_shifts_have_a_leaderboard(runs: list[OofRun]) -> None:
    bare = [
        replace(run, shifted=run.shifted[:, :0], cells=run.cells[:, :0], info=run.info | {"fold_shifted": [None] * 3})
        for run in runs
    ]
    rows = leaderboard.rows(bare, contest(expects="clean"))
    assert {row["shifted"] for row in rows} == {None}
    assert json.dumps(rows, allow_nan=False)
    assert "net0" in rendered(rows, "clean")


def test_a_star_marks_a_family_that_was_trained_on(runs: list[OofRun]) -> None:
    trained = leaderboard.rows(runs, contest())
    plain = leaderboard.rows([informed(run, preset="flips") for run in runs], contest())
    for with_star, without in zip(trained, plain):
        assert with_star["worst_family"] in with_star["trained_on"]
        assert without["trained_on"] == []
    assert f"{trained[0]['worst_family']}* " in rendered(trained)
    assert f"{plain[0]['worst_family']} " in rendered(plain)
    assert "* 0." not in rendered(plain)


def test_the_table_shows_every_column_and_figure(runs: list[OofRun]) -> None:
    rows = leaderboard.rows(runs, contest())
    text = rendered(rows)
    for column in leaderboard.COLUMNS:
        assert column.name in text
    for row in rows:
        line = next(line for line in text.splitlines() if row["recipe"] in line)
        for figure in (f"{row['clean']:.4f}", f"{row['shifted']:.4f}", f"{row['log_loss']:.3f}", "1.5", "1.23"):
            assert figure in line
