"""Combiners: fitted blends as data. The arithmetic is the shipped file's: what is scored is what runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.inference.model import FLOOR, contribution, finish


@dataclass(frozen=True)
class Combiner:
    """A fitted blend of some of a pool's members.

    kind: "mean", "geometric" or "stack". members: places in the pool. weights: (M,), sum 1; a stack's are the
    shares of its coefficients, for reading only. coef: (M, C, C): member, class of the member's centred
    log-probability, class voted for; intercept: (C,). bias: (C,), added to the blend's log-probabilities, or
    empty. post: what `post_processed` of the shipped file takes, None for nothing.
    """

    kind: str
    members: tuple[int, ...]
    weights: tuple[float, ...]
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None
    bias: tuple[float, ...] = ()
    post: dict[str, Any] | None = None

    def apply(self, proba: np.ndarray) -> np.ndarray:
        """Probabilities (..., C) float64 of the blend for a pool's proba (M, ..., C)."""
        data = self.to_json()
        total = np.zeros(1)
        for place, member in enumerate(self.members):
            total = total + contribution(data, place, proba[member].astype(np.float64))
        return finish(data, total)

    def on(self, members: tuple[int, ...]) -> Combiner:
        """This combiner, fitted on a pool of `members` of a larger pool, in the larger pool's places."""
        return replace(self, members=tuple(members[m] for m in self.members))

    def to_json(self) -> dict[str, Any]:
        """The manifest's "combiner": plain values, members in the blend's order."""
        data: dict[str, Any] = {"kind": self.kind, "weights": list(self.weights)}
        if self.coef is not None and self.intercept is not None:
            data |= {"coef": self.coef.tolist(), "intercept": self.intercept.tolist()}
        data |= {"bias": list(self.bias)} if self.bias else {}
        return data | ({"post": self.post} if self.post else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Combiner:
        """The combiner of `to_json`, of members 0, 1, ..."""
        stack = {key: np.asarray(data[key]) for key in ("coef", "intercept") if key in data}
        weights = tuple(data["weights"])
        places = tuple(range(len(weights)))
        bias = tuple(data.get("bias", ()))
        return cls(data["kind"], places, weights, bias=bias, post=data.get("post"), **stack)


def centred_log(proba: np.ndarray) -> np.ndarray:
    """Log-probabilities (..., C) less their mean over classes (the centred log-ratio transform)."""
    logs = np.log(np.maximum(proba, FLOOR))
    return logs - logs.mean(axis=-1, keepdims=True)


def equal(kind: str, members: tuple[int, ...]) -> Combiner:
    """The combiner of that kind with equal weights."""
    return Combiner(kind, members, (1.0 / len(members),) * len(members))


def weighted(members: tuple[int, ...], weights: np.ndarray) -> Combiner:
    """The weighted mean of the members whose weight is not zero, heaviest first."""
    order = [place for place in np.argsort(-weights, kind="stable") if weights[place] > 0]
    total = float(weights[order].sum())
    shares = tuple(float(weights[place]) / total for place in order)
    return Combiner("mean", tuple(members[place] for place in order), shares)
