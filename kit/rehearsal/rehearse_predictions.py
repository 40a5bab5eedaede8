"""The rehearsal of a file of predictions: read as the platform reads it, then scored in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.artefact import read_npz, sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.data.practice.contest import hidden_test
from kit.echo import Echo
from kit.errors import RehearsalError
from kit.lock import temporary_folder
from kit.metrics.registry import get_metric
from kit.packaging.form import Form, make_form, read_sample
from kit.rehearsal.checks import Check, failed, passed
from kit.rehearsal.codabench import run_scoring
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.prediction_checks import check_predictions
from kit.rehearsal.result import Rehearsal, report_path


@dataclass(frozen=True)
class HiddenImages:
    """What a file of predictions is about."""

    ids: np.ndarray
    """(N,) str, in the order that the platform scores them in."""
    labels: np.ndarray | None
    """(N,) int64, where somebody knows them."""
    form: Form
    """What the file holds of them."""


def hidden_images(sample: Path | None, platform: PlatformConfig, contest: ContestConfig) -> HiddenImages:
    """What a file is about: sample_submission.csv, an npz of ids or labels, or the practice contest's hidden test.

    RehearsalError where nothing says it.
    """
    asked = contest.classes, contest.metric
    if sample is None and contest.data.kind == "practice":
        labels = hidden_test(contest.seed)[1]
        return HiddenImages(np.arange(len(labels)).astype(str), labels, make_form(platform, *asked))
    if sample is None:
        raise RehearsalError(
            f"{platform.name}: which images the file is about must be known. Give --sample sample_submission.csv, or "
            f"an npz with ids or labels"
        )
    if sample.suffix == ".csv":
        table = read_sample(sample)
        form = make_form(platform, *asked, table)
        return HiddenImages(table[form.id_column].to_numpy(dtype=str), None, form)
    arrays = read_npz(sample)
    truth = arrays["labels"].reshape(-1) if "labels" in arrays else None
    counts = [len(arrays[key]) for key in ("ids", "labels", "images") if key in arrays]
    if not counts:
        raise RehearsalError(f"{sample}: must hold ids, labels or images, but holds {', '.join(arrays)}. Fix it")
    ids = arrays.get("ids", np.arange(counts[0])).astype(str)
    return HiddenImages(ids, truth, make_form(platform, *asked))


def rehearse_predictions(
    path: Path,
    platform: PlatformConfig,
    images: HiddenImages,
    *,
    metric: str = "accuracy",
    level: str | None = None,
    echo: Echo = print,
) -> Rehearsal:
    """Every check of a file for `platform`, and the report beside it.

    level: "check" reads it; "run" also scores it in this Python, "platform" in the platform's environment.
    """
    report_path(path).unlink(missing_ok=True)
    checks, predictions = check_predictions(path, platform, images.form, images.ids)
    hidden, isolation = None, "not run"
    if predictions is not None and images.labels is not None:
        proba = predictions if predictions.ndim == 2 else np.eye(len(images.form.names))[predictions]
        hidden = get_metric(metric).score(images.labels, proba)
    if predictions is not None and predictions.ndim == 1 and level != "check":
        python = platform_python(platform, echo) if level == "platform" else this_python(platform)
        with temporary_folder() as folder:
            truth = images.labels if images.labels is not None else np.zeros_like(predictions)
            (folder / "output").mkdir()
            np.save(folder / "output" / "predictions.npy", predictions)
            outcome, scores = run_scoring(truth, platform, python, folder)
        isolation = outcome.isolation
        checks.append(_score_check(scores, hidden, metric, outcome.stderr))
    elif hidden is not None:
        checks.append(passed("scored", f"{metric} {hidden:.4f}"))
    made = Rehearsal(path, sha256_file(path), platform.name, level or "run", isolation, tuple(checks), hidden)
    if level != "check":
        made.to_json(report_path(path))
    return made


def _score_check(scores: dict[str, float], hidden: float | None, metric: str, stderr: str) -> Check:
    if not scores:
        return failed("scored", "no score", f"the scoring program failed: {stderr.strip()[-300:]}")
    if hidden is None:
        return passed("scored", "the scoring program took it; nobody here knows the true labels")
    return passed("scored", f"{metric} {hidden:.4f}")
