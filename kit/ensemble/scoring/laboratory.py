"""The score to expect in another laboratory: four kinds of change at once, of which no cell holds just these.

Put together in log-odds above chance: what each operator takes off at its severities, drawn as laboratories could
differ, four of them added up, times what several at once do of their sum. That share is measured on the battery's
mixtures of four, as they were drawn of all families: well below 1, because an image that one change has spoilt cannot
be spoilt again. The interval holds which operators and severities it is, how far that laboratory lies as a whole, and
that these four need not act together as mixtures do. Both of the latter are guesses: no battery can measure them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kit.ensemble.scoring.averaging import OF_HITS, Gain
from kit.ensemble.scoring.evidence import Evidence
from kit.ensemble.scoring.expected import DRAWS, Expected
from kit.shifts.mixture import FAMILY_WEIGHT, PARTS, drawn_parts
from kit.shifts.operators import members
from kit.shifts.scenarios import FOREIGN, LABORATORY
from kit.shifts.strengths import RANGES, STRENGTHS

LOSS = np.sqrt([0.10, 0.25, 0.45, 0.70, 1.00])
"""Log-odds lost by severities 1 to 5, as shares of what the last one takes: the square root of the damage that they are
calibrated to. On 14,700 images under one operator, of five recipes of four data sets, a severity's loss over that root
differs by 1 to 24 % over severities; over the damage itself it falls to a third."""

STRENGTH = 0.5
"""Standard deviation of the logarithm of how strongly a laboratory differs, all its changes alike: a guess, the same as
for a natural test."""

TOGETHER = 0.3
"""The same of how these four kinds act together beside how mixtures of all families do: a guess too."""

USUAL, UNUSUAL = -0.4, 0.4
"""What several at once do of their sum, before mixtures tell: mean and standard deviation of its logarithm."""

MIXTURE = "mixture.four"
"""As many at once as a laboratory changes."""
MIXED = 400
"""Mixtures drawn to foretell a cell."""
GRID = np.linspace(-2.0, 1.0, 61)

SURE = 1e-3
"""Scores are kept this far from 0 and 1, where log-odds have no end."""

Slopes = Mapping[str, tuple[float, float]]
"""Log-odds above chance that an operator takes at its last severity, and their standard error, by its name."""


def laboratory(known: Evidence, contest: Expected) -> Expected | None:
    """The score to expect; None where no operator of a laboratory was drawn, and for metrics that are not of hits.

    contest: the score to expect of the battery as it is drawn, for what averaging adds.
    """
    if known.pool.metric not in OF_HITS:
        return None
    guess = 1 / known.pool.num_classes
    right = (known.proba.argmax(-1) == known.pool.labels[:, None]).astype(np.float64)
    start = above_chance(float(right[:, 0].mean()), guess)
    slopes = operator_slopes(known, right, start, guess)
    kinds = [found for names in LABORATORY.values() if (found := [slopes[name] for name in names if name in slopes])]
    if not kinds:
        return None
    share, doubt = together(known, right, slopes, start, guess)
    rng = np.random.default_rng(2)
    total = np.zeros(DRAWS)
    for found in kinds:
        slope, error = np.array(found)[rng.integers(len(found), size=DRAWS)].T
        severity = rng.integers(min(FOREIGN) - 1, max(FOREIGN), size=DRAWS)
        total += np.maximum(slope + error * rng.standard_normal(DRAWS), 0.0) * LOSS[severity]
    spread = float(np.sqrt(STRENGTH**2 + TOGETHER**2 + doubt**2))
    total *= np.exp(share + spread * rng.standard_normal(DRAWS))
    clean = known.values[:, 0]
    noise = float(clean.std(ddof=1) / np.sqrt(len(clean)))
    one_network = hit_rate(above_chance(float(clean.mean()), guess) - total, guess)
    gain = _moved(contest, float(one_network.mean()))
    return known.expected(one_network, noise, gain, "laboratory", float(known.values.std()))


def operator_slopes(known: Evidence, right: np.ndarray, start: float, guess: float) -> Slopes:
    """The slope of every single operator that was drawn; right (N, 1 + K): 1.0 where the prediction is the label.

    One logistic regression an operator, on the losses of its severities, from the clean score `start`; drawn to the
    slope of its family.
    """
    names, cells = known.pool.cell_names, known.pool.cells
    severity = np.array([int(name.partition("@")[2]) for name in names])[cells]
    single = [name.partition("@")[0] for name in names]
    found: dict[str, tuple[float, float]] = {}
    for family in FAMILY_WEIGHT:
        drawn = {}
        for name in members(family):
            mask = np.array([one == name for one in single])[cells]
            if mask.any():
                drawn[name] = (right[:, 1:][mask], LOSS[severity[mask] - 1])
        if drawn:
            hits, losses = (np.concatenate(parts) for parts in zip(*drawn.values()))
            common, _ = _slope(hits, losses, start, guess, 0.0, 10.0)
            width = max(abs(common), 0.5)
            found |= {name: _slope(*rows, start, guess, common, width) for name, rows in drawn.items()}
    return found


def together(
    known: Evidence, right: np.ndarray, slopes: Slopes, start: float, guess: float
) -> tuple[float, float]:
    """Logarithm of the share of their sum that four changes at once take off, and its standard error.

    Of mixtures that are drawn as the battery draws them: the share under which their severities are as often right as
    they were, by likelihood. USUAL where no mixture was drawn.
    """
    names, cells = known.pool.cell_names, known.pool.cells
    chance = -0.5 * ((GRID - USUAL) / UNUSUAL) ** 2
    parts = _mixed(slopes)
    for place, name in enumerate(names):
        hits = right[:, 1:][cells == place]
        if name.partition("@")[0] != MIXTURE or not len(hits):
            continue
        strength = STRENGTHS[MIXTURE][int(name.partition("@")[2]) - 1]
        totals = np.array([sum(slope * _lost(one, share * strength) for one, share, slope in some) for some in parts])
        rate = hit_rate(start - np.exp(GRID)[:, None] * totals, guess).mean(axis=1)
        chance = chance + hits.sum() * np.log(rate) + (1 - hits).sum() * np.log(1 - rate)
    weights = np.exp(chance - chance.max())
    weights = weights / weights.sum()
    share = float((weights * GRID).sum())
    return share, float(np.sqrt((weights * (GRID - share) ** 2).sum()))


def _mixed(slopes: Slopes) -> list[list[tuple[str, float, float]]]:
    """MIXED mixtures: operator, share of the strength and slope of each part; those that were not drawn left out."""
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(MIXED):
        some = [(name, share) for name, share in drawn_parts(PARTS[MIXTURE], rng) if name in slopes]
        drawn.append([(name, share, max(rng.normal(*slopes[name]), 0.0)) for name, share in some])
    return drawn


def _lost(operator: str, share: float) -> float:
    """Loss at a share of the operator's whole range, as a share of that at its last severity."""
    none, limit = RANGES[operator]
    return float(np.interp(none + (limit - none) * share, [none, *STRENGTHS[operator]], [0.0, *LOSS]))


def above_chance(clean: float, guess: float) -> float:
    """Log-odds of the clean score above chance."""
    return log_odds((clean - guess) / (1 - guess))


def hit_rate(odds: np.ndarray, guess: float) -> np.ndarray:
    """Share of hits: chance, and what the log-odds say above it."""
    return np.asarray(guess + (1 - guess) / (1 + np.exp(-np.clip(odds, -30, 30))))


def _slope(
    hits: np.ndarray, losses: np.ndarray, start: float, guess: float, centre: float, width: float
) -> tuple[float, float]:
    """b of log-odds start - b losses above chance, under a normal prior, by Fisher scoring, and its standard error."""
    slope, curvature = centre, 1.0
    for _ in range(25):
        rate = np.clip(hit_rate(start - slope * losses, guess), SURE, 1 - SURE)
        above = (rate - guess) / (1 - guess)
        change = -(1 - guess) * above * (1 - above) * losses
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
