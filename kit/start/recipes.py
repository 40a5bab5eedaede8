"""Which recipes a new contest starts with."""

from __future__ import annotations

from kit.config import list_names, load_recipe
from kit.situation.recipes import Device, default_recipes
from kit.train.device import pick_device


def starting_recipes(size: int) -> dict[str, tuple[str, ...]]:
    """Recipes by machine, of those that this checkout has, for images of `size`."""
    known = set(list_names("recipes"))
    machines: tuple[Device, ...] = ("cpu", "gpu")
    sets = {machine: default_recipes(size, device=machine) for machine in machines}
    return {machine: tuple(name for name in names if name in known) for machine, names in sets.items()}


def machine_line() -> str:
    """What this machine trains on."""
    device = pick_device()
    return f"This machine trains on {'a GPU: the gpu list' if device.type == 'cuda' else 'its CPU: the cpu list'}."


def weights_needed(names: tuple[str, ...]) -> bool:
    """Whether a recipe of these starts from pretrained weights."""
    return any(bool(load_recipe(name).net.pretrained) for name in names)
