"""Columns and keys that are called as patients, slides, folds or ids are: they hold no labels."""

from __future__ import annotations

import re

GROUP = re.compile(
    r"(?i)(^|[_ -])(patient|subject|person|participant|user|writer|signer|driver|case|slide|specimen|lesion|animal|"
    r"group|donor|scan|study|series|session|video|site|hospital|camera|location|"
    r"exam|sequence|seq|burst|clip|track|recording|wsi)s?([_ -]?(id|no|nr|number|name|key|(instance)?uid))?$"
)
SPLIT = re.compile(
    r"(?i)^((data|dataset|train_test)[_ -]?)?(fold|split|set|partition|subset|usage|phase)s?$|^is_(train|test|val)\w*$"
)


def names_groups(name: str) -> bool:
    """Whether a column, or the last part of a key (train/patient_id), is called as groups are."""
    return bool(GROUP.search(name.rpartition("/")[2]))


def names_splits(name: str) -> bool:
    """Whether it is called as folds and splits are."""
    return bool(SPLIT.match(name.rpartition("/")[2]))


def looks_like_group(name: str) -> bool:
    """Whether it is called as groups, folds or ids are."""
    return names_groups(name) or names_splits(name) or name.rpartition("/")[2].lower() in ("id", "ids")
