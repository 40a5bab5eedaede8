"""Progressive resizing: training begins on small images, which cost less, and ends at the recipe's size.

After Howard's fast.ai courses and "Fixing the train-test resolution discrepancy" (Touvron et al., arXiv:1906.06423);
EfficientNetV2 (arXiv:2104.00298) trains so.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from kit.config import RecipeConfig
from kit.errors import NetError
from kit.nets.registry import takes, with_size

STEP = 8
"""Sizes differ from the last one by multiples of this: every new one costs the libraries a set-up."""


def size_at(recipe: RecipeConfig, progress: float) -> int:
    """Height and width of the training images at `progress` (0..1) of the fit."""
    start, last = recipe.train.start_size, recipe.size
    if not start or progress >= recipe.train.grow:
        return last
    left = (last - start) * (1 - progress / recipe.train.grow)
    return max(start, last - STEP * round(left / STEP))


def resized_batch(x: Tensor, size: int) -> Tensor:
    """x (B, 3, S, S) float at `size`, antialiased; x itself where it has that size."""
    if x.shape[-1] == size:
        return x
    return interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def check_growth(recipe: RecipeConfig) -> None:
    """NetError where the network cannot begin at `train.start_size` and end at `size`."""
    start = recipe.train.start_size
    if start and not takes(recipe.net.name, with_size(recipe.net.name, recipe.net.args, recipe.size), start):
        raise NetError(
            f"{recipe.name}: {recipe.net.name} for {recipe.size} px does not take train.start_size = {start}. "
            f"Raise it, leave it out, or take a network that pools what it sees"
        )
