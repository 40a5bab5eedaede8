"""Learning curves: what a recipe's score will be after so many training images, from little evidence.

The error of a network that was trained on n images, its schedule annealed to the end, is taken to be

    floor + (guess - floor) / (1 + n / half)

guess is the error of guessing (of a fitted head, where the network begins with one), half the images after which the
way to the floor is half gone. What a recipe's floor and half may be is known beforehand (`PRIORS`, by how it starts)
and from every score seen: those of the race, and those of finished runs in the store. `Curve.score` is the mean over
all pairs, each as likely as its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kit.config import RecipeConfig

ROWS = 10_000
"""Training rows that the priors' floors are of."""
FLOORS = np.geomspace(0.003, 0.75, 28)
HALVES = np.geomspace(20, 300_000, 40)
MISFIT = 0.3
"""Standard deviation of a true score around its curve, in log odds: no network follows a formula."""

PROBED = 0.6
"""Power of the floor that is the error of a head fitted to a frozen pretrained body: 0.35 where training ends at 0.17
(photographs), 0.10 where it ends at 0.02 (blood cells). A network with such a head does not begin at guessing."""
STRANGE, FAR = 0.15, 3.0
"""Share of contests that are unlike those which the priors come from, and how much wider they spread."""

BROAD = ("strong", "auto")
"""Presets whose operators are of many kinds."""


@dataclass(frozen=True)
class Prior:
    """What is known of a kind of recipe before it is tried: medians, and spreads of their logarithms."""

    floor: float
    half: float
    rows: float
    """Exponent with which the floor falls as training rows grow."""
    floor_spread: float = 0.8
    half_spread: float = 0.8


PRIORS = {
    "pretrained": Prior(floor=0.08, half=1_500, rows=0.25, floor_spread=1.0),
    "probed": Prior(floor=0.08, half=1_500, rows=0.25, floor_spread=1.0),
    "frozen": Prior(floor=0.18, half=1_500, rows=0.15),
    "scratch": Prior(floor=0.20, half=4_000, rows=0.40, floor_spread=1.2),
    "pretrained, shifted": Prior(floor=0.19, half=2_500, rows=0.15, floor_spread=0.25),
    "probed, shifted": Prior(floor=0.12, half=9_000, rows=0.15, floor_spread=0.35, half_spread=0.5),
    "frozen, shifted": Prior(floor=0.25, half=1_500, rows=0.15, floor_spread=0.35),
    "scratch, shifted": Prior(floor=0.30, half=10_000, rows=0.15, floor_spread=0.35),
}
"""From recorded runs: blood cells under shifts and clean, ten classes of natural photographs, digits, faces. What a
shift hides stays hidden however long a network learns: MobileNetV2 was right on 0.789 of shifted cells after 11,100
images, 0.847 after 38,600 and 0.860 after 87,000; its trunk under a transformer on 0.811 after 16,300, 0.834 after
34,200."""
NARROW, QUICK = 2.4, 4.0
"""Factor on the floor under shifts of recipes that only flip, turn or crop, and how much faster they come to it: they
learn fastest, and stay behind."""


def _narrow(prior: Prior) -> Prior:
    return replace(prior, floor=prior.floor * NARROW, half=prior.half / QUICK, floor_spread=0.2)


STARTS = ("pretrained", "probed", "frozen", "scratch")
PRIORS |= {f"{start}, narrow": _narrow(PRIORS[f"{start}, shifted"]) for start in STARTS}


@dataclass(frozen=True)
class Point:
    """A score that was seen."""

    images: float
    """Training images that the network had seen, repetitions counted."""
    score: float
    rows: int
    """Rows that it was scored on."""
    train_rows: int = 0
    """Different rows that it was trained on; 0: those of the curve."""


def kind_of(recipe: RecipeConfig, expects: str = "clean") -> str:
    """How the recipe starts, what is expected, and whether its augmentation is too narrow for it: a key of PRIORS."""
    start = _start(recipe)
    if expects == "clean":
        return start
    broad = recipe.augment.preset in BROAD or bool(recipe.augment.policy)
    return f"{start}, shifted" if broad else f"{start}, narrow"


def _start(recipe: RecipeConfig) -> str:
    """One of STARTS; probed: the head begins at the end of a regression."""
    tune = recipe.finetune
    if not recipe.net.pretrained:
        return "scratch"
    if tune.frozen == 1 or tune.blocks == 0:
        return "frozen"
    return "probed" if tune.head == "probe" else "pretrained"


@dataclass(frozen=True)
class Curve:
    """What one recipe can be expected to reach."""

    kind: str
    classes: int
    train_rows: int
    """Rows that the networks behind `points` were trained on."""
    points: tuple[Point, ...] = ()
    _weights: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", self._posterior())

    @property
    def guess(self) -> float:
        """The error of guessing."""
        return 1 - 1 / self.classes

    def score(self, images: float, train_rows: int | None = None) -> float:
        """Expected score (0..1) after `images` training images, of `train_rows` different rows."""
        floors = FLOORS * self._fewer_rows(train_rows)
        return float(1 - (self._weights * self._errors(images, floors)).sum())

    def _fewer_rows(self, train_rows: int | None) -> float:
        """Factor on the floors for another number of training rows."""
        return ((train_rows or self.train_rows) / self.train_rows) ** -PRIORS[self.kind].rows

    def _errors(self, images: float, floors: np.ndarray) -> np.ndarray:
        """(F, H) errors for all pairs."""
        floors = np.minimum(floors, self.guess)[:, None]
        start = np.minimum(floors**PROBED, self.guess) if self.kind.startswith("probed") else self.guess
        return floors + (start - floors) / (1 + images / HALVES[None, :])

    def _posterior(self) -> np.ndarray:
        prior = PRIORS[self.kind]
        floor = min(prior.floor * (max(self.train_rows, 1) / ROWS) ** -prior.rows, 0.65 * self.guess)
        log = _known_log(np.log(FLOORS / floor), prior.floor_spread)[:, None]
        log = log + _known_log(np.log(HALVES / prior.half), prior.half_spread)[None, :]
        for point in self.points:
            right = np.clip((point.score * point.rows + 0.5) / (point.rows + 1), 1e-3, 1 - 1e-3)
            spread = MISFIT**2 + 1 / (point.rows * right * (1 - right))
            floors = FLOORS * self._fewer_rows(point.train_rows)
            expected = _log_odds(1 - self._errors(point.images, floors))
            log = log - 0.5 * (_log_odds(np.array(right)) - expected) ** 2 / spread
        weights = np.exp(log - log.max())
        return np.asarray(weights / weights.sum())


def _known_log(away: np.ndarray, spread: float) -> np.ndarray:
    """Log density of values `away` (in logarithms) from a prior's median; with tails: data may be unlike all seen."""
    near, far = -0.5 * (away / spread) ** 2, -0.5 * (away / (FAR * spread)) ** 2
    return np.asarray(np.logaddexp(np.log(1 - STRANGE) + near, np.log(STRANGE / FAR) + far))


def _log_odds(score: np.ndarray) -> np.ndarray:
    score = np.clip(score, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(score / (1 - score)))


def joined(*points: Sequence[Point]) -> tuple[Point, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(point for some in points for point in some))
