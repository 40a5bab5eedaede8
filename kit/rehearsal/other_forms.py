"""The practice contest's hidden test in the forms that were not announced: clean, natural, laboratory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from kit.config import ContestConfig, PlatformConfig
from kit.data.practice.contest import hidden_test
from kit.data.practice.forms import FORMS
from kit.rehearsal.codabench import run_hidden, run_prediction, run_scoring
from kit.rehearsal.sandbox import Interpreter

ROWS = 400
"""Images of each form."""

Drawn = dict[str, tuple[np.ndarray, np.ndarray]]
"""Form -> images (n, S, S, 3) uint8, labels (n,) int64."""


def other_forms(
    submission: Path,
    contest: ContestConfig,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
    adapts: bool,
) -> dict[str, float]:
    """Scores by form, of those that were scored.

    All forms are predicted in one call, as starting the networks takes longer than these images do; each in a call of
    its own where the networks adapt to the images of a call.
    """
    drawn = {form: hidden_test(contest.seed, ROWS, form=form) for form in FORMS if form != "contest"}
    together = _one_by_one if adapts else _together
    scores = together(submission, drawn, platform, python, scratch)
    return {form: found[contest.metric] for form, found in scores.items() if contest.metric in found}


def _one_by_one(
    submission: Path, drawn: Drawn, platform: PlatformConfig, python: Interpreter, scratch: Path
) -> dict[str, dict[str, float]]:
    runs = {form: run_hidden(submission, *parts, platform, python, scratch / form) for form, parts in drawn.items()}
    return {form: found.scores for form, found in runs.items()}


def _together(
    submission: Path, drawn: Drawn, platform: PlatformConfig, python: Interpreter, scratch: Path
) -> dict[str, dict[str, float]]:
    images = np.concatenate([images for images, _ in drawn.values()])
    run_prediction(submission, images, platform, python, scratch / "forms")
    try:
        predicted = np.load(scratch / "forms" / "output" / "predictions.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return {}
    if len(np.atleast_1d(predicted)) != len(images):
        return {}
    scores, start = {}, 0
    for form, (_, labels) in drawn.items():
        output = scratch / form / "output"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        np.save(output / "predictions.npy", predicted[start : start + len(labels)], allow_pickle=False)
        _, scores[form] = run_scoring(labels, platform, python, scratch / form)
        start += len(labels)
    return scores
