"""Sets of test-time views by the names that ttach gives them: a recipe says `views = ["d4_transform"]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kit.errors import ConfigError
from kit.inference.model import VIEWS, apply_view

if TYPE_CHECKING:
    import torch

ALIASES = ("flip_transform", "hflip_transform", "vlip_transform", "d4_transform")
"""Of `ttach.aliases`: those whose transforms are symmetries of the square (the third is spelled as ttach does)."""


def expanded(names: Sequence[str]) -> tuple[str, ...]:
    """Views with those of ttach's aliases in their places, each once.

    What a transform does is read off an image in which no two pixels are alike. ConfigError for an alias that does more
    than flips and quarter turns.
    """
    views: dict[str, None] = {}
    for name in names:
        views |= dict.fromkeys(_of_alias(name) if name.endswith("_transform") else (name,))
    return tuple(views)


def _of_alias(alias: str) -> list[str]:
    if alias not in ALIASES:
        raise ConfigError(f"views may name {', '.join(ALIASES)} of ttach's aliases, but got {alias!r}. Name the views")
    import torch  # where a recipe names one: a second run of a contest imports neither
    import ttach

    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    views = {_pixels(apply_view(image, name)): name for name in VIEWS}
    return [views[_pixels(transform.augment_image(image))] for transform in getattr(ttach.aliases, alias)()]


def _pixels(image: torch.Tensor) -> tuple[float, ...]:
    return tuple(image.flatten().tolist())
