"""Sweep files by name, each tried on the recipe that it starts from."""

from __future__ import annotations

from pathlib import Path

from kit.config import RecipeConfig, load_recipe, parse, read_toml
from kit.errors import ConfigError
from kit.sweep.config import SweepConfig
from kit.sweep.space import changed


def load_sweep(name: str | Path) -> tuple[SweepConfig, RecipeConfig]:
    """The sweep of that name or path, named after its file, and its base recipe; ConfigError breaks it off.

    Every end of every axis is tried on the base, so that an unknown key is met now and not hours later.
    """
    values, path = read_toml("sweeps", name)
    sweep = parse(SweepConfig, {"name": path.stem} | values, path)
    base = load_recipe(sweep.base)
    for key, axis in sweep.space.items():
        for end in axis.ends:
            try:
                changed(base, {key: end})
            except ConfigError as error:
                if "unknown key" in str(error) or not axis.when:
                    raise ConfigError(f"{path}: [space] {error}") from error
    return sweep, base
