"""What a set of recipes is worth: the expected score of their blend, and the shares of time that make it highest.

Recipes are voters with margins d (`kit.ensemble.scoring.margins`) whose deviations have the covariance R: what folds
of one recipe have in common on its diagonal, what recipes have in common beside it. The best weights give a blend with
the margin sqrt(d' R^-1 d); a voter adds to it only if its own margin is larger than its share in the others'. So weak
networks beside strong ones are worth nothing, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kit.ensemble.scoring.margins import AGREE, averaged, bounded, margin, score
from kit.pipeline.curves import Curve

WORTH = 0.002
"""Expected score that a further recipe must add."""
PARTS = 24
"""Parts into which the time is cut that is given out."""
LEAST_EPOCHS = 0.3
"""Epochs under which nothing is planned."""


@dataclass(frozen=True)
class Candidate:
    """A recipe that may be trained."""

    name: str
    family: str
    """Equal for recipes of one architecture."""
    epochs: float
    """What it would like."""
    curve: Curve
    image: float
    """Seconds for one training image in one place."""
    load: float
    """Seconds of every fit beside its steps and its scoring."""
    scoring: float
    """Seconds for the held-out rows of all folds, in one place."""
    after: float
    """Seconds that each of its fold models adds to what comes after training."""


@dataclass(frozen=True)
class Room:
    """What there is to be given out."""

    seconds: float
    """Until training must be done, what comes after it of no recipe in particular taken off."""
    places: int
    folds: int
    rows: int
    """Rows of the contest that are in folds."""
    classes: int
    expects: str = "clean"
    """A key of AGREE."""
    busy: tuple[float, ...] = ()
    """Seconds of fits of recipes already begun."""
    begun: tuple[tuple[float, str], ...] = ()
    """Expected score and family of each of those recipes."""

    @property
    def train_rows(self) -> int:
        return max(1, self.rows * (self.folds - 1) // self.folds) if self.folds > 1 else self.rows


@dataclass(frozen=True)
class Allocation:
    """Epochs by recipe, and the score that is expected of the blend."""

    folds: int
    epochs: Mapping[str, float]
    score: float
    seconds: float
    """That training will take."""


def blend_score(scores: Sequence[float], families: Sequence[str], room: Room) -> float:
    """Expected score of the best blend of recipes with these scores, all their folds averaged.

    Averaging folds takes variance off a recipe, but none that it shares with other recipes. It puts right at most the
    share of errors that it does in the score to expect.
    """
    agree = AGREE[room.expects]
    margins = np.array([margin(one, room.classes) for one in scores])
    kept = np.flatnonzero(margins > 0)
    if not len(kept):
        return 1 / room.classes
    alike = np.array(families)[:, None] == np.array(families)[None, :]
    single = np.where(alike, agree.kin, agree.others)
    np.fill_diagonal(single, 1.0)
    whole = averaged(single, room.folds, agree)
    while True:
        among = np.ix_(kept, kept)
        weights = np.linalg.solve(whole[among], margins[kept])
        if weights.min() >= 0:
            break
        kept = np.delete(kept, weights.argmin())
    one, all_folds = (
        score(float(weights @ margins[kept] / np.sqrt(weights @ matrix[among] @ weights)), room.classes)
        for matrix in (single, whole)
    )
    return one + bounded(all_folds - one, one)


def makespan(fits: Sequence[float], places: int) -> float:
    """When the last of fits that take so many seconds ends: the longest first, each in the place that is free first."""
    busy = [0.0] * places
    for seconds in sorted(fits, reverse=True):
        busy[busy.index(min(busy))] += seconds
    return max(busy)


def best(candidates: Sequence[Candidate], rooms: Sequence[Room]) -> Allocation | None:
    """The allocation with the highest expected score over `rooms`; None where none has time for anything.

    Recipes come one by one, whichever adds most, while one adds WORTH.
    """
    found = [allocation for room in rooms if (allocation := _best_in(candidates, room)) is not None]
    return max(found, key=lambda allocation: allocation.score, default=None)


def _best_in(candidates: Sequence[Candidate], room: Room) -> Allocation | None:
    chosen: list[Candidate] = []
    made: Allocation | None = _nothing_more(room) if room.begun else None
    while len(chosen) < len(candidates):
        tried = [(one, shared([*chosen, one], room)) for one in candidates if one not in chosen]
        better = [(one, allocation) for one, allocation in tried if allocation is not None]
        if not better:
            break
        one, allocation = max(better, key=lambda pair: pair[1].score)
        if made is not None and allocation.score < made.score + WORTH:
            break
        chosen, made = [*chosen, one], allocation
    return made


def _nothing_more(room: Room) -> Allocation:
    """What the recipes that are begun come to by themselves."""
    nothing: list[Candidate] = []
    none = np.zeros(0)
    return Allocation(room.folds, {}, expected(nothing, none, room), training_seconds(nothing, none, room))


def shared(chosen: Sequence[Candidate], room: Room) -> Allocation | None:
    """The time of `room` given to all of `chosen`, for the highest expected score; None where it is too short."""
    seconds = room.seconds - sum(one.after for one in chosen) * room.folds
    fixed = sum(one.load * room.folds + one.scoring for one in chosen)
    per_epoch = np.array([one.image * room.train_rows for one in chosen]) * room.folds
    wishes = np.array([one.epochs for one in chosen])
    least = np.minimum(LEAST_EPOCHS, wishes)
    spare = seconds * room.places - fixed - sum(room.busy) - float(per_epoch @ least)
    if spare < 0:
        return None
    epochs = _fitted(chosen, _climbed(chosen, room, least, wishes, spare / per_epoch), room, seconds)
    if epochs is None:
        return None
    names, taken = [one.name for one in chosen], training_seconds(chosen, epochs, room)
    return Allocation(room.folds, dict(zip(names, map(float, epochs))), expected(chosen, epochs, room), taken)


def _climbed(
    chosen: Sequence[Candidate], room: Room, least: np.ndarray, wishes: np.ndarray, whole: np.ndarray
) -> np.ndarray:
    """Epochs by recipe; whole: what all the spare time buys of each.

    From equal shares, parts of the time move from recipe to recipe while the expected score rises. Not from nothing,
    part by part: the first seconds of a second network are worth nothing, as it adds only from where its margin comes
    near the first one's.
    """
    count = len(chosen)

    def epochs_of(parts: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum(least + whole * parts / PARTS, wishes))

    parts = np.full(count, PARTS // count)
    parts[: PARTS - int(parts.sum())] += 1
    value = expected(chosen, epochs_of(parts), room)
    while True:
        moves = [(i, j) for i in range(count) for j in range(count) if i != j and parts[i] > 0]
        tried = [(expected(chosen, epochs_of(_moved(parts, *move)), room), move) for move in moves]
        if not tried or max(tried)[0] <= value + 1e-6:
            return epochs_of(parts)
        value, move = max(tried)
        parts = _moved(parts, *move)


def _moved(parts: np.ndarray, source: int, target: int) -> np.ndarray:
    moved = parts.copy()
    moved[source] -= 1
    moved[target] += 1
    return moved


def expected(chosen: Sequence[Candidate], epochs: np.ndarray, room: Room) -> float:
    """Expected score of the blend of `chosen`, trained for `epochs` each."""
    rows = room.train_rows
    scores = [one.curve.score(count * rows, rows) for one, count in zip(chosen, epochs)]
    families = [one.family for one in chosen]
    begun = [score for score, _ in room.begun], [family for _, family in room.begun]
    return blend_score([*scores, *begun[0]], [*families, *begun[1]], room)


def training_seconds(chosen: Sequence[Candidate], epochs: np.ndarray, room: Room) -> float:
    """Seconds that training takes in the room's places."""
    each = [fit_seconds(one, count, room) for one, count in zip(chosen, epochs)]
    return makespan([*room.busy, *(seconds for seconds in each for _ in range(room.folds))], room.places)


def fit_seconds(one: Candidate, epochs: float, room: Room) -> float:
    """Seconds of one fit with the scoring of its fold."""
    return one.load + one.scoring / room.folds + one.image * room.train_rows * epochs


def _fitted(chosen: Sequence[Candidate], epochs: np.ndarray, room: Room, seconds: float) -> np.ndarray | None:
    """The epochs, all by one factor fewer, with which no place is busy for longer; None where nothing is left."""
    low, high = 0.0, 1.0
    if training_seconds(chosen, epochs, room) <= seconds:
        return epochs
    for _ in range(20):
        middle = (low + high) / 2
        fits = training_seconds(chosen, epochs * middle, room) <= seconds
        low, high = (middle, high) if fits else (low, middle)
    fitted = epochs * low
    return fitted if fitted.min() >= LEAST_EPOCHS / 3 else None
