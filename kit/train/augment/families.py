"""Families of the operators that training knows, in the words of the shift battery."""

from __future__ import annotations

from kit.config import AugmentConfig

PIXELS = ("colour", "illumination", "tone", "blur", "noise", "resolution", "compression", "occlusion")
"""Families that change pixels where they are; "geometry" moves them."""


def trained_families(config: AugmentConfig) -> tuple[str, ...]:
    """Families of shifts that training with `config` has seen, in the words of the shift battery."""
    if config.preset == "strong":
        return tuple(family for family in ("geometry", *PIXELS) if family not in config.without)
    return ("geometry",) if config.preset in ("classic", "mild") else ()
