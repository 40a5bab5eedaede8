"""A competition bundle: a contest as Codabench takes it from its organisers, for self-hosting or a course.

A zip with competition.yaml at its root, pages, a logo, the ingestion and scoring programs that rehearsals
use, and for every phase its hidden images and their labels.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from kit.config import ContestConfig, PlatformConfig
from kit.errors import PackagingError
from kit.packaging.archive import write_zip
from kit.packaging.form import label_values
from kit.rehearsal.codabench import settings
from kit.rehearsal.programs import ingestion, scoring

COLUMNS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "weighted_f1": "Weighted F1",
    "quadratic_kappa": "Quadratic weighted kappa",
    "matthews": "Matthews correlation",
}
"""What the scoring program writes, and what the leaderboard shows."""

INGESTION = "python3 /app/program/ingestion.py /app/input_data /app/output /app/program /app/ingested_program"
SCORING = "python3 /app/program/scoring.py /app/input /app/output"


@dataclass(frozen=True)
class HiddenTest:
    """The images of one phase: images (N, S, S, 3) uint8 and labels (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def write_bundle(
    contest: ContestConfig,
    platform: PlatformConfig,
    phases: Mapping[str, HiddenTest],
    out: Path,
    *,
    start: datetime | None = None,
    days: int = 30,
    docker_image: str = "codalab/codalab-legacy:py37",
) -> None:
    """Write the bundle of `contest` with its phases in order, each `days` long; PackagingError for unfit
    images.

    docker_image: the image that submissions run in; it has to hold the platform's packages.
    """
    if not phases:
        raise PackagingError("a bundle needs at least one phase with hidden images. Give --hidden FILE.npz")
    for name, hidden in phases.items():
        _check_hidden(contest, platform, name, hidden)
    files = {
        **_programs(platform),
        **_pages(contest, platform),
        "logo.png": _logo(next(iter(phases.values())).images),
    }
    for name, hidden in phases.items():
        files[f"input_data_{name}/images.npz"] = _npz(images=hidden.images)
        files[f"reference_data_{name}/labels.npy"] = _npy(hidden.labels.astype(np.int64))
    first = start or datetime.now(UTC).replace(microsecond=0)
    competition = _competition(contest, platform, list(phases), first, days, docker_image)
    files["competition.yaml"] = yaml.safe_dump(competition, sort_keys=False, allow_unicode=True).encode()
    write_zip(out, files)


def _check_hidden(contest: ContestConfig, platform: PlatformConfig, name: str, hidden: HiddenTest) -> None:
    side = contest.image_size
    if hidden.images.shape[1:] != (side, side, 3) or hidden.images.dtype != np.uint8 or not len(hidden.images):
        raise PackagingError(
            f"phase {name}: hidden images must be (N, {side}, {side}, 3) uint8, but got "
            f"{hidden.images.shape} {hidden.images.dtype}. Fix the file"
        )
    if hidden.labels.shape != (len(hidden.images),):
        raise PackagingError(
            f"phase {name}: labels must be ({len(hidden.images)},), but got {hidden.labels.shape}. Fix the file"
        )
    known = label_values(platform, contest.classes) or tuple(range(len(contest.classes)))
    if not np.isin(hidden.labels, known).all():
        raise PackagingError(
            f"phase {name}: labels must be {min(known)} to {max(known)}, but go from {hidden.labels.min()} to "
            f"{hidden.labels.max()}. Fix the file"
        )


def _competition(
    contest: ContestConfig,
    platform: PlatformConfig,
    phases: list[str],
    start: datetime,
    days: int,
    docker_image: str,
) -> dict[str, Any]:
    """competition.yaml; its rules are those of Codabench's own reader."""
    if contest.metric not in COLUMNS:
        raise PackagingError(
            f"a bundle's scoring program knows {', '.join(COLUMNS)} of the labels that a submission returns, but "
            f"{contest.name} has metric = {contest.metric!r}. Set one of those"
        )
    ordered = [contest.metric, *(key for key in COLUMNS if key != contest.metric)]
    return {
        "version": 2,
        "title": contest.title or contest.name,
        "description": f"Classify images of {len(contest.classes)} classes.",
        "image": "logo.png",
        "docker_image": docker_image,
        "registration_auto_approve": True,
        "terms": "pages/terms.md",
        "pages": [
            {"title": "Overview", "file": "pages/overview.md"},
            {"title": "Evaluation", "file": "pages/evaluation.md"},
        ],
        "tasks": [
            {
                "index": number,
                "name": f"{contest.name} {name}",
                "description": f"Predict the labels of the {name} images",
                "ingestion_program": "ingestion_program",
                "scoring_program": "scoring_program",
                "input_data": f"input_data_{name}",
                "reference_data": f"reference_data_{name}",
            }
            for number, name in enumerate(phases)
        ],
        "phases": [
            {
                "index": number,
                "name": name.capitalize(),
                "description": f"The {name} phase",
                "start": f"{start + timedelta(days=number * days):%Y-%m-%d %H:%M:%S}",
                "end": f"{start + timedelta(days=(number + 1) * days):%Y-%m-%d %H:%M:%S}",
                "max_submissions_per_day": 5,
                "max_submissions": 100,
                "execution_time_limit": int(platform.max_seconds or 600),
                "tasks": [number],
            }
            for number, name in enumerate(phases)
        ],
        "leaderboards": [
            {
                "title": "Results",
                "key": "main",
                "submission_rule": "Force_Best",
                "columns": [
                    {"index": place, "key": key, "title": COLUMNS[key], "sorting": "desc"}
                    for place, key in enumerate(ordered)
                ],
            }
        ],
    }


def _programs(platform: PlatformConfig) -> dict[str, bytes]:
    return {
        "ingestion_program/ingestion.py": Path(ingestion.__file__).read_bytes(),
        "ingestion_program/settings.json": json.dumps(settings(platform)).encode(),
        "ingestion_program/metadata.yaml": f"command: {INGESTION}\n".encode(),
        "scoring_program/scoring.py": Path(scoring.__file__).read_bytes(),
        "scoring_program/metadata.yaml": f"command: {SCORING}\n".encode(),
    }


def _pages(contest: ContestConfig, platform: PlatformConfig) -> dict[str, bytes]:
    side = contest.image_size
    classes = "\n".join(f"{number}. {name}" for number, name in enumerate(contest.classes))
    made = "with the path of its folder" if platform.constructor else "without arguments"
    packages = ", ".join(f"{name} {version}".strip() for name, version in platform.packages.items()) or "none"
    limit = f"{platform.max_seconds or 600:g} seconds"
    overview = (
        f"# {contest.title or contest.name}\n\nImages of {side} x {side} pixels are to be put into "
        f"{len(contest.classes)} classes:\n\n{classes}\n\n"
        f"The hidden images may look different from the training set.\n"
    )
    evaluation = (
        f"# Evaluation\n\nSubmit a flat zip with `model.py` and what it loads. Its class "
        f"`{platform.class_name}` is made {made}, and `predict(X)` is called once with all images, "
        f"(N, {side}, {side}, 3), values 0 to 255. It returns integer labels (N,).\n\n"
        f"Submissions are ranked by {contest.metric.replace('_', ' ')}.\n\n"
        f"Packages: {packages}. Time limit: {limit}.\n"
    )
    terms = "# Terms\n\nThe hidden images must not be looked at. Submissions are run as they are.\n"
    pages = {"overview": overview, "evaluation": evaluation, "terms": terms}
    return {f"pages/{name}.md": text.encode() for name, text in pages.items()}


def _logo(images: np.ndarray) -> bytes:
    """A contact sheet of three by three images."""
    nine = images[np.arange(9) % len(images)]
    rows = [np.concatenate(list(nine[row : row + 3]), axis=1) for row in (0, 3, 6)]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows, axis=0)).resize((288, 288)).save(buffer, "PNG")
    return buffer.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
