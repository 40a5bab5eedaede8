"""The local leaderboard: what each recipe scored on rows it was not trained on, clean and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.text import Text

from kit.config import AugmentConfig, ContestConfig
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.scores import Score
from kit.metrics.registry import get_metric
from kit.oof_store import OofRun
from kit.table import Column, Grid
from kit.train.augment.families import trained_families

COLUMNS = (
    Column("recipe", number=False),
    Column("clean"),
    Column("± folds", rank=2),
    Column("macro F1", rank=3),
    Column("log loss", rank=4),
    Column("shifted"),
    Column("± se", rank=1),
    Column("worst family", number=False, rank=2),
    Column("min", rank=3),
    Column("M par", rank=3),
)


def rows(runs: Sequence[OofRun], contest: ContestConfig, pool: Pool | None = None) -> list[dict[str, Any]]:
    """A row a recipe, best selection score first; scores in the contest's metric, log loss in nats.

    `pool` is that of `runs` in their order, where the caller has it already.
    """
    pool = pool or make_pool(runs, contest.expects, contest.metric)
    scored = zip(runs, pool.member_scores(), (by_fold(pool, proba, runs[0].folds) for proba in pool.proba))
    made = [(found.gain(contest.expects), _row(run, found, folds)) for run, found, folds in scored]
    return [row for _, row in sorted(made, key=lambda pair: pair[0], reverse=True)]


def by_fold(pool: Pool, proba: np.ndarray, folds: np.ndarray) -> dict[str, list[float]]:
    """The metric of the rows of each of `folds` (N,), "clean" and, where there are any, "shifted"; proba (N, 1 + K, C).

    folds: the run's. Those of a pool of one fold are parts of it, to nest fits in.
    """
    metric = get_metric(pool.metric)
    parts = {"clean": proba[:, :1]} | ({"shifted": proba[:, 1:]} if proba.shape[1] > 1 else {})
    return {
        name: [metric.score(pool.labels[folds == fold], part[folds == fold]) for fold in np.unique(folds)]
        for name, part in parts.items()
    }


def _row(run: OofRun, found: Score, folds: dict[str, list[float]]) -> dict[str, Any]:
    augment = AugmentConfig.model_validate(run.info["config"]["augment"])
    return {
        "recipe": run.recipe,
        "clean": found.clean,
        "macro_f1": found.macro_f1,
        "log_loss": found.log_loss,
        "shifted": found.shifted,
        "shifted_se": found.shifted_se,
        "worst_family": found.worst_family,
        "worst": found.worst,
        "trained_on": list(trained_families(augment)),
        "fold_spread": _spread(folds["clean"]),
        "fold_spread_shifted": _spread(folds.get("shifted", [])),
        "minutes": run.info["minutes"],
        "parameters": run.info["parameters"],
    }


def _spread(scores: Sequence[float]) -> float | None:
    """Standard deviation over folds; None where there is one fold, or nothing was scored."""
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def table(rows: Sequence[dict[str, Any]], expects: str, metric: str = "score") -> Grid:
    """`rows` for a terminal; a star marks a worst family that the recipe trained on."""
    return Grid(
        COLUMNS,
        [_cells(row) for row in rows],
        f"Out-of-fold leaderboard, by {expects} {metric.replace('_', ' ')}",
        "* the recipe's augmentation touches that family of shifts",
    )


def _cells(row: dict[str, Any]) -> list[str | Text]:
    return [
        row["recipe"],
        f"{row['clean']:.4f}",
        _optional(row["fold_spread"]),
        f"{row['macro_f1']:.4f}",
        f"{row['log_loss']:.3f}",
        _optional(row["shifted"]),
        _optional(row["shifted_se"]),
        _worst(row),
        f"{row['minutes']:.1f}",
        f"{row['parameters'] / 1e6:.2f}",
    ]


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _worst(row: dict[str, Any]) -> str:
    if row["worst_family"] is None:
        return "-"
    star = "*" if row["worst_family"] in row["trained_on"] else ""
    return f"{row['worst_family']}{star} {row['worst']:.3f}"
