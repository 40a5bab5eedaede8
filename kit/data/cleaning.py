"""Which rows to keep, and why not: one row of `clean.csv` for every input picture, in the input's order."""

from __future__ import annotations

import pandas as pd

from kit.config import CleanConfig
from kit.data import copies, decisions
from kit.data.decisions import Verdicts
from kit.data.grouping import by_key, picture_keys
from kit.data.imageset import ImageSet


def clean(image_set: ImageSet, config: CleanConfig, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    """The table of decisions (`kit.data.decisions` explains its columns).

    `previous` is the table of an earlier run: what a person overruled there stays overruled.
    """
    labels = image_set.need_labels()
    keys = picture_keys(image_set.images)
    pictures = by_key(keys)
    groups = pictures
    verdicts = Verdicts.none(len(labels))
    copies.judge(image_set.ids, labels, pictures, groups, config, verdicts)
    fresh = decisions.table(image_set.ids, labels, groups, keys, verdicts)
    return fresh if previous is None else decisions.carry_over(fresh, previous)[0]
