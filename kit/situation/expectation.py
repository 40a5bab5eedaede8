"""Whether the hidden test is like the training data: said by the contest, told by test images, or a bet."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kit.config import ContestConfig
from kit.data.adversarial import compare
from kit.data.sources.stream import look_at_test
from kit.situation.settled import has_test
from kit.workspace import Workspace

Expects = Literal["clean", "shifted"]


def expectation(contest: ContestConfig, images: np.ndarray, workspace: Workspace) -> tuple[Expects, str]:
    """Clean or shifted, and why in a line; images (N, S, S, 3) uint8 are the training rows."""
    if contest.expects != "auto":
        return contest.expects, f"expects {contest.expects}: the contest says so"
    if not has_test(contest):
        return "clean", (
            "expects clean: A BET, as there are no test images and the contest does not say. Training and views suit a "
            'hidden test like the training data; both scores are shown. Set expects = "shifted" if it will differ'
        )
    told = compare(images, look_at_test(contest, None, workspace).images, contest.seed)
    expects: Expects = "clean" if told.alike else "shifted"
    like = "like" if told.alike else "unlike"
    return expects, f"expects {expects}: test images look {like} training images (told apart with AUC {told.auc:.2f})"
