"""Which recipes a new contest starts with."""

from __future__ import annotations

from kit.config import list_names, load_recipe
from kit.train.device import pick_device

SMALL = 48
"""Images up to this size are seen as they are; larger ones at the recipes' sizes."""
CPU_SMALL = ("practice_plain", "practice_strong", "practice_se", "practice_group")
CPU = ("residual_64", "residual_group_64", "residual_se_64", "residual_wide_64")
GPU = ("convnext_tiny_224", "efficientnetv2_s_224", "swin_tiny_224")


def starting_recipes(size: int) -> dict[str, tuple[str, ...]]:
    """Recipes by machine, of those that this checkout has, for images of `size`."""
    known = set(list_names("recipes"))
    cpu = CPU_SMALL if size <= SMALL else CPU
    return {
        "cpu": tuple(name for name in cpu if name in known),
        "gpu": tuple(name for name in GPU if name in known),
    }


def machine_line() -> str:
    """What this machine trains on."""
    device = pick_device()
    return f"This machine trains on {'a GPU: the gpu list' if device.type == 'cuda' else 'its CPU: the cpu list'}."


def weights_needed(names: tuple[str, ...]) -> bool:
    """Whether a recipe of these starts from pretrained weights."""
    return any(bool(load_recipe(name).net.pretrained) for name in names)
