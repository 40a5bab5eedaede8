"""Which scenario a contest's hidden test is: what is believed before, and what remote scores say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kit.ensemble.scoring.expected import LEVEL
from kit.shifts.scenarios import CLAIMS

NAMED = 0.4
"""Belief in the scenario that the contest file names, before anything is seen; the others share the rest."""
FLOOR = 0.02
"""No scenario is believed in less than this before remote scores: test images can mislead."""

NARROWEST = 1e-3
"""Standard deviation of a promise, at the least."""

Promise = tuple[float, float, float]
"""Score to expect, and the ends of its interval."""


@dataclass(frozen=True)
class Belief:
    """Probability of each scenario, and what it was told by: "contest file", "test images", "remote scores"."""

    shares: dict[str, float]
    told_by: str

    def line(self) -> str:
        """In words, the likeliest first."""
        order = sorted(self.shares, key=lambda name: -self.shares[name])
        return f"hidden test, told by {self.told_by}: " + ", ".join(f"{name} {self.shares[name]:.0%}" for name in order)


def prior(expects: str, seen: Mapping[str, float] | None = None) -> Belief:
    """Before remote scores: by what the test images resemble (`seen`), or by what the contest file expects."""
    if seen is not None:
        raised = {name: max(seen.get(name, 0.0), FLOOR) for name in CLAIMS}
        return Belief(_sum_to_one(raised), "test images")
    named = "contest" if expects == "shifted" else expects
    others = (1 - NAMED) / (len(CLAIMS) - 1)
    return Belief({name: NAMED if name == named else others for name in CLAIMS}, "contest file")


def updated(before: Belief, scored: Sequence[tuple[Mapping[str, Promise], float]]) -> Belief:
    """The belief after remote scores of zips: each zip's promises by scenario, and the score that it got.

    All zips met one hidden test, which differs from what was expected alike for all: their mean miss counts once.
    A scenario that some zip has no promise for keeps its share of what it had.
    """
    told = [(promises, score) for promises, score in scored if promises]
    if not told:
        return before
    likely = dict(before.shares)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2)
    known = [name for name in before.shares if all(name in promises for promises, _ in told)]
    logs = []
    for name in known:
        miss = float(np.mean([score - promises[name][0] for promises, score in told]))
        width = float(np.mean([(promises[name][2] - promises[name][1]) / (2 * reach) for promises, _ in told]))
        width = max(width, NARROWEST)
        logs.append(-0.5 * (miss / width) ** 2 - np.log(width))
    held = np.array([likely[name] for name in known])
    if held.any():  # by logarithms: a score far from every promise is still nearest to one
        chance = held * np.exp(np.array(logs) - max(logs))
        likely |= dict(zip(known, (held.sum() * chance / chance.sum()).tolist()))
    return Belief(_sum_to_one(likely), "remote scores")


def _sum_to_one(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}
