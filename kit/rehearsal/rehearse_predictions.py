"""The rehearsal of a file of predictions: read as the platform reads it, then scored in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.artefact import read_npz, sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.data.practice.contest import hidden_test
from kit.echo import Echo
from kit.errors import RehearsalError
from kit.rehearsal.checks import Check, failed, passed
from kit.rehearsal.codabench import run_scoring
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.prediction_checks import check_predictions
from kit.rehearsal.rehearse import Rehearsal, report_path


@dataclass(frozen=True)
class HiddenImages:
    """What a file of predictions is about."""

    ids: np.ndarray
    """(N,) str, in the order that the platform scores them in."""
    labels: np.ndarray | None
    """(N,) int64, where somebody knows them."""


def hidden_images(sample: Path | None, platform: PlatformConfig, contest: ContestConfig) -> HiddenImages:
    """What a file is about: sample_submission.csv, an npz of ids or labels, or the practice contest's hidden test.

    RehearsalError where nothing says it.
    """
    if sample is None and contest.data.kind == "practice":
        labels = hidden_test(contest.seed)[1]
        return HiddenImages(np.arange(len(labels)).astype(str), labels)
    if sample is None:
        raise RehearsalError(
            f"{platform.name}: which images the file is about must be known. Give --sample sample_submission.csv, or "
            f"an npz with ids or labels"
        )
    if sample.suffix == ".csv":
        table = pd.read_csv(sample, dtype=str, keep_default_na=False)
        if platform.id_column not in table:
            raise RehearsalError(
                f"{sample}: has no column {platform.id_column!r}, but {', '.join(table.columns)}. Fix id_column in "
                f"the platform file"
            )
        return HiddenImages(table[platform.id_column].to_numpy(dtype=str), None)
    arrays = read_npz(sample)
    truth = arrays["labels"].reshape(-1) if "labels" in arrays else None
    counts = [len(arrays[key]) for key in ("ids", "labels", "images") if key in arrays]
    if not counts:
        raise RehearsalError(f"{sample}: must hold ids, labels or images, but holds {', '.join(arrays)}. Fix it")
    return HiddenImages(arrays.get("ids", np.arange(counts[0])).astype(str), truth)


def rehearse_predictions(
    path: Path,
    platform: PlatformConfig,
    class_names: Sequence[str],
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
    checks, labels = check_predictions(path, platform, class_names, images.ids)
    hidden, isolation = None, "not run"
    if labels is not None and level != "check":
        python = platform_python(platform, echo) if level == "platform" else this_python(platform)
        with tempfile.TemporaryDirectory(prefix="kit-") as folder:
            truth = images.labels if images.labels is not None else np.zeros_like(labels)
            (Path(folder) / "output").mkdir()
            np.save(Path(folder) / "output" / "predictions.npy", labels)
            outcome, scores = run_scoring(truth, platform, python, Path(folder))
        isolation = outcome.isolation
        hidden = scores.get(metric) if images.labels is not None else None
        checks.append(_score_check(scores, hidden, metric, outcome.stderr))
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
