"""The embedded practice contest, as a form."""

from __future__ import annotations

from kit.data.forms.form import Form
from kit.data.practice import contest


def look_at_practice() -> Form:
    """The training set that the kit draws."""
    images, labels, classes = contest.training_set()
    return Form("practice", "", tuple(classes), labels, lambda row: images[row])
