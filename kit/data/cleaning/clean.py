"""Which rows to keep, and why not: one row of `clean.csv` for every input image, in the input's order."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from kit.config import CleanConfig
from kit.data.cleaning import clusters, copies, decisions, descriptors, near_duplicates, outliers, quality
from kit.data.cleaning.bounds import Bounds, Charge
from kit.data.cleaning.decisions import Verdicts
from kit.data.cleaning.grouping import by_key, image_keys, stars
from kit.data.cleaning.near_duplicates import NearDuplicates
from kit.data.cleaning.reencoding import reencoded
from kit.data.sources.imageset import ImageSet
from kit.echo import Echo

VERIFIED = 500
"""Linked pairs of different labels, at most, of which it is verified that one is the other saved anew."""


def clean(
    image_set: ImageSet,
    config: CleanConfig,
    previous: pd.DataFrame | None = None,
    accepted: Collection[str] = (),
    echo: Echo = lambda _: None,
) -> pd.DataFrame:
    """The table of decisions (`kit.data.cleaning.decisions` explains its columns).

    `previous` is the table of an earlier run: what a person overruled there stays overruled. A rule that would drop
    more than its bounds (`kit.data.cleaning.bounds`) drops nothing, unless its reason is `accepted`. `echo` gets what
    was learned of the data.
    """
    labels = image_set.need_labels()
    keys = image_keys(image_set.images)
    distinct = by_key(keys)
    first = np.unique(distinct, return_index=True)[1]
    images = image_set.images if len(first) == len(labels) else image_set.images[first]
    described = descriptors.describe(images)
    near = _near(images, described, config)
    if near.remark:
        echo(near.remark)
    groups = stars(len(first), near.pairs)[distinct]
    certain = stars(len(first), _saved_anew(images, labels[first], near.pairs))[distinct]
    verdicts = Verdicts.none(len(labels))
    bounds = Bounds(certain, labels, image_set.class_names, config.max_share, accepted)
    copies.judge(image_set.ids, labels, distinct, certain, groups, config, bounds, verdicts)
    _note_pairs(image_set.ids, first[near.pairs], near.scores, verdicts)
    sizes = None if image_set.sizes is None else image_set.sizes[first]
    for charge in _suspicions(images, labels[first], described, sizes, config):
        bounds.apply(_all_rows(charge, distinct), verdicts)
    fresh = decisions.table(image_set.ids, labels, groups, keys, verdicts)
    return fresh if previous is None else decisions.carry_over(fresh, previous)[0]


def _near(images: np.ndarray, described: np.ndarray, config: CleanConfig) -> NearDuplicates:
    if not config.near_duplicates or len(images) < 2:
        return NearDuplicates.none()
    metric = descriptors.learn_metric(images, described)
    chosen = config.chosen_similarity
    if chosen is None:
        return near_duplicates.find(images, described, metric)
    return near_duplicates.find_similar(images, described, metric, chosen)


def _saved_anew(images: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Those of the linked `pairs` (M, 2) of which one is the other's re-encoding, in groups of several labels."""
    groups = stars(len(images), pairs)
    differ = np.zeros(len(images), bool)
    differ[groups[pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]].ravel()]] = True
    asked = pairs[differ[groups[pairs[:, 0]]]][:VERIFIED]
    return asked[np.array([reencoded(images[one], images[other]) for one, other in asked.tolist()], dtype=bool)]


def _note_pairs(ids: np.ndarray, pairs: np.ndarray, scores: np.ndarray, verdicts: Verdicts) -> None:
    """Each row's best near duplicate, as evidence."""
    best: dict[int, tuple[float, int]] = {}
    for (one, other), score in zip(pairs.tolist(), scores.tolist()):
        for row, mate in ((one, other), (other, one)):
            best[row] = max(best.get(row, (0.0, 0)), (score, mate))
    rows = np.array(sorted(best), dtype=np.int64)
    text = [f"nearly {ids[best[row][1]]} (similarity {best[row][0]:.3f})" for row in rows.tolist()]
    verdicts.note(rows, np.array(text, dtype=object))


def _suspicions(
    images: np.ndarray, labels: np.ndarray, described: np.ndarray, sizes: np.ndarray | None, config: CleanConfig
) -> list[Charge]:
    """What is held against the images; one that is blank, say, is not called an outlier as well."""
    found = [Charge(one.reason, one.rows, one.evidence) for one in quality.suspicions(images, sizes)]
    if not config.outliers or len(images) < outliers.FEWEST:
        return found
    known = np.concatenate([np.zeros(0, np.int64), *(one.rows for one in found)])
    distances, rows = outliers.neighbours(images, described)
    unlike = outliers.suspicion(distances).without(known)
    return [*found, Charge(unlike.reason, unlike.rows, unlike.evidence), clusters.charge(rows, labels)]


def _all_rows(charge: Charge, distinct: np.ndarray) -> Charge:
    """The charge against distinct images, held against all rows that show them."""
    place = np.full(int(distinct.max()) + 1, -1)
    place[charge.rows] = np.arange(len(charge.rows))
    rows = np.flatnonzero(place[distinct] >= 0)
    return Charge(charge.reason, rows, charge.evidence[place[distinct[rows]]], charge.asks)
