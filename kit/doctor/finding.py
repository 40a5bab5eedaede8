"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at, what it is, and, where something is missing, what that costs and how to get it."""

    part: str
    """versions, devices, space, network, weights, rehearsal or features."""
    name: str
    value: str
    missing_for: str = ""
    """The feature that does not work without it; empty where all is well."""
    fix: str = ""
    """The command that gets it."""

    @property
    def fine(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing_for
