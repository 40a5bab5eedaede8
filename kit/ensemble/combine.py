"""Combiners as data: what a fitted blend is, and how it turns members' probabilities into one.

Every kind adds up one contribution a member, so that a platform can read networks one at a time, and finishes
the sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.submit.model import softmax

FLOOR = 1e-6
"""Probabilities are raised to this before a logarithm: half-precision members say exactly 0."""


@dataclass(frozen=True)
class Combiner:
    """A fitted blend of some of a pool's members.

    kind: "mean", "geometric", "rank", "majority" or "stack". members: places in the pool. weights: (M,), sum
    1 (unused by "stack"). coef: (M, C, C), member, class of the member's log-probability, class voted for;
    intercept: (C,). bias: (C,) added to the blend's log-probabilities, or empty.
    """

    kind: str
    members: tuple[int, ...]
    weights: tuple[float, ...]
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None
    bias: tuple[float, ...] = ()

    def apply(self, proba: np.ndarray) -> np.ndarray:
        """Probabilities (..., C) float64 of the blend for a pool's proba (M, ..., C)."""
        total = np.zeros(proba.shape[1:])
        for place, member in enumerate(self.members):
            total += self.contribution(place, proba[member].astype(np.float64))
        return self.finish(total)

    def contribution(self, place: int, proba: np.ndarray) -> np.ndarray:
        """What the member at `place` adds, (..., C), for its proba (..., C)."""
        weight = self.weights[place]
        if self.kind == "mean":
            return weight * proba
        if self.kind == "geometric":
            return weight * np.log(np.maximum(proba, FLOOR))
        if self.kind == "rank":
            return weight * class_ranks(proba)
        if self.kind == "majority":
            return weight * votes(proba)
        assert self.kind == "stack", self.kind
        assert self.coef is not None
        return centred_log(proba) @ self.coef[place]

    def finish(self, total: np.ndarray) -> np.ndarray:
        """The blend's probabilities for the sum of all contributions (..., C)."""
        if self.kind == "geometric":
            total = softmax(total)
        elif self.kind == "stack":
            total = softmax(total + self.intercept)
        if self.bias:
            total = softmax(np.log(np.maximum(total, FLOOR)) + np.asarray(self.bias))
        return total / total.sum(axis=-1, keepdims=True)

    def on(self, members: tuple[int, ...]) -> Combiner:
        """This combiner, fitted on a pool of `members` of a larger pool, in the larger pool's places."""
        return replace(self, members=tuple(members[m] for m in self.members))

    def to_json(self) -> dict[str, Any]:
        """The manifest's "combiner": plain values, members in the blend's order."""
        data: dict[str, Any] = {"kind": self.kind, "weights": list(self.weights)}
        if self.kind == "stack":
            assert self.coef is not None
            assert self.intercept is not None
            data |= {"coef": self.coef.tolist(), "intercept": self.intercept.tolist()}
        return data | ({"bias": list(self.bias)} if self.bias else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Combiner:
        """The combiner of `to_json`, of members 0, 1, ..."""
        stack = {key: np.asarray(data[key]) for key in ("coef", "intercept") if key in data}
        weights = tuple(data["weights"])
        return cls(
            data["kind"], tuple(range(len(weights))), weights, bias=tuple(data.get("bias", ())), **stack
        )


def centred_log(proba: np.ndarray) -> np.ndarray:
    """Log-probabilities (..., C) less their mean over classes (the centred log-ratio transform)."""
    logs = np.log(np.maximum(proba, FLOOR))
    return logs - logs.mean(axis=-1, keepdims=True)


def class_ranks(proba: np.ndarray) -> np.ndarray:
    """Ranks of the classes within each row, 0 for the least likely to 1 for the likeliest; ties by class
    order.

    Ranked within the row, so that a picture's answer does not depend on which others are predicted with it.
    """
    return proba.argsort(axis=-1, kind="stable").argsort(axis=-1, kind="stable") / max(proba.shape[-1] - 1, 1)


def votes(proba: np.ndarray) -> np.ndarray:
    """One vote for the likeliest class; a thousandth of the probabilities decides between equal votes."""
    vote = np.eye(proba.shape[-1])[proba.argmax(axis=-1)]
    return 0.999 * vote + 0.001 * proba


def equal(kind: str, members: tuple[int, ...]) -> Combiner:
    """The combiner of that kind with equal weights."""
    return Combiner(kind, members, (1.0 / len(members),) * len(members))


def weighted(members: tuple[int, ...], weights: np.ndarray) -> Combiner:
    """The weighted mean of those members whose weight is not zero, heaviest first."""
    order = [place for place in np.argsort(-weights, kind="stable") if weights[place] > 0]
    total = float(weights[order].sum())
    return Combiner(
        "mean",
        tuple(members[place] for place in order),
        tuple(float(weights[place]) / total for place in order),
    )
