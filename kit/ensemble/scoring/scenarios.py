"""A score to expect for each kind of hidden test, all read off cells that the battery has evaluated already.

clean and contest are means over the rows. natural is the clean score and what moderate single operators take off it,
paired row by row; its interval also holds that nobody knows how strong moderate is. laboratory is put together
(`kit.ensemble.scoring.laboratory`). No shift is expected to help: where few rows show a shifted score above the clean
one, no more of that is believed than goes beyond its standard error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.averaging import OF_HITS
from kit.ensemble.scoring.evidence import Evidence, cell_weights
from kit.ensemble.scoring.expected import DRAWS, Expected, expected_score, image_values
from kit.ensemble.scoring.laboratory import laboratory
from kit.ensemble.scoring.scores import numbered, operators
from kit.metrics.registry import get_metric
from kit.shifts.scenarios import CLAIMS, NATURAL, scenario_shares

STRENGTH = 0.5
"""Standard deviation of what a natural test takes off, as a share of it: how strong moderate is differs from test to
test. A guess: the battery's first two severities do 10 and 25 % of one damage."""
OPERATORS = 2
"""Operators of each kind that a natural test is taken to hold."""

Gap = tuple[float, float]
"""A shifted score less the clean one, and its paired standard error."""


def scenario_scores(
    proba: np.ndarray, pool: Pool, combiner: Combiner, hidden_rows: int, row_weights: np.ndarray | None = None
) -> dict[str, Expected]:
    """The score to expect of a blend by scenario, as far as its pool was evaluated under such cells.

    proba: (N, 1 + K, C) nested predictions; row_weights: (N,) of mean 1.
    """
    count = proba.shape[1] - 1 - (len(pool.shares) > 0)  # what is known of test images has clean ones for a last cell
    battery = _battery_alone(pool, count)
    seen = proba[:, : 1 + count]
    values = [image_values(part, battery, row_weights, None) for part in (seen[:, :1], seen[:, 1:]) if part.shape[1]]
    known = Evidence(seen, battery, combiner, hidden_rows, np.concatenate(values, axis=1), row_weights)
    clean = expected_score(seen, replace(battery, expects="clean"), hidden_rows, row_weights, combiner=combiner)
    found: dict[str, Expected | None] = {"clean": clean}
    if count:
        shifted = expected_score(seen, replace(battery, expects="shifted"), hidden_rows, row_weights, combiner=combiner)
        in_contest = replace(shifted, expects="contest")
        gap = _gap(known.values[:, 1:].mean(axis=1) - known.values[:, 0])
        found["contest"] = not_above(in_contest, clean, gap, pool.metric)
        if (natural := _natural(known)) is not None:
            found["natural"] = not_above(natural[0], clean, natural[1], pool.metric)
        if (elsewhere := laboratory(known, in_contest)) is not None:
            found["laboratory"] = not_above(elsewhere, clean, (0.0, 0.0), pool.metric)
    return {name: one for name in CLAIMS if (one := found.get(name)) is not None}


def not_above(shifted: Expected, clean: Expected, gap: Gap, metric: str) -> Expected:
    """A shifted test's score to expect, lowered to the clean one's and what the gap shows beyond its standard error.

    Its interval moves with it; `note` says so.
    """
    found = get_metric(metric)
    beyond = max(found.sign * gap[0] - gap[1], 0.0)
    excess = found.sign * (shifted.point - clean.point) - beyond
    if excess <= 0:
        return shifted
    ends = ("point", "low", "high") if shifted.local is None else ("point", "low", "high", "local")
    moved: dict[str, Any] = {key: float(found.clipped(getattr(shifted, key) - found.sign * excess)) for key in ends}
    shown = f"its images score {gap[0]:+.3f} ± {gap[1]:.3f} beside clean ones, of which more than that error counts"
    return replace(shifted, **moved, note=shown if gap[1] else "no shift is expected to help")


def _gap(differences: np.ndarray) -> Gap:
    """Mean of paired differences (N,), and its standard error."""
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))


def _battery_alone(pool: Pool, count: int) -> Pool:
    """The pool without what is known of test images: `count` cells a row, all alike."""
    vault = pool.vault
    if vault is not None:
        vault = replace(vault, proba=vault.proba[:, :, :, : 1 + count], cells=vault.cells[:, :count])
    names = pool.cell_names[: len(pool.cell_names) - (len(pool.shares) > 0)]
    proba, cells = pool.proba[:, :, : 1 + count], pool.cells[:, :count]
    return replace(pool, proba=proba, cells=cells, cell_names=names, shares=(), vault=vault)


# ------------------------------------------------------------------------------------------------------- natural
def _natural(known: Evidence) -> tuple[Expected, Gap] | None:
    """The score to expect, and what its images lose; None where too few of them were drawn to have the metric."""
    pool = known.pool
    shares = scenario_shares("natural", pool.cell_names)
    weights = cell_weights(shares, pool.cell_names, pool.cells)[:, 1:]
    if not weights.any() or not _measurable(weights, pool):
        return None
    weights = weights / weights.mean()
    clean = known.values[:, 0]
    untouched = np.repeat(known.proba[:, :1], weights.shape[1], axis=1)  # of the same rows, as often
    shifted, before = (image_values(one, pool, known.row_weights, weights) for one in (known.proba[:, 1:], untouched))
    lost = shifted - before
    taken = float((weights * lost).mean())
    of_clean, of_lost = (clean - clean.mean()) / len(clean), (weights * (lost - taken)).sum(axis=1) / weights.size
    unlike = between_operators(lost, weights, pool)
    row_sd = float(np.sqrt((weights * (shifted - (weights * shifted).mean()) ** 2).mean()))
    centres = np.full(DRAWS, clean.mean() + taken)
    noise = float(np.sqrt(((of_clean + of_lost) ** 2).sum() + unlike**2 + (STRENGTH * taken) ** 2))
    expected = known.expected(centres, noise, known.gain(shares, float(centres.mean())), "natural", row_sd)
    return expected, (taken, float(np.sqrt((of_lost**2).sum())))


def _measurable(weights: np.ndarray, pool: Pool) -> bool:
    """Whether every class has such an image, where the metric is more than hits: without one there is no AUC of it."""
    there = np.unique(pool.labels[(weights > 0).any(axis=1)])
    return pool.metric in OF_HITS or len(there) == len(np.unique(pool.labels))


def between_operators(lost: np.ndarray, weights: np.ndarray, pool: Pool) -> float:
    """Standard deviation of what a test loses because OPERATORS of each kind stand for it, whichever they are.

    The kinds are equally frequent, so that what they differ by is in every test alike. Variances within kinds by the
    method of moments: those of operators' means, less the noise of their rows.
    """
    drawn, beyond = operators(pool.cell_names), 0.0
    codes = numbered(drawn)[pool.cells]
    code = dict(zip(drawn, numbered(drawn)))
    for names in NATURAL.values():
        shares = [weights * (codes == code[name]) for name in names if name in code]
        shares = [share for share in shares if share.any()]
        if len(shares) < 2:
            continue
        means = [float((share * lost).sum() / share.sum()) for share in shares]
        noises = [float(((share * (lost - m)) ** 2).sum() / share.sum() ** 2) for share, m in zip(shares, means)]
        of_test = float(sum(share.sum() for share in shares) / weights.sum())
        beyond += of_test**2 * (float(np.var(means, ddof=1)) - float(np.mean(noises))) / OPERATORS
    return float(np.sqrt(max(beyond, 0.0)))
