"""The shift battery: seeded operators in five calibrated severities, under which held-out rows are scored.

Written apart from the training augmentations: a score under shift is no score on the training policy.
"""
