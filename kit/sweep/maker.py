"""What a sweep asks of whoever turns a trial's fold into a unit of work."""

from __future__ import annotations

from typing import Protocol

from kit.cluster.unit import Unit
from kit.config import RecipeConfig
from kit.echo import Echo


class Maker(Protocol):
    """Makes units; tests make cheap ones."""

    @property
    def folds(self) -> list[int]:
        """Folds of a trial, in their order."""
        ...

    @property
    def every(self) -> list[int]:
        """All folds of the contest."""
        ...

    def unit(self, recipe: RecipeConfig, fold: int, stage: str) -> Unit:
        """One fold of `recipe`, whose job gives a FoldResult. stage: "search", "full", or "fresh0", "fresh1", ..."""
        ...

    def seconds(self, recipe: RecipeConfig, stage: str, echo: Echo) -> float:
        """What one such unit will take, measured."""
        ...
