"""Memory: whether an error says that it ran out, and what a recipe is with less of it."""

from __future__ import annotations

import torch

from kit.config import RecipeConfig

PLAIN_ERRORS = ("can't allocate memory", "MPS backend out of memory")
"""What torch's allocators of the CPU and of Apple's chips say; they raise a plain RuntimeError."""


def ran_out(error: BaseException) -> bool:
    """Whether `error` is of memory that ran out, a GPU's or the machine's."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(text in str(error) for text in PLAIN_ERRORS)


def with_batch_share(recipe: RecipeConfig, share: float) -> RecipeConfig:
    """The recipe with a share of its batch and the learning rate that goes with it.

    In proportion for SGD (Goyal et al., 2017), by the root for adaptive optimisers (Malladi et al., 2022).
    """
    if share == 1.0:
        return recipe
    batch = max(1, round(recipe.train.batch_size * share))
    share = batch / recipe.train.batch_size
    lr = recipe.train.lr * (share if recipe.train.optimizer == "sgd" else share**0.5)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"batch_size": batch, "lr": lr})})
