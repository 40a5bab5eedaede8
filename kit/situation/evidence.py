"""What a probe finds: evidence about every change of an image."""

from __future__ import annotations

from dataclasses import dataclass

STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Evidence:
    """What one change does."""

    change: str
    retained: float
    """Accuracy above chance on changed rows, as a share of that on unchanged ones."""
    retained_se: float
    gain: float
    """Accuracy on unchanged rows after learning from changed copies too, less that without them."""
    gain_se: float
    collapsed: int | None
    """The class that the change costs most of its right predictions; None where it costs no class so much."""


@dataclass(frozen=True)
class Probe:
    """The classifier's accuracy, and the evidence it gives."""

    rows: int
    accuracy: float
    chance: float
    """Share of the largest class."""
    evidence: tuple[Evidence, ...]
    """Empty where the classifier is too weak to be asked."""
