"""A hidden test as Codabench runs it: the ingestion program, then the scoring program, each in its own process."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.config import PlatformConfig
from kit.rehearsal.jail import Mount
from kit.rehearsal.leftovers import read_json
from kit.rehearsal.programs import ingestion, scoring
from kit.rehearsal.sandbox import SUBMISSION, Interpreter, Job, Outcome, run_isolated
from kit.rehearsal.watch import Limits


@dataclass(frozen=True)
class Scored:
    """Both runs of a submission, and its scores (empty where one of them failed)."""

    prediction: Outcome
    scoring: Outcome
    scores: dict[str, float]


def settings(platform: PlatformConfig, method: str = "") -> dict[str, str]:
    """What the ingestion program has to know of a platform's entry point; another `method` is called where given."""
    return {
        "method": method or platform.method,
        "class_name": platform.class_name,
        "constructor": platform.constructor,
        "input": platform.input,
    }


def run_hidden(
    submission: Path,
    images: np.ndarray,
    labels: np.ndarray,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
) -> Scored:
    """Score an unpacked submission on hidden images (n, S, S, 3) uint8 with labels (n,).

    Folders are laid out under `scratch` as a worker does; the second run sees the first only through its
    output.
    """
    predicted = run_prediction(submission, images, platform, python, scratch)
    return Scored(predicted, *run_scoring(labels, platform, python, scratch))


def run_prediction(
    submission: Path,
    images: np.ndarray,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
    method: str = "",
) -> Outcome:
    """The first run alone: what the class predicts for images (n, S, S, 3) uint8 in `scratch/output/predictions.npy`.

    method: of the class; the platform's where it is not given.
    """
    folders = {name: scratch / name for name in ("program", "input", "output")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    shutil.copy(ingestion.__file__, folders["program"])
    (folders["program"] / "settings.json").write_text(json.dumps(settings(platform, method)))
    np.savez(folders["input"] / "images.npz", images=images)
    return run_isolated(prediction_job("ingestion.py", submission, folders), python, limits_of(platform))


def run_scoring(
    labels: np.ndarray, platform: PlatformConfig, python: Interpreter, scratch: Path
) -> tuple[Outcome, dict[str, float]]:
    """The second run alone: `scratch/output/predictions.npy` against labels (n,), and the scores."""
    folders = {name: scratch / name for name in ("scorer", "judged", "scores")}
    for name in ("scorer", "judged/ref", "judged/res", "scores"):
        (scratch / name).mkdir(parents=True)
    shutil.copy(scoring.__file__, folders["scorer"])
    np.save(folders["judged"] / "ref" / "labels.npy", labels)
    if (predicted := scratch / "output" / "predictions.npy").is_file():
        shutil.copy(predicted, folders["judged"] / "res")
    outcome = run_isolated(_scoring_job(folders), python, limits_of(platform))
    return outcome, _read_scores(folders["scores"] / "scores.json")


def limits_of(platform: PlatformConfig) -> Limits:
    """A platform's bounds on one run."""
    return Limits(platform.max_seconds, platform.max_memory_mb, platform.shm_mb, platform.threads)


def prediction_job(script: str, submission: Path, folders: dict[str, Path]) -> Job:
    """The program `script`, which has a submission predict; folders: of the "program", its "input" and its "output"."""
    arguments = ("/app/input_data", "/app/output", "/app/program", SUBMISSION)
    mounts = (
        Mount(submission, SUBMISSION),
        Mount(folders["program"], "/app/program"),
        Mount(folders["input"], "/app/input_data"),
        Mount(folders["output"], "/app/output", writable=True),
    )
    return Job(f"/app/program/{script}", arguments, mounts, "/app/program")


def _scoring_job(folders: dict[str, Path]) -> Job:
    mounts = (
        Mount(folders["scorer"], "/app/program"),
        Mount(folders["judged"], "/app/input"),
        Mount(folders["scores"], "/app/output", writable=True),
    )
    return Job("/app/program/scoring.py", ("/app/input", "/app/output"), mounts, "/app/program")


def _read_scores(path: Path) -> dict[str, float]:
    """The leaderboard's values; empty where the file is missing or holds what a leaderboard cannot store."""
    scores = read_json(path)
    if not isinstance(scores, dict):
        return {}
    return {key: float(value) for key, value in scores.items() if type(value) in (int, float) and math.isfinite(value)}
