"""The shift battery: seeded operators in five calibrated severities, under which held-out rows are scored.

Written apart from the training augmentations: a score under shift is no score on the training policy.
"""

from kit.shifts.battery import ALL_OPERATORS, FAMILIES, Battery, Cell
from kit.shifts.operators import family_of
from kit.shifts.sheet import sheet

__all__ = ["ALL_OPERATORS", "FAMILIES", "Battery", "Cell", "family_of", "sheet"]
