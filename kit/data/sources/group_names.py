"""Columns and keys that are called as patients, slides, folds or ids are: they hold no labels."""

from __future__ import annotations

import re

GROUP = re.compile(
    r"(?i)(^|[_ -])(patient|subject|person|participant|case|slide|specimen|lesion|animal|group|donor|scan|study|"
    r"series|session|video|site|hospital|camera|location)s?([_ -]?(id|no|nr|number|name|key))?$"
)
SPLIT = re.compile(r"(?i)^(fold|split|set|partition|subset)s?$")


def looks_like_group(name: str) -> bool:
    """Whether a column or key is called as groups, folds or ids are."""
    return bool(GROUP.search(name) or SPLIT.match(name)) or name.lower() in ("id", "ids")
