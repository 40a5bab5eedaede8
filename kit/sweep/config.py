"""Sweep files: a base recipe, what may change, what counts, and how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kit.config import Count, FolderName, Positive, Section, Share
from kit.errors import did_you_mean

LEFT_OUT = "left_out_family"
SCORES = ("clean", "shifted", "worst_family", LEFT_OUT)
COSTS = ("seconds", "megabytes")
"""Objectives that are to be small."""
Number = int | float


class AxisConfig(Section):
    """What one recipe key may be: a range, or one of some values."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    choices: tuple[Any, ...] = ()
    when: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Only where other keys of the space have one of these values; the base recipe's value stays otherwise."""

    @model_validator(mode="after")
    def _range_or_choices(self) -> AxisConfig:
        ranged = self.low is not None and self.high is not None
        if ranged == bool(self.choices) or (self.low is None) != (self.high is None):
            raise ValueError("must have low and high, or choices")
        if self.choices and (self.log or self.step is not None):
            raise ValueError("choices have no log and no step")
        return self

    @model_validator(mode="after")
    def _not_empty(self) -> AxisConfig:
        if self.low is None or self.high is None:
            return self
        if not self.low < self.high:
            raise ValueError(f"range is empty: low must be below high, but got {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"log must have low above 0 and no step, but got low = {self.low}, step = {self.step}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step must be above 0, but got {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether the recipe takes this axis at all."""
        return self.choices or (self.low, self.high)


class BudgetConfig(Section):
    """When the search ends: whichever comes first."""

    hours: Positive = 8.0
    trials: Count = 1000


class LimitsConfig(Section):
    """What a trial may cost; those that cost more are worse than any that does not."""

    max_megabytes: Positive | None = None
    """Of one fold's weights."""
    max_seconds: Positive | None = None
    """Of training and scoring one fold."""


class FidelityConfig(Section):
    """How the search makes its trials cheap; winners are tested alike, and then trained in full."""

    size: Count | None = None
    epochs: Positive | None = None
    subset: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the rows, classes and groups kept."""
    folds: Count | None = None
    """How many folds a trial runs; all by default."""


class PruningConfig(Section):
    """When a trial is pruned."""

    folds: Literal["wilcoxon", "none"] = "wilcoxon"
    """After a fold, by a paired test on blocks of its rows against the best trial."""
    p: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    epochs: Literal["hyperband", "none"] = "none"
    """Within the first fold, by its score after every epoch on a few of the held-out rows."""


class ConfirmConfig(Section):
    """How winners are tested on what the search did not see."""

    winners: Annotated[int, Field(ge=0)] = 2
    """Best trials that are tested; 0: none."""
    seeds: Count = 2
    """Fresh seeds, each with folds drawn anew."""
    folds: Count = 2
    """Folds trained under each."""
    noise_seeds: Annotated[int, Field(ge=1)] = 3
    """Seeds of the base recipe on the search's own folds: how far chance alone moves a score."""


class SweepConfig(Section):
    """One sweep."""

    name: FolderName = ""
    base: str
    """The recipe that is changed."""
    objective: Annotated[tuple[str, ...], Field(min_length=1)] = ("shifted",)
    """Of clean, shifted, worst_family, seconds, megabytes; of several the Pareto front is kept."""
    sampler: Literal["tpe", "random", "nsga2"] = "tpe"
    seed: int = 0
    space: Annotated[dict[str, AxisConfig], Field(min_length=1)]
    """Dotted recipe keys ("train.lr", "augment.operators.1") and what they may be."""
    budget: BudgetConfig = BudgetConfig()
    limits: LimitsConfig = LimitsConfig()
    fidelity: FidelityConfig = FidelityConfig()
    pruning: PruningConfig = PruningConfig()
    confirm: ConfirmConfig = ConfirmConfig()
    reserve: Share = 0.3
    """Most of the hours that is kept for testing and retraining winners."""

    @model_validator(mode="before")
    @classmethod
    def _one_objective(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("objective"), str):
            return values | {"objective": (values["objective"],)}
        return values

    @model_validator(mode="after")
    def _known_objectives(self) -> SweepConfig:
        known = (*SCORES, *COSTS)
        for one in self.objective:
            if one not in known:
                raise ValueError(f"objective must be of {', '.join(known)}, but got {one!r}.{did_you_mean(one, known)}")
        if not any(one in SCORES for one in self.objective):
            raise ValueError(f"objective must name a score ({', '.join(SCORES)}), but got {', '.join(self.objective)}")
        return self

    @model_validator(mode="after")
    def _one_owner_of_a_key(self) -> SweepConfig:
        for key, set_here in (("size", self.fidelity.size), ("train.epochs", self.fidelity.epochs)):
            if key in self.space and set_here is not None:
                raise ValueError(f"{key} must be in the space or in [fidelity], but it is in both")
        return self

    @model_validator(mode="after")
    def _conditions_hold(self) -> SweepConfig:
        seen: dict[str, AxisConfig] = {}
        for key, axis in self.space.items():
            for other, values in axis.when.items():
                _check_condition(key, other, values, seen)
            seen[key] = axis
        return self

    @property
    def score(self) -> str:
        """The objective that winners are tested by: the first that is a score."""
        return next(one for one in self.objective if one in SCORES)

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """Optuna's."""
        return ["minimize" if one in COSTS else "maximize" for one in self.objective]


def _check_condition(key: str, other: str, values: tuple[Any, ...], seen: dict[str, AxisConfig]) -> None:
    if other not in seen:
        raise ValueError(f"space.{key}: when must name a key that stands before it, but got {other!r}."
                         f"{did_you_mean(other, seen)}")  # fmt: skip
    choices = seen[other].choices
    impossible = [value for value in values if value not in choices]
    if not choices or impossible:
        raise ValueError(
            f"space.{key}: when must hold choices of {other} ({list(choices)}), but got {impossible or list(values)}"
        )
