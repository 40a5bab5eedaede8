"""Every ensemble by its name: "best5", "all", "geometric5", "greedy", "weights", "stack", ..."""

from __future__ import annotations

import re

from kit.ensemble.kinds.bias import Biased
from kit.ensemble.kinds.equal import Equal
from kit.ensemble.kinds.greedy import Greedy
from kit.ensemble.kinds.stack import Stack
from kit.ensemble.kinds.weights import Weights
from kit.ensemble.scoring.nested import Kind
from kit.errors import EnsembleError, did_you_mean

MERGES = {"best": "mean", "geometric": "geometric"}
"""Equal-weight kinds: a number behind the name is how many of the best members enter, none is all of them."""

FITTED: dict[str, Kind] = {
    "greedy": Greedy(),
    "greedy-metric": Greedy("greedy-metric", by_metric=True),
    "weights": Weights(),
    "stack": Stack(),
}
"""Kinds that fit numbers on the rows."""

GONE = {"rank": "geometric5", "majority": "best5", "boosting": "stack"}
"""Kinds that the kit had until they were measured never to win, and what wins in their place."""

BIAS = "+bias"
"""Behind any name: a bias a class, fitted behind the blend."""


def kind(name: str) -> Kind:
    """The kind of that name; EnsembleError names the near one."""
    refuse_gone(name)
    if name.endswith(BIAS):
        return Biased(kind(name.removesuffix(BIAS)))
    if name == "all":
        return Equal("all")
    if name in FITTED:
        return FITTED[name]
    match = re.fullmatch(r"(best|geometric)([1-9]\d*)?", name)
    if match is None or name == "best":
        known = ["best5", "all", "geometric5", *FITTED, "auto"]
        raise EnsembleError(
            f"ensemble must be one of {', '.join(known)} (with any number, and {BIAS} behind it), but got {name!r}."
            f"{did_you_mean(name, known)}"
        )
    count = int(match[2]) if match[2] else None
    return Equal(name, MERGES[match[1]], count, complexity=0 if match[1] == "best" else 1)


def refuse_gone(name: str) -> None:
    """EnsembleError for a kind that earlier versions had; it names what to take in its place."""
    base = name.removesuffix(BIAS).rstrip("0123456789")
    if base in GONE:
        raise EnsembleError(
            f"ensemble {name!r} is no longer there: it never won a nested comparison. Take {GONE[base]}: "
            f"kit blend {GONE[base]}"
        )
