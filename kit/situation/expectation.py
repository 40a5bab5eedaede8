"""Whether the hidden test is like the training data: said by the contest, told by test images, or a bet."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kit.config import ContestConfig
from kit.data.sources.stream import look_at_test
from kit.shifts.reweight import told_apart
from kit.situation.settled import has_test
from kit.workspace import Workspace

Expects = Literal["clean", "shifted"]

LIKE_TRAINING = 0.6
"""Largest AUC with which a classifier may tell test images from training images that count as like them."""


def expectation(contest: ContestConfig, images: np.ndarray, workspace: Workspace) -> tuple[Expects, str]:
    """Clean or shifted, and why in a line; images (N, S, S, 3) uint8 are the training rows."""
    if contest.expects != "auto":
        return contest.expects, f"expects {contest.expects}: the contest says so"
    if not has_test(contest):
        return "clean", (
            "expects clean: A BET, as there are no test images and the contest does not say. Training and views suit a "
            'hidden test like the training data; both scores are shown. Set expects = "shifted" if it will differ'
        )
    auc = told_apart(images, look_at_test(contest, None, workspace).images, contest.seed)
    expects: Expects = "clean" if auc <= LIKE_TRAINING else "shifted"
    like = "like" if expects == "clean" else "unlike"
    return expects, f"expects {expects}: test images look {like} training images (told apart with AUC {auc:.2f})"
