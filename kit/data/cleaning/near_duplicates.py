"""Pairs of near duplicates: candidates are each row's nearest neighbours; they are aligned, compared, and linked
where they differ as little as copies do and any other image differs much more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.data.cleaning import chance, comparison
from kit.data.cleaning.alignment import INNER, aligned, correlation, thumbnails
from kit.data.cleaning.chance import Threshold
from kit.data.cleaning.descriptors import Metric
from kit.data.cleaning.neighbours import nearest
from kit.data.cleaning.perturb import oriented
from kit.data.cleaning.reencoding import reencoded

NEIGHBOURS = 6
"""Candidates a row."""
CROWD, CROWDED = 48, 0.02
"""Candidates of a row whose nearest are all as near as copies, and the share of the rows that get so many."""
SAMPLE = 1000
"""Rows from which the threshold is learned."""
VERIFIED = 20_000
"""Pairs that are saved anew, at most, to see whether one is the other's re-encoding."""
EMPTY = 3.0
"""Grey levels of contrast below which an image has no content that could be another's: it is linked with none but those
that are the same to the last pixel, once turned."""
FEWEST = 30
"""Images below which nothing is learned and nothing linked but identical ones."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of rows that show one image."""

    pairs: np.ndarray
    """(M, 2) int64, first the smaller row."""
    scores: np.ndarray
    """(M,) float32 similarity: correlation of the two after alignment."""
    remark: str = ""
    """What was learned, or why nothing could be."""

    @classmethod
    def none(cls, remark: str = "") -> NearDuplicates:
        """No pair."""
        return cls(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), remark)


def find(images: np.ndarray, described: np.ndarray, metric: Metric) -> NearDuplicates:
    """Near duplicates among `images` (N, S, S, 3) uint8, described by `kit.data.cleaning.descriptors.describe`."""
    if len(images) < FEWEST:
        return NearDuplicates.none()
    search = _Search(images, metric.project(described), metric.radius)
    threshold = search.threshold()
    pairs = search.linked(threshold) if threshold.apart else search.nearest_pairs(threshold)
    empty = search.small[:, INNER, INNER].std(axis=(1, 2)) < EMPTY
    pairs = pairs[~empty[pairs].any(axis=1)]
    if not threshold.apart:
        pairs = _verified(images, pairs)
    pairs = np.concatenate([pairs, _turned(images, np.flatnonzero(empty))])
    return NearDuplicates(pairs, _similarity(search.small, pairs), _remark(threshold))


def find_similar(
    images: np.ndarray, described: np.ndarray, metric: Metric, similarity: float
) -> NearDuplicates:
    """Those of a similarity that a person chose, whatever the data look like."""
    pairs = _candidates(metric.project(described), metric.radius)
    scores = _similarity(thumbnails(images), pairs)
    alike = scores >= similarity
    return NearDuplicates(pairs[alike], scores[alike])


def _remark(threshold: Threshold) -> str:
    learned = (
        f"a copy must lie {threshold.ratio:.1f} times nearer than the nearest different image; "
        f"{threshold.recognised:.0%} of simulated copies do"
    )
    if threshold.apart:
        return f"near duplicates: {learned}, and by chance at most 1 row in {1 / chance.CHANCE:,.0f}"
    return (
        f"near duplicates: copies and look-alikes cannot be told apart in these data ({learned}). Only identical "
        "images and verified re-encodings are linked; other copies may lie in different folds"
    )


class _Search:
    """Distances between rows and their neighbours, filled in as they are needed."""

    def __init__(self, images: np.ndarray, points: np.ndarray, radius: float) -> None:
        self.points = points
        self.small = thumbnails(images)
        self.comparison = comparison.learn(images, self.small)
        distances, self.rows = nearest(points, NEIGHBOURS)
        self.pairs = np.zeros((0, 2), np.int64)
        self.distances = np.zeros(0, np.float32)
        own, place = np.nonzero(distances < radius)
        self._compare(np.stack([own, self.rows[own, place]], axis=1))

    def threshold(self) -> Threshold:
        """What is learned from a sample of the rows and from simulated copies."""
        originals, places = np.unique(self.comparison.originals, return_inverse=True)
        others = np.setdiff1d(np.random.default_rng(1).permutation(len(self.points))[:SAMPLE], originals)
        rows = np.append(originals, others)[:SAMPLE]
        usable = places < len(rows)
        self._complete(rows)
        return chance.learn(self._nearest(rows), self.comparison.simulated[usable], places.ravel()[usable])

    def linked(self, threshold: Threshold) -> np.ndarray:
        """(M, 2) pairs of which either row finds the other as near as copies lie, with a gap behind."""
        self._complete(np.unique(self.pairs[self.distances <= threshold.level]))
        crowded = np.flatnonzero((self._nearest(np.arange(len(self.points))) <= threshold.level).all(axis=1))
        if 0 < len(crowded) <= CROWDED * len(self.points) + CROWD:
            self._widen(crowded)
        reach = self._reach(threshold)
        return self.pairs[self.distances <= np.minimum(*reach[self.pairs.T])]

    def nearest_pairs(self, threshold: Threshold) -> np.ndarray:
        """(M, 2) pairs as near as copies, the nearest `VERIFIED` of them."""
        near = np.flatnonzero(self.distances <= threshold.level)
        return self.pairs[near[np.argsort(self.distances[near], kind="stable")[:VERIFIED]]]

    def _complete(self, rows: np.ndarray) -> None:
        """Compare `rows` with all their neighbours, however far."""
        self._compare(np.stack([np.repeat(rows, self.rows.shape[1]), self.rows[rows].ravel()], axis=1))

    def _widen(self, rows: np.ndarray) -> None:
        """Compare `rows` with more neighbours, so that a gap may show behind many copies."""
        count = min(CROWD, len(self.points) - 1)
        for row in rows.tolist():
            away = np.linalg.norm(self.points - self.points[row], axis=1)
            near = np.argpartition(away, count)[: count + 1]
            self._compare(np.stack([np.full(count + 1, row), near], axis=1)[near != row])

    def _compare(self, pairs: np.ndarray) -> None:
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
        count = len(self.points)
        fresh = pairs[~np.isin(pairs @ [count, 1], self.pairs @ [count, 1])]
        self.pairs = np.concatenate([self.pairs, fresh])
        self.distances = np.append(self.distances, self.comparison.pairs(self.small, fresh))

    def _ordered(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances of all pairs seen from both their rows, by row and then by distance."""
        rows, distances = self.pairs.T.ravel(), np.tile(self.distances, 2)
        order = np.lexsort((distances, rows))
        return rows[order], distances[order]

    def _nearest(self, rows: np.ndarray) -> np.ndarray:
        """(n, NEIGHBOURS) ascending distances of `rows`, infinite where fewer are known."""
        owners, distances = self._ordered()
        starts = np.searchsorted(owners, rows)
        places = starts[:, None] + np.arange(self.rows.shape[1])
        inside = places < len(owners)
        places = np.where(inside, places, 0)
        return np.where(inside & (owners[places] == rows[:, None]), distances[places], np.inf)

    def _reach(self, threshold: Threshold) -> np.ndarray:
        """(N,) distance up to which a row's neighbours are its copies; negative where it has none."""
        owners, distances = self._ordered()
        following = np.append(distances[1:], np.inf)
        known = np.append(owners[1:] == owners[:-1], False)
        wide = following + chance.LEAST >= threshold.ratio * (distances + chance.LEAST)
        passed = (distances <= threshold.level) & known & wide
        reach = np.full(len(self.points), -1.0, np.float32)
        np.maximum.at(reach, owners[passed], distances[passed])
        return reach


def _candidates(points: np.ndarray, radius: float) -> np.ndarray:
    """Pairs (M, 2) int64 of rows among each other's nearest within `radius`, each pair once."""
    distances, rows = nearest(points, NEIGHBOURS)
    own, place = np.nonzero(distances < radius)
    pairs = np.stack([own, rows[own, place]], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _similarity(small: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    parts = [small[pairs[start : start + 8192].T] for start in range(0, len(pairs), 8192)]
    return np.concatenate([np.zeros(0, np.float32), *(correlation(one, aligned(one, other)) for one, other in parts)])


def _turned(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(M, 2) pairs of `rows` (n,), ascending, that are one image, turned or flipped."""
    keys = [min(oriented(images[row], number).tobytes() for number in range(8)) for row in rows.tolist()]
    first: dict[bytes, int] = {}
    found = [(first.setdefault(key, row), row) for key, row in zip(keys, rows.tolist())]
    return np.array([pair for pair in found if pair[0] != pair[1]], np.int64).reshape(-1, 2)


def _verified(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return pairs[[reencoded(images[one], images[other]) for one, other in pairs.tolist()]] if len(pairs) else pairs
