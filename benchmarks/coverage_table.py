"""The table of `benchmarks/coverage.py`: how scores to expect turned out, with standard errors over training sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from kit.ensemble.scoring.expected import LEVEL

COLUMNS = ("training", "contest", "scenario", "name", "recipe", "point", "low", "high", "hidden", "gain", "gained")
"""Of a record: a blend or a recipe by itself (`recipe`), what was expected of it, and what it got; what averaging the
folds was to add, and what it added to the hidden score."""
HEAD = (
    "scenario", "blend", "expected", "interval", "hidden", "bias", "miss", "covered", "width", "score", "ranks",
    "gain", "gained",
)  # fmt: skip


def table(records: pd.DataFrame) -> str:
    """A line for each scenario and blend, as Markdown."""
    trainings = records["training"].nunique()
    contests = records.groupby("scenario")["contest"].nunique().max()
    lines = [
        f"{contests} contests a scenario, {trainings} training sets",
        "| " + " | ".join(HEAD) + " |",
        "|---" * len(HEAD) + "|",
    ]
    blends = records[~records["recipe"]]
    for (scenario, name), rows in blends.groupby(["scenario", "name"], sort=False):
        ranks = ranked(records[records["recipe"] & (records["scenario"] == scenario)])
        lines.append(_line(str(scenario), str(name), rows, ranks))
    return "\n".join(lines)


def turned_out(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each contest: bias (hidden less expected), miss, covered, width and interval score."""
    outside = (rows["low"] - rows["hidden"]).clip(lower=0) + (rows["hidden"] - rows["high"]).clip(lower=0)
    bias, width = rows["hidden"] - rows["point"], rows["high"] - rows["low"]
    found = {"bias": bias, "miss": bias.abs(), "covered": (outside == 0).astype(float), "width": width}
    return pd.DataFrame({"training": rows["training"], **found, "score": width + 2 / (1 - LEVEL) * outside})


def mean_se(values: pd.Series, trainings: pd.Series) -> tuple[float, float]:
    """The mean over contests, and its standard error over training sets, whose contests hang together."""
    sums = (values - values.mean()).groupby(trainings).sum()
    count = len(sums)
    scale = count / (count - 1) if count > 1 else float("nan")
    return float(values.mean()), float(np.sqrt((sums**2).sum() * scale) / len(values))


def ranked(recipes: pd.DataFrame) -> float:
    """Mean over contests of the rank correlation over recipes of expected and hidden scores."""
    each = [spearmanr(one["point"], one["hidden"]).statistic for _, one in recipes.groupby("contest") if len(one) > 1]
    return float(np.nanmean(each)) if each else float("nan")


def _line(scenario: str, name: str, rows: pd.DataFrame, ranks: float) -> str:
    turned = turned_out(rows)
    bias, miss, covered = (mean_se(turned[key], turned["training"]) for key in ("bias", "miss", "covered"))
    cells = (
        scenario,
        name,
        f"{rows['point'].mean():.3f}",
        f"{rows['low'].mean():.3f} to {rows['high'].mean():.3f}",
        f"{rows['hidden'].mean():.3f}",
        f"{bias[0]:+.3f} ± {bias[1]:.3f}",
        f"{miss[0]:.3f} ± {miss[1]:.3f}",
        f"{covered[0]:.2f} ± {covered[1]:.2f}",
        f"{turned['width'].mean():.3f}",
        f"{turned['score'].mean():.3f}",
        f"{ranks:.2f}",
        f"{rows['gain'].mean():+.3f}",
        f"{rows['gained'].mean():+.3f}",
    )
    return "| " + " | ".join(cells) + " |"
