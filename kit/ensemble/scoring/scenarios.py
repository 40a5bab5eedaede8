"""A score to expect for each kind of hidden test, all read off cells that the battery has evaluated already.

clean and contest are means over the rows. natural is the clean score and what moderate single operators take off it,
paired row by row; its interval also holds that nobody knows how strong moderate is. laboratory is put together: every
operator's loss in log-odds above chance, in proportion to the battery's calibrated severities, and four of them at
once, drawn as laboratories could differ; its interval is made of which
operators and severities those are, of what four at once do beyond their sum, and of the noise of the rows. It is there
for metrics of hits alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.averaging import OF_HITS, Gain, assumed_gain, averaging_gain
from kit.ensemble.scoring.expected import DRAWS, LEAST_SD, LEVEL, Expected, expected_score, image_values
from kit.ensemble.scoring.scores import numbered, operators
from kit.metrics.registry import get_metric
from kit.shifts.scenarios import CLAIMS, FOREIGN, LABORATORY, scenario_shares

DAMAGE = np.array([0.10, 0.25, 0.45, 0.70, 1.00])
"""What severities 1 to 5 of every operator are calibrated to do, as shares of one damage."""

TOGETHER = 0.3
"""Standard deviation of the logarithm by which four changes at once do more or less than their sum: a guess, as no cell
of the battery holds just these four."""

STRENGTH = 0.5
"""Standard deviation of what a natural test takes off, as a share of it: how strong moderate is differs from test to
test. A guess: the battery's first two severities do 10 and 25 % of one damage."""

SURE = 1e-3
"""Scores are kept this far from 0 and 1, where log-odds have no end."""


@dataclass(frozen=True)
class Evidence:
    """What the scenarios are read off.

    proba: (N, 1 + K, C) nested predictions; pool: with the cells of the battery; combiner: the blend's, to see it with
    all folds on the vault. values: (N, 1 + K), whose means are scores.
    """

    proba: np.ndarray
    pool: Pool
    combiner: Combiner
    hidden_rows: int
    values: np.ndarray
    row_weights: np.ndarray | None

    def gain(self, shares: Mapping[str, float], score: float) -> Gain | None:
        """What averaging the folds adds to `score` under a mixture of cells; None where it is not known."""
        vault = self.pool.vault
        if vault is None:
            return assumed_gain(self.combiner, self.pool, score)
        seen = cell_weights(shares, self.pool.cell_names, self.pool.cells)
        held = cell_weights(shares, self.pool.cell_names, vault.cells)
        return averaging_gain(self.combiner, self.pool, vault, self.proba, seen, held)

    def expected(self, centres: np.ndarray, noise: float, gain: Gain | None, scenario: str) -> Expected:
        """The interval about `centres` (DRAWS,) with the noise of our rows, of theirs and of the gain."""
        point, metric = float(centres.mean()), get_metric(self.pool.metric)
        if gain is not None:
            centres, point = centres + gain.gain, float(metric.clipped(point + gain.gain))
            noise = float(np.hypot(noise, gain.se))
        row_sd = max(float(self.values.std()), LEAST_SD)
        spread = np.sqrt(noise**2 + row_sd**2 / self.hidden_rows)
        scores = metric.clipped(centres + spread * np.random.default_rng(1).standard_normal(len(centres)))
        low, high = (float(bound) for bound in np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        return Expected(
            point, low, high, scenario, hidden_rows=self.hidden_rows, local=point, averaging=gain, row_sd=row_sd
        )


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
        contest = replace(battery, expects="shifted")
        shifted = expected_score(seen, contest, hidden_rows, row_weights, combiner=combiner)
        in_contest = replace(shifted, expects="contest")
        found |= {"natural": _natural(known), "contest": in_contest, "laboratory": _laboratory(known, in_contest)}
    return {name: one for name in CLAIMS if (one := found.get(name)) is not None}


def _battery_alone(pool: Pool, count: int) -> Pool:
    """The pool without what is known of test images: `count` cells a row, all alike."""
    vault = pool.vault
    if vault is not None:
        vault = replace(vault, proba=vault.proba[:, :, :, : 1 + count], cells=vault.cells[:, :count])
    names = pool.cell_names[: len(pool.cell_names) - (len(pool.shares) > 0)]
    proba, cells = pool.proba[:, :, : 1 + count], pool.cells[:, :count]
    return replace(pool, proba=proba, cells=cells, cell_names=names, shares=(), vault=vault)


def cell_weights(shares: Mapping[str, float], cell_names: tuple[str, ...], cells: np.ndarray) -> np.ndarray:
    """Weights (N, 1 + K) of the clean image and of cells (N, K), of mean 1; 0 everywhere where no share is drawn."""
    drawn = np.bincount(cells.ravel(), minlength=len(cell_names))
    wanted = np.array([shares.get(name, 0.0) for name in cell_names])
    weights = np.zeros((len(cells), 1 + cells.shape[1]))
    weights[:, 1:] = np.where(drawn > 0, wanted / np.maximum(drawn, 1), 0.0)[cells]
    return weights * (weights.size / weights.sum()) if weights.any() else weights


# ------------------------------------------------------------------------------------------------------- natural
def _natural(known: Evidence) -> Expected | None:
    pool = known.pool
    shares = scenario_shares("natural", pool.cell_names)
    weights = cell_weights(shares, pool.cell_names, pool.cells)[:, 1:]
    if not weights.any():
        return None
    clean, lost = known.values[:, 0], known.values[:, 1:] - known.values[:, :1]
    taken = float((weights * lost).sum() / weights.sum())
    by_row = (clean - clean.mean()) / len(clean) + (weights * (lost - taken)).sum(axis=1) / weights.sum()
    unlike = _between_operators(lost, weights, pool)
    centres = np.full(DRAWS, clean.mean() + taken)
    noise = float(np.sqrt((by_row**2).sum() + unlike**2 + (STRENGTH * taken) ** 2))
    return known.expected(centres, noise, known.gain(shares, float(centres.mean())), "natural")


def _between_operators(lost: np.ndarray, weights: np.ndarray, pool: Pool) -> float:
    """Standard deviation of what a test of a few of the operators loses, beyond the noise of the rows.

    Operators' variance by the method of moments; a test is taken to hold four of them.
    """
    codes = numbered(operators(pool.cell_names))[pool.cells]
    used = [code for code in np.unique(codes) if weights[codes == code].any()]
    means, noises = [], []
    for code in used:
        share = weights * (codes == code)
        mean = float((share * lost).sum() / share.sum())
        means.append(mean)
        noises.append(float(((share * (lost - mean)) ** 2).sum() / share.sum() ** 2))
    if len(used) < 2:
        return 0.0
    beyond = float(np.var(means, ddof=1)) - float(np.mean(noises))
    return float(np.sqrt(max(beyond, 0.0) / 4))


# ---------------------------------------------------------------------------------------------------- laboratory
def _laboratory(known: Evidence, contest: Expected) -> Expected | None:
    if known.pool.metric not in OF_HITS:
        return None  # its losses are put together in log-odds of hits
    slopes = {kind: _slopes(known, names) for kind, names in LABORATORY.items()}
    if not any(slopes.values()):
        return None
    rng = np.random.default_rng(2)
    total = np.zeros(DRAWS)
    for found in slopes.values():
        if not found:
            continue
        chosen = rng.integers(len(found), size=DRAWS)
        slope, error = np.array(found).T
        severity = rng.integers(min(FOREIGN) - 1, max(FOREIGN), size=DRAWS)
        total += np.maximum(slope[chosen] + error[chosen] * rng.standard_normal(DRAWS), 0.0) * DAMAGE[severity]
    total *= np.exp(TOGETHER * rng.standard_normal(DRAWS))
    clean = known.values[:, 0]
    guess = 1 / known.pool.num_classes
    noise = float(clean.std(ddof=1) / np.sqrt(len(clean)))
    one_network = _hit_rate(_start(float(clean.mean()), guess) - total, guess)
    return known.expected(one_network, noise, _moved(contest, float(one_network.mean())), "laboratory")


def _slopes(known: Evidence, names: tuple[str, ...]) -> list[tuple[float, float]]:
    """Loss in log-odds of each operator that was drawn, at full damage, with its standard error.

    One logistic regression an operator, on the damage of its severities, from the clean score; drawn to their mean.
    """
    cell_names, pool = known.pool.cell_names, known.pool
    right = (known.proba.argmax(-1) == pool.labels[:, None]).astype(np.float64)
    guess = 1 / pool.num_classes
    start = _start(float(right[:, 0].mean()), guess)
    rows = []
    for name in names:
        severity = np.array([int(cell.partition("@")[2]) if cell.partition("@")[0] == name else 0
                             for cell in cell_names])[pool.cells]  # fmt: skip
        drawn = severity > 0
        if drawn.any():
            rows.append((right[:, 1:][drawn], DAMAGE[severity[drawn] - 1]))
    if not rows:
        return []
    every = np.concatenate([hits for hits, _ in rows]), np.concatenate([damage for _, damage in rows])
    common, _ = _slope(*every, start, guess, 0.0, 10.0)
    return [_slope(hits, damage, start, guess, common, max(abs(common), 0.5)) for hits, damage in rows]


def _start(clean: float, guess: float) -> float:
    """Log-odds of the clean score above chance."""
    return log_odds((clean - guess) / (1 - guess))


def _hit_rate(odds: np.ndarray, guess: float) -> np.ndarray:
    """Share of hits: chance, and what the log-odds say above it."""
    return np.asarray(guess + (1 - guess) / (1 + np.exp(-np.clip(odds, -30, 30))))


def _slope(
    hits: np.ndarray, damage: np.ndarray, start: float, guess: float, centre: float, width: float
) -> tuple[float, float]:
    """b of log-odds start - b damage above chance, under a normal prior, by Fisher scoring, and its standard error."""
    slope, curvature = centre, 1.0
    for _ in range(25):
        rate = np.clip(_hit_rate(start - slope * damage, guess), SURE, 1 - SURE)
        above = (rate - guess) / (1 - guess)
        change = -(1 - guess) * above * (1 - above) * damage
        spread = rate * (1 - rate)
        gradient = ((hits - rate) * change / spread).sum() - (slope - centre) / width**2
        curvature = (change**2 / spread).sum() + 1 / width**2
        slope = slope + float(np.clip(gradient / curvature, -1.0, 1.0))
    return slope, float(1 / np.sqrt(curvature))


def _moved(contest: Expected, point: float) -> Gain | None:
    """The contest's gain from averaging where one network a recipe scores `point`: as much in log-odds."""
    gain = contest.averaging
    if gain is None:
        return None
    before = contest.point - gain.gain
    step = log_odds(contest.point) - log_odds(before)
    here = 1 / (1 + np.exp(-(log_odds(point) + step))) - point
    scale = point * (1 - point) / max(before * (1 - before), SURE)
    unseen: dict[str, Any] = dict.fromkeys(("single", "averaged", "averaged_se"))
    return replace(gain, gain=float(here), se=gain.se * scale, **unseen)  # no image of the vault is of a laboratory


def log_odds(score: float) -> float:
    """Of a score, kept inside 0 and 1."""
    inside = min(max(score, SURE), 1 - SURE)
    return float(np.log(inside / (1 - inside)))
