"""Which rows to keep, and why not: one row of `clean.csv` for every input image, in the input's order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kit.config import CleanConfig
from kit.data.cleaning import copies, decisions, descriptors, near_duplicates, outliers, quality
from kit.data.cleaning.decisions import Verdicts
from kit.data.cleaning.grouping import by_key, image_keys, merge
from kit.data.cleaning.near_duplicates import NearDuplicates
from kit.data.cleaning.quality import Suspicion
from kit.data.sources.imageset import ImageSet

SUSPICIONS = ("outlier", "blank", "dark", "bright", "shape")
"""Reasons that drop no more than [clean] max_share of the rows."""


def clean(
    image_set: ImageSet, config: CleanConfig, previous: pd.DataFrame | None = None, yes: bool = False
) -> pd.DataFrame:
    """The table of decisions (`kit.data.cleaning.decisions` explains its columns).

    `previous` is the table of an earlier run: what a person overruled there stays overruled. Suspicions drop
    at most the share [clean] max_share of the rows, the worst first, unless `yes`.
    """
    labels = image_set.need_labels()
    keys = image_keys(image_set.images)
    distinct = by_key(keys)
    first = np.unique(distinct, return_index=True)[1]
    images = image_set.images[first]
    described = descriptors.describe(images)
    near = _near(images, described, config)
    groups = merge(distinct, first[near.pairs])
    verdicts = Verdicts.none(len(labels))
    copies.judge(image_set.ids, labels, distinct, groups, config, verdicts)
    _note_pairs(image_set.ids, first[near.pairs], near.scores, verdicts)
    sizes = None if image_set.sizes is None else image_set.sizes[first]
    _suspect(_suspicions(images, described, sizes, config), first, distinct, config.max_share, yes, verdicts)
    fresh = decisions.table(image_set.ids, labels, groups, keys, verdicts)
    return fresh if previous is None else decisions.carry_over(fresh, previous)[0]


def _near(images: np.ndarray, described: np.ndarray, config: CleanConfig) -> NearDuplicates:
    if not config.near_duplicates or len(images) < 2:
        return NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0)
    metric = descriptors.learn_metric(images, described)
    return near_duplicates.find(images, described, metric, config.likeness)


def _note_pairs(ids: np.ndarray, pairs: np.ndarray, scores: np.ndarray, verdicts: Verdicts) -> None:
    """Each row's best near duplicate, as evidence."""
    best: dict[int, tuple[float, int]] = {}
    for (one, other), score in zip(pairs.tolist(), scores.tolist()):
        for row, mate in ((one, other), (other, one)):
            best[row] = max(best.get(row, (0.0, 0)), (score, mate))
    rows = np.array(sorted(best), dtype=np.int64)
    text = [f"nearly {ids[best[row][1]]} (likeness {best[row][0]:.3f})" for row in rows.tolist()]
    verdicts.note(rows, np.array(text, dtype=object))


def _suspicions(
    images: np.ndarray, described: np.ndarray, sizes: np.ndarray | None, config: CleanConfig
) -> list[Suspicion]:
    """What is held against the images; one that is blank, say, is not called an outlier as well."""
    found = quality.suspicions(images, sizes)
    if not config.outliers:
        return found
    known = np.concatenate([np.zeros(0, np.int64), *(one.rows for one in found)])
    return [*found, outliers.suspicion(images, described).without(known)]


def _suspect(
    found: list[Suspicion],
    first: np.ndarray,
    distinct: np.ndarray,
    max_share: float,
    yes: bool,
    verdicts: Verdicts,
) -> None:
    """Hold suspicions about distinct images against all rows that show them, dropping up to the share."""
    listed = [(one.excess[place], one, place) for one in found for place in range(len(one.rows))]
    listed.sort(key=lambda entry: -entry[0])
    room = len(distinct) if yes else int(max_share * len(distinct))
    order = np.argsort(distinct, kind="stable")
    ends = np.cumsum(np.bincount(distinct))
    for _, one, place in listed:
        number = distinct[first[one.rows[place]]]
        rows = order[ends[number - 1] if number else 0 : ends[number]]
        rows = rows[~verdicts.drop[rows]]
        fits = len(rows) <= room
        room -= len(rows) if fits else 0
        kept = "" if fits else f"; kept, since over {max_share:.0%} of the rows would go: kit clean --yes"
        verdicts.against(rows, one.reason, f"{one.evidence[place]}{kept}", drop=fits)
