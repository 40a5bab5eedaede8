"""From a probe's evidence to what training and test-time views may do with an image."""

from __future__ import annotations

from dataclasses import dataclass

from kit.config import PolicyConfig
from kit.inference.model import VIEWS
from kit.situation.evidence import STANDARD_ERRORS, Evidence, Probe
from kit.situation.symmetries import TESTED, largest_subgroup

RETAINED = 0.75
"""Share of the accuracy above chance that a symmetry must keep: less than one, as lamps and lenses have a side."""
SURE = 0.5
"""What it must keep at the lower end of its interval."""
TURN, TURN_OF_ALL = 10.0, 15.0
"""Degrees of mild rotation: of things that stand upright, and of those without an upper side."""
CROP, CAREFUL_CROP = 0.5, 0.75
"""Least area of a mild crop: of things in a scene, and of what has no symmetry at all, such as signs and letters."""
COLOUR, CAREFUL_COLOUR = 0.2, 0.1


@dataclass(frozen=True)
class Allowed:
    """What may be done to an image of the contest."""

    symmetries: tuple[str, ...]
    rotate: float
    """Degrees to either side."""
    crop: float
    """Least share of the area."""
    colour: float
    """Range of brightness, contrast and saturation."""

    def overruled(self, config: PolicyConfig) -> Allowed:
        """With what the contest file fixes in the place of what was found."""
        return Allowed(
            self.symmetries if config.symmetries is None else config.symmetries,
            self.rotate if config.rotate is None else config.rotate,
            self.crop if config.crop is None else config.crop,
            self.colour if config.colour is None else config.colour,
        )


def verdict(evidence: Evidence) -> str:
    """Whether the change keeps the label: "kept", "denied" or "unclear"."""
    helps, harms = _helps(evidence), _harms(evidence)
    if evidence.collapsed is not None or harms or evidence.retained + evidence.retained_se < RETAINED:
        return "denied"
    sure = evidence.retained - STANDARD_ERRORS * evidence.retained_se >= SURE
    return "kept" if helps or (sure and evidence.retained >= RETAINED) else "unclear"


def allowed(found: Probe) -> Allowed:
    """What the evidence allows; with none, no symmetry and a light hand."""
    if not found.evidence:
        return Allowed(("identity",), TURN, CAREFUL_CROP, CAREFUL_COLOUR)
    by_name = {one.change: one for one in found.evidence}
    symmetries = largest_subgroup([name for name in TESTED if verdict(by_name[name]) == "kept"])
    every, none = len(symmetries) == len(VIEWS), len(symmetries) == 1
    careful_crop = none or _harms(by_name["crop"])
    careful_colour = _harms(by_name["light"]) or _harms(by_name["grey"])
    return Allowed(
        symmetries,
        0.0 if _harms(by_name["turn"]) and not every else TURN_OF_ALL if every else TURN,
        CAREFUL_CROP if careful_crop else CROP,
        CAREFUL_COLOUR if careful_colour else COLOUR,
    )


def _helps(evidence: Evidence) -> bool:
    return evidence.gain > STANDARD_ERRORS * evidence.gain_se


def _harms(evidence: Evidence) -> bool:
    return evidence.gain < -STANDARD_ERRORS * evidence.gain_se
