"""Recipes by the names that a run gives them: `residual-e12.5` is `residual` with the epochs that a budget bought."""

from __future__ import annotations

import math
import re

from kit.config import RecipeConfig, list_names, load_recipe


def with_epochs(recipe: RecipeConfig, epochs: float) -> RecipeConfig:
    """The recipe for another number of epochs, under a name that says so: `residual-e12.5`."""
    parts = 2 if epochs >= 5 else 10
    epochs = max(0.1, math.floor(epochs * parts + 1e-6) / parts)
    train = recipe.train.model_copy(update={"epochs": epochs, "steps": 0})
    return recipe.model_copy(update={"train": train, "name": f"{recipe.name}-e{epochs:g}"})


def find_recipe(name: str) -> RecipeConfig:
    """The recipe of that name or path; `residual-e12.5` is `residual` with the epochs that a budget gave it."""
    match = re.fullmatch(r"(.+)-e(\d+(?:\.\d+)?)", name)
    if match and float(match[2]) > 0 and name not in list_names("recipes"):
        return with_epochs(find_recipe(match[1]), float(match[2]))
    return load_recipe(name)
